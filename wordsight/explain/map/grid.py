"""From places in the plane to cells of a grid, so that no thumbnail hides another."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from wordsight.progress import progress_bar

# Share of the cells that are taken: with room to spare groups keep their shape, and gaps between them stay.
FILL = 0.6
# A few far places would squeeze all others: this share at each end is drawn in to the edge.
_EDGE = 0.005
# Height of a map by its width, or the other way round, at least.
_THINNEST = 0.25


@dataclass(frozen=True)
class Grid:
    """Cells of a grid.

    Args:
        cells_N2: Column and row of each image, counted from the upper left; no two are alike.
        free_N2: Where t-SNE has put each image, in the grid's measure: centres of cells are at whole numbers.
    """

    cells_N2: NDArray[np.int64]
    free_N2: NDArray[np.float64]


def snap(places_N2: NDArray[np.float64]) -> Grid:
    """Give each place a cell of its own: those with the least sum of squared distances from their places.

    Args:
        places_N2: Places in the plane.
    """
    from scipy.optimize import linear_sum_assignment
    from scipy.spatial.distance import cdist

    low, high = np.quantile(places_N2, [_EDGE, 1 - _EDGE], axis=0)
    spread = np.maximum(high - low, max(float((high - low).max()) * _THINNEST, 1e-12))
    # As many cells as there is room for in the rectangle that the places span, and one scale for both directions.
    cell = math.sqrt(float(spread.prod()) * FILL / len(places_N2))
    columns, rows = (max(2, math.ceil(length / cell)) for length in spread)
    while columns * rows < len(places_N2):
        columns, rows = columns + 1, rows + 1
    shape = np.array([columns, rows])
    free_N2 = ((places_N2 - (low + high) / 2) / cell + (shape - 1) / 2).clip(0, shape - 1)
    every = np.stack(np.meshgrid(np.arange(columns), np.arange(rows)), axis=-1).reshape(-1, 2)
    with progress_bar() as bar:
        bar.add_task("a cell for each image", total=None, note="")
        _, taken = linear_sum_assignment(cdist(free_N2, every, "sqeuclidean"))
    return Grid(every[taken].astype(np.int64), free_N2)
