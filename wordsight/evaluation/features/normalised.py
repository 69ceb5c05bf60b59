"""Features as classifiers read them: half precision on the disk, made float32 and normalised a few rows at a time."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import DTypeLike, NDArray

from wordsight.evaluation.features.feature_checks import flat

# Rows that are made float32 together: 4,096 of 2,048 features are 34 MB.
_BLOCK = 4096

Normalise = Literal["none", "l2", "standardise"]


@dataclass(frozen=True)
class NormalisedRows:
    """Rows of a feature matrix that are read and normalised when they are indexed, as ``features[rows]``.

    Args:
        stored: ``[N, D]``, float16 or float32; often memory-mapped, and larger than memory.
        shift_D: Subtracted from every row; None for nothing.
        scale_D: What every row is multiplied by, after the shift; None for one.
        unit: Whether every row is divided by its length; a row of no length stays as it is.
    """

    stored: NDArray[Any]
    shift_D: NDArray[np.float32] | None = None
    scale_D: NDArray[np.float32] | None = None
    unit: bool = False

    @property
    def shape(self) -> tuple[int, ...]:
        """N and D."""
        return self.stored.shape

    def __len__(self) -> int:
        return len(self.stored)

    def __getitem__(self, rows: slice | NDArray[Any]) -> NDArray[np.float32]:
        read = np.array(self.stored[rows], np.float32)
        if self.shift_D is not None:
            read -= self.shift_D
        if self.scale_D is not None:
            read *= self.scale_D
        if self.unit:
            read /= np.maximum(np.linalg.norm(read, axis=1, keepdims=True), 1e-12)
        return read

    def __array__(self, dtype: DTypeLike | None = None, copy: bool | None = None) -> NDArray[Any]:
        """All rows at once."""
        return self[:].astype(dtype or np.float32, copy=False)


def normalised(train: NDArray[Any], test: NDArray[Any], how: Normalise) -> tuple[NormalisedRows, NormalisedRows]:
    """Features of both splits as a classifier reads them.

    Args:
        train: ``[n, D]``, float16 or float32.
        test: ``[m, D]``.
        how: ``l2``: every image's features have length one. ``standardise``: zero mean and unit spread over the
            training images; constant features become zero. ``none``.
    """
    if how == "standardise":
        mean_D, spread_D, largest_D = _moments(train)
        flat_D = flat(spread_D, largest_D)
        scale_D = np.where(flat_D, 0.0, 1 / np.where(flat_D, 1.0, spread_D)).astype(np.float32)
        shift_D = mean_D.astype(np.float32)
        return NormalisedRows(train, shift_D, scale_D), NormalisedRows(test, shift_D, scale_D)
    return NormalisedRows(train, unit=how == "l2"), NormalisedRows(test, unit=how == "l2")


def _moments(features: NDArray[Any]) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]:
    """Mean, standard deviation and largest absolute value of each feature."""
    total_D, largest_D = np.zeros(features.shape[1]), np.zeros(features.shape[1])
    for block_nD in _blocks(features):
        total_D += block_nD.sum(0, dtype=np.float64)
        largest_D = np.maximum(largest_D, np.abs(block_nD).max(0))
    mean_D = total_D / len(features)
    squares_D = np.zeros(features.shape[1])
    for block_nD in _blocks(features):
        squares_D += ((block_nD - mean_D) ** 2).sum(0)
    return mean_D, np.sqrt(squares_D / len(features)), largest_D


def _blocks(features: NDArray[Any]) -> Iterator[NDArray[np.float32]]:
    for first in range(0, len(features), _BLOCK):
        yield np.asarray(features[first : first + _BLOCK], np.float32)
