"""Whether attention depends on the word: a run that has not learned looks at the same place whatever is hidden."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from wordsight.explain.formats import share

# Shares of the attention that lie elsewhere. Untrained networks differ by 0.01 to 0.035 between the words of a caption.
SAME, EVEN = 0.05, 0.1


def sameness(
    attentions: Sequence[NDArray[np.float32]], words: Sequence[str], *, one_photo: bool = True, hidden: bool = True
) -> str:
    """What a reader should know of maps that tell nothing of the words, in a sentence; "" where they do.

    Args:
        attentions: The maps, one a hidden word; each sums to one.
        words: The words. The same word twice may well have the same map twice.
        hidden: Whether the words were hidden and looked for; else the maps are of words that were read.
        one_photo: Whether all are of one photo, in which there may be a single thing to look at.
    """
    maps_ML = np.stack([attention.reshape(-1) for attention in attentions]).astype(np.float64)
    if _elsewhere(maps_ML, np.full(maps_ML.shape[1], 1 / maps_ML.shape[1])) < EVEN:
        if not hidden:
            return "the maps lie nearly evenly over the whole photo: they tell no place of the words"
        return "the attention lies nearly evenly over the whole photo: the run looks nowhere in particular"
    may_be = "too little training, or a photo of one thing" if one_photo else "too little training"
    different = len({word.lower() for word in words})
    if different < 2 or (elsewhere := _elsewhere(maps_ML, maps_ML.mean(0))) >= SAME:
        return ""
    if not hidden:
        return (
            f"the maps are nearly the same for all {different} words (at most {share(elsewhere, 1)} of them lies "
            f"elsewhere): they tell no word from another ({may_be})"
        )
    return (
        f"the attention is nearly the same for all {different} words (at most {share(elsewhere, 1)} of it lies "
        f"elsewhere): the run looks at one place whatever is hidden ({may_be})"
    )


def _elsewhere(maps_ML: NDArray[np.float64], other_L: NDArray[np.float64]) -> float:
    """The largest share of a map's attention that lies elsewhere than in another map (total variation)."""
    return float(np.abs(maps_ML - other_L).sum(axis=1).max()) / 2
