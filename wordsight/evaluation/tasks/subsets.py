"""Few of many labelled images, drawn by a seed and the content of the images: the same ones for every backbone."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from wordsight.evaluation.tasks.holdout import strata_of


def drawing_order(hashes: Sequence[str], seed: int) -> NDArray[np.int64]:
    """The rows of distinct images in the order in which they are drawn, ``[d]``.

    The order depends on the images' content alone, and not on names or the order of files; of copies the first counts.

    Args:
        hashes: Hash of each image.
        seed: Another one gives another order.
    """
    first: dict[str, int] = {}
    for row, each in enumerate(hashes):
        first.setdefault(each, row)
    keys = {each: hashlib.blake2b(f"draw {seed}:{each}".encode(), digest_size=8).hexdigest() for each in first}
    return np.array([first[each] for each in sorted(first, key=keys.__getitem__)], dtype=np.int64)


def draw_shots(hashes: Sequence[str], targets: NDArray[Any], classes: int, shots: int, seed: int) -> NDArray[np.int64]:
    """So many images of each class; the draw of fewer with the same seed is among them.

    With several labels an image: so many that have the label, and more where images of other classes have it too. A
    class that all of them have gets so many images without it as well, as nothing could be learned about it otherwise.

    Args:
        hashes: Hash of each training image.
        targets: Classes ``[n]``, or 1, 0, -1 (ignored) ``[n, K]``.
        classes: Number K of classes.
        shots: How many images a class; of a class that has fewer, all.
        seed: Of the draw.

    Returns:
        Rows, ascending.
    """
    order = drawing_order(hashes, seed)
    if targets.ndim == 1:
        drawn = [order[targets[order] == k][:shots] for k in range(classes)]
        return np.sort(np.concatenate(drawn))
    rows = np.unique(np.concatenate([order[targets[order, k] == 1][:shots] for k in range(classes)]))
    common = np.flatnonzero((targets[rows] == 1).any(0) & ~(targets[rows] == 0).any(0))
    without = [order[targets[order, k] == 0][:shots] for k in common]
    return np.unique(np.concatenate([rows, *without]))


def most_shots(hashes: Sequence[str], targets: NDArray[Any], classes: int) -> int:
    """How many distinct images the rarest class has, of those that have any."""
    distinct = targets[drawing_order(hashes, 0)]
    if targets.ndim == 2:
        counts_K = (distinct == 1).sum(0)
    else:
        counts_K = np.bincount(distinct, minlength=classes)
    return int(counts_K[counts_K > 0].min(initial=len(hashes)))


def draw_share(hashes: Sequence[str], targets: NDArray[Any], share: float, seed: int) -> NDArray[np.int64]:
    """A share of the images of each class, to the nearest whole image and one at least.

    With several labels an image goes with the rarest that it has; those without any are drawn from likewise.

    Args:
        hashes: Hash of each training image.
        targets: Classes ``[n]``, or 1, 0, -1 (ignored) ``[n, K]``.
        share: How much of each class, above 0 and at most 1; all images, copies too, for 1.
        seed: Of the draw.

    Returns:
        Rows, ascending.
    """
    if share == 1:
        return np.arange(len(hashes))
    order, strata = drawing_order(hashes, seed), strata_of(targets)
    drawn = []
    for stratum in np.unique(strata):
        members = order[strata[order] == stratum]
        drawn.append(members[: max(1, round(share * len(members)))])
    return np.sort(np.concatenate(drawn))
