"""What a classifier's loss tells the solvers, and what losses of the margin share."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol, Self

from torch import Tensor


class Loss(Protocol):
    """A convex loss of the scores of P problems with K outputs each, weighted by row."""

    def value(self, score_PKn: Tensor) -> Tensor:
        """The weighted sum over rows, float64 ``[P]``."""

    def slope(self, score_PKn: Tensor) -> Tensor:
        """Its derivative by each score."""

    def curvature(self, score_PKn: Tensor) -> Tensor:
        """What `times` needs to know of the point."""

    def times(self, curvature_PKn: Tensor, way_PKn: Tensor) -> Tensor:
        """Second derivative by the scores, times a change of them."""

    def diagonal(self, curvature_PKn: Tensor) -> Tensor:
        """The diagonal of the second derivative."""

    def select(self, chosen: Tensor) -> Self:
        """The loss of some of the problems."""


@dataclass(frozen=True)
class BinaryLoss:
    """A loss of one output, whose second derivative is diagonal; `value`, `slope` and `curvature` are its own.

    Args:
        side_PKn: +1 or -1, K = 1.
        weight_PKn: C times the row's weight.
    """

    side_PKn: Tensor
    weight_PKn: Tensor

    def times(self, curvature_PKn: Tensor, way_PKn: Tensor) -> Tensor:
        """Second derivative times a change."""
        return curvature_PKn * way_PKn

    def diagonal(self, curvature_PKn: Tensor) -> Tensor:
        """The second derivative is diagonal."""
        return curvature_PKn

    def select(self, chosen: Tensor) -> Self:
        """Some of the problems."""
        return type(self)(self.side_PKn[chosen], self.weight_PKn[chosen])
