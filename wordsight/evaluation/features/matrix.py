"""Features as the solvers read them: some rows of a matrix, in blocks, on the device that computes.

The matrix may be a tensor, an array, or a memory-mapped file of half precision that doesn't fit the device: a block at
a time is copied there and made float32.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any, Protocol

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from wordsight.evaluation.features.feature_checks import check_features


class FeatureReader(Protocol):
    """A matrix whose rows are read when they are indexed."""

    @property
    def shape(self) -> tuple[int, ...]:
        """Rows and columns."""

    def __len__(self) -> int: ...

    def __getitem__(self, rows: slice | NDArray[Any], /) -> NDArray[Any]: ...


Features = Tensor | NDArray[Any] | FeatureReader


@dataclass(frozen=True)
class Matrix:
    """Rows of a feature matrix, shifted and weighted.

    Args:
        array_ND: The features of all rows, float16 or float32, wherever they lie.
        rows_n: Which rows are taken.
        device: Where blocks are computed with.
        block: Rows that are copied there at a time.
        shift_D: Subtracted from every row; None for nothing.
        scale_n: Every row is multiplied by its own, after the shift; None for one.
        ones: Whether a column of ones follows the features.
    """

    array_ND: Features
    rows_n: Tensor
    device: torch.device
    block: int = 4096
    shift_D: Tensor | None = None
    scale_n: Tensor | None = None
    ones: bool = False

    def __len__(self) -> int:
        return len(self.rows_n)

    @property
    def width(self) -> int:
        """Columns of a block."""
        return int(self.array_ND.shape[1]) + self.ones

    def blocks(self) -> Iterator[tuple[slice, Tensor]]:
        """The rows in order, float32 on the device: which of them, and ``[rows, width]``."""
        for first in range(0, len(self), self.block):
            part = slice(first, min(first + self.block, len(self)))
            yield part, self._read(part)

    def whole(self) -> Tensor:
        """All rows at once."""
        return torch.cat([block for _, block in self.blocks()])

    def centred(self) -> Matrix:
        """The same with its mean subtracted: the mean weighted by the squares of the rows' scales."""
        plain = replace(self, shift_D=None, scale_n=None, ones=False)
        weight_n = torch.ones(len(self), device=self.device) if self.scale_n is None else self.scale_n**2
        total_D = torch.zeros(plain.width, dtype=torch.float64, device=self.device)
        for part, block_nD in plain.blocks():
            total_D += weight_n[part].double() @ block_nD.double()
        return replace(self, shift_D=(total_D / weight_n.double().sum()).float())

    def _read(self, part: slice) -> Tensor:
        rows = self.rows_n[part]
        if isinstance(self.array_ND, Tensor):
            block = self.array_ND[rows.to(self.array_ND.device)]
        else:
            block = torch.from_numpy(np.ascontiguousarray(self.array_ND[rows.cpu().numpy()]))
        block = block.to(self.device, torch.float32)
        if self.shift_D is not None:
            block = block - self.shift_D
        if self.ones:
            block = torch.cat([block, block.new_ones(len(block), 1)], 1)
        return block if self.scale_n is None else block * self.scale_n[part, None]


def every_row(features: Features, device: torch.device | None = None, block: int = 4096) -> Matrix:
    """All rows of a matrix as they are.

    Args:
        features: ``[N, D]``.
        device: Where blocks are wanted; None for the processor.
        block: Rows that are read at a time.
    """
    return Matrix(features, torch.arange(len(features)), device or torch.device("cpu"), block)


def check(features: Features, what: str, block: int = 4096, where: str = "") -> list[str]:
    """Refuse features that are not finite, or all constant, a block of rows at a time.

    Args:
        features: ``[N, D]``.
        what: Whose they are, for messages.
        block: Rows read together.
        where: Where they come from, for errors; "" for the same as `what`.

    Returns:
        A sentence where some features are constant.

    Raises:
        InputError: When a feature is not a finite number, or all are constant.
    """
    matrix = every_row(features, block=block)
    edges: list[NDArray[np.float32]] = []
    for part, block_nD in matrix.blocks():
        if not torch.isfinite(block_nD).all():
            rows = f", rows {part.start:,} to {part.stop - 1:,}" if len(features) > block else ""
            check_features(block_nD.numpy(), what, f"{where or what}{rows}")
        edges += [block_nD.amin(0).numpy(), block_nD.amax(0).numpy()]
    if len(features) < 2:
        return []
    # The smallest and the largest value of each feature have no spread where the feature has none.
    ends = np.stack(edges)
    return check_features(np.stack([ends.min(0), ends.max(0)]), what, where)
