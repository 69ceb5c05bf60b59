"""The picture that ``explain photo`` writes: the photo, and for each hidden word where the network looked for it."""

from __future__ import annotations

import math
import textwrap
from pathlib import Path
from typing import TYPE_CHECKING, Any

from wordsight.atomic import atomic_file
from wordsight.explain.formats import SPACE, chance, plain
from wordsight.explain.photo.attention import PhotoAttention, WordAttention
from wordsight.explain.photo.heat import common_top, overlay, scale_colours
from wordsight.explain.photo.sameness import sameness

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

INK, FAINT, BAR, BAR_RIGHT, WARNING = "#1b1d22", "#6a7079", "#dfe3e8", "#a9d3ee", "#8a4b00"
MOST_COLUMNS = 5
# Five rows with the photo. Of an article each word would be a panel, in a picture that no viewer opens.
MOST_WORDS = 24
# Of the caption above the panels.
MOST_LETTERS = 480
# Letters. In text whose words are longer on average, blanks don't tell words apart.
_LONGEST_WORD = 30
# Inches: the side of a picture, the room for its title, its predictions and the gaps between panels.
SIDE, TITLE, LINES, GAP, MARGIN = 2.15, 0.3, 0.78, 0.2, 0.3
# Of panels that nothing is guessed in.
ONE_LINE = 0.29
LINE, SCALE, NOTE = 0.26, 0.84, 0.17
BARS = "Bars: what the network takes the hidden word for."


def columns_for(panels: int) -> int:
    """How many panels stand in a row: at most five, and rows as even as they can be."""
    return math.ceil(panels / math.ceil(panels / MOST_COLUMNS))


def notes(seen: PhotoAttention) -> list[str]:
    """What a reader of the picture should know: what is left out of it, and maps that tell nothing of the words.

    Args:
        seen: What the network saw.
    """
    left_out = []
    if rest := seen.caption[seen.read :].strip():
        unread, every, unit = _counted(rest, seen.caption)
        left_out.append(
            f"{unread:,} of {every:,} {unit} of the caption, of which the language model reads the first "
            f"{seen.most_tokens} tokens"
        )
    if (hidden := len(seen.words)) > MOST_WORDS:
        what = "words that can be hidden" if seen.words[0].predictions else "words"
        left_out.append(f"all but the first {MOST_WORDS} of the {hidden} {what}")
    found = [f"left out of the picture: {'; and '.join(left_out)}"] if left_out else []
    empty = [word.word for word in seen.words if not word.attention_HW.any()]
    if empty:
        found.append(f"no place of the photo speaks for {', '.join(dict.fromkeys(empty))}")
        return found
    hidden = any(word.predictions for word in seen.words)
    same = sameness([word.attention_HW for word in seen.words], [word.target for word in seen.words], hidden=hidden)
    return [*found, *([same] if same else [])]


def _counted(part: str, whole: str) -> tuple[int, int, str]:
    """Sizes of a part and of the whole, in words; in characters where blanks don't tell words apart."""
    words = len(whole.split())
    if len(whole) > _LONGEST_WORD * words:
        return len(part), len(whole), "characters"
    return len(part.split()), words, "words"


def _heading(caption: str) -> str:
    """A caption as it stands above the panels: the beginning of a long one."""
    caption = " ".join(caption.split())
    if len(caption) <= MOST_LETTERS:
        return caption
    begun = caption[:MOST_LETTERS]
    return (begun.rsplit(" ", 1)[0] if " " in begun[-_LONGEST_WORD:] else begun) + " \N{HORIZONTAL ELLIPSIS}"


def draw(seen: PhotoAttention, out: Path) -> Path:
    """Draw the photo and one panel a word, and write them as one picture.

    Of very long captions the first words are drawn; :func:`notes` says what is left out, and stands below the panels.

    Args:
        seen: What the network saw, at least one word.
        out: The file to make; its ending names the format (PNG, SVG, PDF).

    Raises:
        InputError: When ``out`` can't be written.
    """
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    words = seen.words[:MOST_WORDS]
    panels = len(words) + 1
    columns = columns_for(panels)
    rows = math.ceil(panels / columns)
    width = 2 * MARGIN + columns * SIDE + (columns - 1) * GAP
    heading = f"the run's own words: {seen.caption}" if seen.own else seen.caption
    caption = textwrap.wrap(_heading(heading), width=max(24, int(width * 9))) or [""]
    footer = [line for note in notes(seen) for line in textwrap.wrap(note, int(width * 15))]
    foot = NOTE * len(footer) + (0.1 if footer else 0)
    top = MARGIN + LINE * len(caption) + 0.05
    guessed = any(word.predictions for word in words)
    lines = LINES if guessed else ONE_LINE
    height = top + rows * (TITLE + SIDE + lines) + (rows - 1) * GAP + SCALE + foot
    figure = Figure(figsize=(width, height), dpi=160, facecolor="white")
    FigureCanvasAgg(figure)
    _lines(figure, caption, 1 - MARGIN / height, LINE / height, size=13, weight="bold", color=INK)
    _lines(figure, footer, (foot + 0.06) / height, NOTE / height, size=8, color=WARNING)
    scale = common_top([word.attention_HW for word in words])
    for panel in range(panels):
        row, column = divmod(panel, columns)
        left = MARGIN + column * (SIDE + GAP)
        bottom = height - top - (row + 1) * (TITLE + SIDE) - row * (lines + GAP)
        axes = figure.add_axes((left / width, bottom / height, SIDE / width, SIDE / height))
        axes.axis("off")
        if panel == 0:
            _titled(axes, "the photo, as the network sees it", FAINT, 8.5)
            axes.imshow(seen.view, interpolation="bilinear")
            continue
        word = words[panel - 1]
        _titled(axes, word.word, INK, 12)
        if word.predictions and word.said:
            axes.set_title(word.said, loc="right", fontsize=7, color=FAINT, pad=5, parse_math=False)
        axes.imshow(overlay(seen.drawn, word.attention_HW, scale), interpolation="bilinear")
        below = figure.add_axes((left / width, (bottom - lines) / height, SIDE / width, (lines - 0.05) / height))
        _predictions(below, word, 3 if guessed else 1)
    bars = f" {BARS}" if guessed else ""
    legend = f"{seen.shows[0].upper()}{seen.shows[1:]}. Colour: {seen.colour}.{bars}"
    _colour_bar(figure, width, height, scale, foot, legend)
    with atomic_file(out) as beside:
        figure.savefig(beside, format=out.suffix.lstrip(".").lower() or "png")
    return out


def _lines(figure: Figure, lines: list[str], top: float, each: float, **style: Any) -> None:
    """Lines of text at the left margin, from a height downwards, both as shares of the figure's."""
    left = MARGIN / (figure.get_figwidth())
    for number, line in enumerate(lines):
        figure.text(left, top - each * number, line, va="top", parse_math=False, **style)


def _titled(axes: Axes, text: str, colour: str, size: float) -> None:
    axes.set_title(text, loc="left", fontsize=size, color=colour, pad=5, parse_math=False)


def _predictions(axes: Axes, word: WordAttention, most: int) -> None:
    """The words that the model holds likeliest, a bar behind each as long as its probability; and what else it says."""
    axes.set_xlim(0, 1)
    axes.set_ylim(most - 0.05, -0.05)
    axes.axis("off")
    if not word.predictions and word.said:
        axes.text(0.02, 0.47, word.said, va="center", fontsize=8.5, color=FAINT, parse_math=False)
    for row, guess in enumerate(word.predictions):
        right = guess.word == word.target
        axes.barh(row + 0.45, guess.probability, height=0.82, color=BAR_RIGHT if right else BAR, align="center")
        style: dict[str, Any] = {"va": "center", "fontsize": 8.5, "color": INK, "parse_math": False}
        axes.text(0.02, row + 0.47, guess.word, weight="bold" if right else "normal", **style)
        axes.text(0.98, row + 0.47, chance(guess.probability), ha="right", **style)


def _colour_bar(figure: Figure, width: float, height: float, scale: float, foot: float, legend: str) -> None:
    from matplotlib.cm import ScalarMappable
    from matplotlib.colors import ListedColormap, Normalize
    from matplotlib.ticker import FuncFormatter, MaxNLocator

    length = min(2.6, width - 2 * MARGIN)
    axes = figure.add_axes((MARGIN / width, (foot + 0.36) / height, length / width, 0.085 / height))
    colours = ListedColormap(scale_colours(256))
    bar = figure.colorbar(ScalarMappable(Normalize(0, scale), colours), cax=axes, orientation="horizontal")
    bar.ax.xaxis.set_major_locator(MaxNLocator(4))
    bar.ax.xaxis.set_major_formatter(FuncFormatter(lambda part, _: f"{plain(100 * part)}{SPACE}%"))
    bar.ax.tick_params(labelsize=7, colors=FAINT, length=2)
    bar.outline.set_visible(False)
    bar.ax.set_title(
        "\n".join(textwrap.wrap(legend, int(width * 19))),
        fontsize=7,
        color=FAINT,
        loc="left",
        pad=3,
    )
