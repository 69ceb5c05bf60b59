"""Fixed samples of rows: the same ones at every call, so that results can be compared."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray


def sample_rows(rows: NDArray[np.int64], most: int) -> NDArray[np.int64]:
    """At most ``most`` of the rows, drawn with seed 0, ascending."""
    if len(rows) <= most:
        return rows
    return np.sort(np.random.default_rng(0).choice(rows, most, replace=False))


def sample_images(rows: NDArray[np.int64], example_M: NDArray[np.int64], most: int) -> NDArray[np.int64]:
    """All rows of so many images that at most ``most`` rows are chosen (of one image at least), ascending.

    Args:
        rows: Rows of the masked captions.
        example_M: The example of every masked caption.
        most: How many rows at most.
    """
    if len(rows) <= most:
        return rows
    examples, image_of, counts = np.unique(example_M[rows], return_inverse=True, return_counts=True)
    order = np.random.default_rng(0).permutation(len(examples))
    within = order[np.cumsum(counts[order]) <= most]
    return rows[np.isin(image_of, within if len(within) else order[:1])]
