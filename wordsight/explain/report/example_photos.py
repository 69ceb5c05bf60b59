"""The grid of attention maps: random held-out examples, a hidden word in each, and where the network looked."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import numpy as np
import torch
from numpy.typing import NDArray

from wordsight.concepts.apply import places_of
from wordsight.concepts.concept_set import ConceptSet, Occurrences
from wordsight.corpus.captions import names_in
from wordsight.corpus.example import Box
from wordsight.corpus.splits import ALL, part_of
from wordsight.corpus.store import Corpus
from wordsight.explain.formats import chance
from wordsight.explain.photo.attention import HIDDEN, AttentionMaps, PhotoAttention, Span, WordAttention
from wordsight.explain.photo.heat import common_top, data_uri, overlay, scale_colours
from wordsight.explain.photo.sameness import sameness
from wordsight.explain.report.contents import AttentionMap, AttentionPart, Bar, DrawnBox
from wordsight.progress import track
from wordsight.vision.crops import boxes_in_view
from wordsight.vision.views import eval_view_crop

if TYPE_CHECKING:
    from wordsight.training.run import Run

PICTURE_SIDE = 256
# How many examples are looked at for one that is shown: some have no word that is shown for the first time.
TRIED = 12
# One map with all its attention in a single cell would leave the others dark.
COVERED = 0.6


def describe_attention(run: Run, corpus: Corpus, concepts: ConceptSet, wanted: int) -> AttentionPart | None:
    """Attention maps of random examples that were not trained on.

    Args:
        run: A run of an ICMLM objective.
        corpus: Its corpus.
        concepts: Its concept set.
        wanted: How many maps.

    Returns:
        The maps; None where no word of the held-out captions can be hidden.

    Raises:
        InputError: When the run has no attention, or its language model is absent.
    """
    places = places_of(concepts, corpus)
    split = held_out(corpus)
    shown: list[tuple[PhotoAttention, list[Box]]] = []
    maps = AttentionMaps(run, map=HIDDEN)
    drawn = _draw_words(corpus, concepts, places, split, maps, wanted)
    for i, caption, span, name in track(drawn, "drawing attention", total=wanted):
        seen = maps.of_photo(bytes(corpus.image_bytes(i)), caption, [span])
        shown.append((seen, [box for box in corpus.boxes(i) if name.lower() in names_in(box.name)]))
    if not shown:
        return None
    top = common_top([seen.words[0].attention_HW for seen, _ in shown], COVERED)
    origin = f"from the split {split}, which was not trained on" if split != ALL else "which were trained on too"
    boxed = " The frame is the known place of the object." if any(boxes for _, boxes in shown) else ""
    return AttentionPart(
        sentence="One word of each caption is hidden. On the left the picture; on the right, in colour, where the "
        "network looked for the word; below, its three likeliest words. The examples, "
        f"{origin}, are a random sample, not picked.{boxed}",
        colours=scale_colours(),
        top=chance(top),
        maps=[_map(seen, boxes, top) for seen, boxes in shown],
        warning=sameness(
            [seen.words[0].attention_HW for seen, _ in shown],
            [seen.words[0].target for seen, _ in shown],
            one_photo=False,
        ),
    )


def held_out(corpus: Corpus) -> str:
    """The split that examples are shown from: one that was not trained on, where there is one."""
    return next((part for part in ("test", "val") if part in map(part_of, corpus.splits)), ALL)


def _draw_words(
    corpus: Corpus, concepts: ConceptSet, places: Occurrences, split: str, maps: AttentionMaps, wanted: int
) -> Iterator[tuple[int, str, Span, str]]:
    """Draw examples, and of each a word that is one wordpiece; words with a known box first, no word twice."""
    lot = np.random.default_rng(0)
    order = lot.permutation(np.intersect1d(corpus.indices(split), places.example))[: TRIED * wanted]
    used: set[str] = set()
    for i in order.tolist():
        captions, boxed = corpus.captions(i), frozenset[str]().union(*(names_in(box.name) for box in corpus.boxes(i)))
        rows = lot.permutation(_rows_of(places, i)).tolist()
        rows.sort(key=lambda row: concepts.names[places.concept[row]].lower() not in boxed)
        for row in rows:
            name, caption = concepts.names[places.concept[row]], captions[places.caption[row]]
            span = Span(int(places.start[row]), int(places.end[row]))
            if name not in used and maps.can_hide(caption, span):
                used.add(name)
                yield i, caption, span, name
                break
        if len(used) == wanted:
            return


def _rows_of(places: Occurrences, i: int) -> NDArray[np.int64]:
    first, last = np.searchsorted(places.example, [i, i + 1])
    return np.arange(first, last)


def _map(seen: PhotoAttention, boxes: list[Box], top: float) -> AttentionMap:
    word = seen.words[0]
    drawn = [box for box in (_in_view(box, seen) for box in boxes) if box is not None]
    return AttentionMap(
        photo=data_uri(seen.drawn, PICTURE_SIDE),
        heat=data_uri(overlay(seen.drawn, word.attention_HW, top), PICTURE_SIDE),
        before=seen.caption[: word.span.start],
        word=word.word,
        after=seen.caption[word.span.end :],
        right=word.right,
        pointing=_pointing(word, drawn),
        guesses=_guesses(word),
        boxes=drawn,
    )


def _guesses(word: WordAttention) -> list[Bar]:
    return [
        Bar(guess.word, chance(guess.probability), 100 * guess.probability, right=guess.word == word.target)
        for guess in word.predictions
    ]


def _in_view(box: Box, seen: PhotoAttention) -> DrawnBox | None:
    """A box in percent of the view; None when the view has cut it away."""
    crop = torch.tensor(eval_view_crop(*seen.photo_size, framing=seen.framing), dtype=torch.float64)
    edges = torch.tensor([[box.x, box.y, box.x + box.width, box.y + box.height]], dtype=torch.float64)
    (shown,), (share,) = boxes_in_view(edges, crop)
    if share == 0:
        return None
    left, top, right, bottom = shown.tolist()
    return DrawnBox(*(round(100 * value, 2) for value in (left, top, right - left, bottom - top)))


def _pointing(word: WordAttention, boxes: list[DrawnBox]) -> str:
    """Whether the middle of the cell with the most attention lies inside a box."""
    if not boxes:
        return ""
    rows, columns = word.attention_HW.shape
    row, column = divmod(int(word.attention_HW.argmax()), columns)
    x, y = 100 * (column + 0.5) / columns, 100 * (row + 0.5) / rows
    inside = any(b.x <= x <= b.x + b.width and b.y <= y <= b.y + b.height for b in boxes)
    return "looks inside the frame" if inside else "looks outside the frame"
