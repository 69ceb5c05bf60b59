"""The picture of coverage: in how many images each class is named, and how well it is told."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from wordsight.atomic import atomic_file
from wordsight.errors import InputError
from wordsight.explain.coverage.count import Coverage, accuracy_of

if TYPE_CHECKING:
    from wordsight.evaluation.results.result import Result

ENDINGS = (".png", ".svg", ".pdf", ".jpg")
INK, FAINT, DOT = "#1b1d22", "#6a7079", "#2f7fb5"
# With more classes than this their names would hide each other.
_MOST_NAMES = 40


def plot_coverage(found: Coverage, file: Path, result: Result | None = None, matcher: str | None = None) -> None:
    """Draw the images that name each class against the class's accuracy; without a result, the images alone, sorted.

    Args:
        found: What was counted.
        file: The picture to write; its ending names the format.
        result: A result with a value per class.
        matcher: Which matcher's images; the lemmas by default.

    Raises:
        InputError: When the ending is of no picture, or the result has none of the classes.
    """
    if file.suffix.lower() not in ENDINGS:
        raise InputError(f"the ending {file.suffix!r} is of no picture", where=file, expected=", ".join(ENDINGS))
    matcher = matcher or ("lemma" if "lemma" in found.found else next(iter(found.found)))
    value_K = None if result is None else accuracy_of(found, result)
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(7, 5), dpi=150, facecolor="white", layout="constrained")
    FigureCanvasAgg(figure)
    axes = figure.subplots()
    axes.spines[["top", "right"]].set_visible(False)
    axes.tick_params(colors=FAINT, labelsize=8)
    if result is None or value_K is None:
        _sorted(axes, found)
    else:
        _against(axes, found, matcher, value_K, result)
    with atomic_file(file) as beside:
        figure.savefig(beside, format=file.suffix.lstrip(".").lower())


def _against(axes: Any, found: Coverage, matcher: str, value_K: Any, result: Result) -> None:
    from matplotlib.ticker import StrMethodFormatter
    from scipy.stats import spearmanr

    known = ~np.isnan(value_K)
    images_K = found.found[matcher].images_K
    axes.set_xscale("symlog", linthresh=1)
    axes.xaxis.set_major_formatter(StrMethodFormatter("{x:,.0f}"))
    axes.scatter(images_K[known], value_K[known], s=22, color=DOT, alpha=0.85, linewidths=0)
    if known.sum() <= _MOST_NAMES:
        # Classes that are one dot have one text.
        at: dict[tuple[float, float], list[str]] = {}
        for k in np.flatnonzero(known).tolist():
            at.setdefault((float(images_K[k]), float(value_K[k])), []).append(found.shown(k))
        for place, names in at.items():
            style: dict[str, Any] = {"fontsize": 7, "color": FAINT, "parse_math": False}
            axes.annotate(", ".join(names), place, (4, 3), textcoords="offset points", **style)
    axes.set_xlim(left=-0.2)
    said = f"images of {found.corpus} ({found.split}) whose captions name the class ({matcher})"
    axes.set_xlabel(said, fontsize=9, color=INK, parse_math=False)
    axes.set_ylabel(f"{result.metric} of the class, percent", fontsize=9, color=INK)
    title = f"{result.task}, {result.protocol}" + (f", {result.model}" if result.model else "")
    if known.sum() > 2 and len(np.unique(images_K[known])) > 1 and len(np.unique(value_K[known])) > 1:
        title += f": rank correlation {spearmanr(images_K[known], value_K[known]).statistic:.2f}"
    axes.set_title(title, loc="left", fontsize=10, color=INK, parse_math=False)


def _sorted(axes: Any, found: Coverage) -> None:
    from matplotlib.ticker import MaxNLocator, StrMethodFormatter

    matchers = list(found.found.items())
    for number, (name, one) in enumerate(matchers):
        ordered = np.sort(one.images_K)[::-1]
        # Narrower and narrower, so that lines which lie on each other are all seen.
        style: dict[str, Any] = {"linewidth": 1.5 + 2 * (len(matchers) - 1 - number), "baseline": None}
        axes.stairs(ordered, np.arange(len(ordered) + 1) + 0.5, label=f"{name}: {one.share:.0f} % covered", **style)
    axes.set_yscale("symlog", linthresh=1)
    axes.set_ylim(-0.05, max(2.0, 1.5 * max(int(one.images_K.max(initial=0)) for one in found.found.values())))
    axes.yaxis.set_major_formatter(StrMethodFormatter("{x:,.0f}"))
    axes.xaxis.set_major_locator(MaxNLocator(integer=True, min_n_ticks=1))
    axes.set_xlabel("classes, the one named in most images first", fontsize=9, color=INK)
    axes.set_ylabel("images whose captions name the class", fontsize=9, color=INK)
    axes.set_title(f"{found.corpus}, {found.split}", loc="left", fontsize=10, color=INK, parse_math=False)
    axes.legend(frameon=False, fontsize=8)
