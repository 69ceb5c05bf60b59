"""Whether what is guessed tells images apart: a few answers that are given to most of them say that it hardly does."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from wordsight.evaluation.image_text.similarity import Vectors

# Classes that a warning names, and how many there are at most for each that may take half of the guesses.
_NAMED, _CLASSES = 3, 5
# Images for each text that may be the first answer of half of them; fewer images than the second say nothing.
_IMAGES, _FEWEST = 50, 20
# Images that are looked at together.
_TOGETHER = 256
# What two vectors may differ by and be the same, relative to the largest number in them.
_SAME = 1e-6


def guesses_of(scores_NK: NDArray[np.float64]) -> NDArray[np.float64]:
    """How often each class is the guess, ``[K]``; classes that tie share it.

    Args:
        scores_NK: Scores.
    """
    best_NK = scores_NK == scores_NK.max(1, keepdims=True)
    return np.asarray((best_NK / best_NK.sum(1, keepdims=True)).sum(0))


def few_classes(guesses_K: NDArray[np.float64], images_K: NDArray[np.int64], names: Sequence[str]) -> list[str]:
    """A sentence where a few classes take most of the guesses, and are of far fewer of the images.

    Args:
        guesses_K: How often each is the guess.
        images_K: How many of the images are of it.
        names: The classes.
    """
    order = np.argsort(-guesses_K, kind="stable")
    share = np.cumsum(guesses_K[order]) / guesses_K.sum()
    most = max(1, len(names) // _CLASSES)
    few = min(int(np.searchsorted(share, 0.9)) + 1, most)
    taken, own = float(share[few - 1]), float(images_K[order[:few]].sum() / images_K.sum())
    if taken < 0.5 or taken < 2 * own:
        return []
    listed = ", ".join(f"{names[k]} {100 * guesses_K[k] / guesses_K.sum():.0f} %" for k in order[: min(few, _NAMED)])
    more = ", ..." if few > _NAMED else ""
    take = "takes" if few == 1 else "take"
    return [
        f"{few:,} of {len(names):,} classes {take} {100 * taken:.0f} % of the predictions and {100 * own:.0f} % of "
        f"the images ({listed}{more}): it hardly tells the images apart"
    ]


def few_texts(first_N: NDArray[np.int64], texts: int) -> list[str]:
    """A sentence where a few texts are the first answer of half of the images.

    Args:
        first_N: The text that scores highest for each image.
        texts: How many there are.
    """
    if len(first_N) < _FEWEST:
        return []
    counts = np.sort(np.bincount(first_N))[::-1]
    share = np.cumsum(counts) / len(first_N)
    few = int(np.searchsorted(share, 0.5)) + 1
    if few > max(1, len(first_N) // _IMAGES):
        return []
    be = "is" if few == 1 else "are"
    return [
        f"{few:,} of {texts:,} texts {be} the first answer of {100 * share[few - 1]:.0f} % of the images: it hardly "
        "tells the images apart"
    ]


def no_difference(images: Vectors) -> list[str]:
    """A sentence where all images are the same to a text side: what is measured then is chance.

    Args:
        images: Vectors of two images or more.
    """
    first_1Z = images.block(slice(0, 1))
    for start in range(0, len(images), _TOGETHER):
        block_nZ = images.block(slice(start, start + _TOGETHER))
        if float((block_nZ - first_1Z).abs().max()) > _SAME * max(float(first_1Z.abs().max()), 1e-30):
            return []
    return (
        [
            "it sees no difference between the images, so this is chance: unless they are all alike, the backbone has "
            "collapsed (lower the learning rate, or look at its loss)"
        ]
        if len(images) > 1
        else []
    )
