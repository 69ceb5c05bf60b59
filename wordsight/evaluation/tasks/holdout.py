"""Which examples are held out: fixed by the content of the images, so that names and order of files don't matter."""

from __future__ import annotations

import hashlib
import warnings
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray


def held_out(hashes: Sequence[str], strata: NDArray[np.int64], share: float, purpose: str) -> NDArray[np.bool_]:
    """Choose a share of the examples of every stratum, by the hash of their images.

    Copies of one image stay together: they count once, and follow the first of them in its stratum.

    Args:
        hashes: Hash of each example's image, ``[n]``.
        strata: The stratum of each example (its class), ``[n]``.
        share: How much of each stratum is chosen, to within one image; what rounding leaves over, never more than half
            an image, passes to the next stratum, so that many small ones keep the share of the whole. Of a stratum at
            least one image always stays.
        purpose: What the choice is for; choices for different purposes are independent.

    Returns:
        True for the examples that are held out.
    """
    keys = [hashlib.blake2b(f"{purpose}:{each}".encode(), digest_size=8).hexdigest() for each in hashes]
    stratum_of: dict[str, int] = {}
    for key, stratum in sorted(zip(keys, strata.tolist(), strict=True)):
        stratum_of.setdefault(key, stratum)
    members: dict[int, list[str]] = {}
    for key, stratum in sorted(stratum_of.items()):
        members.setdefault(stratum, []).append(key)
    chosen: set[str] = set()
    owed = 0.0
    for _, ordered in sorted(members.items()):
        owed += share * len(ordered)
        count = min(round(owed), len(ordered) - 1)
        chosen.update(ordered[:count])
        # Strata of one image can't pay: what they owe must not be taken from one that can.
        owed = min(owed - count, 0.5)
    return np.fromiter((key in chosen for key in keys), dtype=np.bool_, count=len(keys))


def strata_of(targets: NDArray[np.int64] | NDArray[np.int8]) -> NDArray[np.int64]:
    """The stratum of each example: its class; with several labels, the rarest class that it has.

    Args:
        targets: Classes ``[n]``, or for several labels 1, 0, -1 (ignored) ``[n, K]``.

    Returns:
        Numbers of strata ``[n]``; examples without any label have one of their own.
    """
    if targets.ndim == 1:
        return targets.astype(np.int64)
    positive = targets == 1
    frequency = positive.sum(0)
    # The rarest class first, so that argmax finds it; a stable order breaks ties by the class's number.
    by_rarity = np.argsort(frequency, kind="stable")
    rarest = by_rarity[positive[:, by_rarity].argmax(1)]
    strata: NDArray[np.int64] = np.where(positive.any(1), rarest, targets.shape[1]).astype(np.int64)
    return strata


def folds_of(hashes: Sequence[str], strata: NDArray[np.int64], folds: int, purpose: str) -> NDArray[np.int64]:
    """Deal the examples of every stratum into folds, by the hash of their images; copies of one image stay together.

    Args:
        hashes: Hash of each example's image, ``[n]``.
        strata: The stratum of each example (its class), ``[n]``.
        folds: How many.
        purpose: What they are for; those for different purposes are independent.

    Returns:
        The fold of each example, ``[n]``; folds differ in size by one image at most.
    """
    keys = [hashlib.blake2b(f"{purpose}:{each}".encode(), digest_size=8).hexdigest() for each in hashes]
    stratum_of: dict[str, int] = {}
    for key, stratum in sorted(zip(keys, strata.tolist(), strict=True)):
        stratum_of.setdefault(key, stratum)
    dealt = sorted(stratum_of, key=lambda key: (stratum_of[key], key))
    fold_of = {key: place % folds for place, key in enumerate(dealt)}
    return np.fromiter((fold_of[key] for key in keys), dtype=np.int64, count=len(keys))


def dealt_in_order(labels: NDArray[Any], folds: int) -> NDArray[np.bool_]:
    """Deal examples into folds in the order that they come in, each label's by itself: scikit-learn's StratifiedKFold.

    It is what VISSL's and VirTex's ``cross_val_score`` does for each class. Copies of one image may lie in two folds.

    Args:
        labels: The label of each example, or whether it has a class, ``[n]``.
        folds: How many.

    Returns:
        True for the examples of each fold, ``[folds, n]``; none where no label has an example for every fold.
    """
    from sklearn.model_selection import StratifiedKFold

    held = np.zeros((folds, len(labels)), dtype=np.bool_)
    if np.unique(labels, return_counts=True)[1].max() >= folds:
        with warnings.catch_warnings():
            # A label with fewer examples than folds is missing from some of them: what measures them sees that.
            warnings.simplefilter("ignore", UserWarning)
            splits = list(StratifiedKFold(folds).split(np.zeros((len(labels), 1)), labels))
        for fold, (_, rows) in enumerate(splits):
            held[fold, rows] = True
    return held
