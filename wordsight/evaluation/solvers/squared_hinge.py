"""Linear SVMs with squared hinge loss: w'w / 2 + b² / 2 + C sum_i c_i max(0, 1 - y_i (w'x_i + b))².

The objective of liblinear and scikit-learn's `LinearSVC` with an intercept scaled by one: the bias is penalised.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from wordsight.evaluation.features.matrix import Features
from wordsight.evaluation.solvers.batched import Plan, SharedFeatures, solve_sides
from wordsight.evaluation.solvers.loss import BinaryLoss
from wordsight.evaluation.solvers.problems import Fits, Problems


class SquaredHinge(BinaryLoss):
    """The loss."""

    def value(self, score_PKn: Tensor) -> Tensor:
        """The weighted sum over rows."""
        return (self.weight_PKn * self._short(score_PKn) ** 2).sum((1, 2), dtype=torch.float64)

    def slope(self, score_PKn: Tensor) -> Tensor:
        """Its derivative."""
        return -2 * self.weight_PKn * self.side_PKn * self._short(score_PKn)

    def curvature(self, score_PKn: Tensor) -> Tensor:
        """Its second derivative: rows beyond the margin have none."""
        return 2 * self.weight_PKn * (self.side_PKn * score_PKn < 1)

    def _short(self, score_PKn: Tensor) -> Tensor:
        return (1 - self.side_PKn * score_PKn).clamp_min(0)


def solve_squared_hinge(
    features: Features | SharedFeatures,
    problems: Problems,
    plan: Plan | None = None,
    names: Sequence[str] | None = None,
) -> Fits:
    """Fit linear SVMs.

    Args:
        features: ``[N, D]``, float16 or float32; shared where several calls learn from them.
        problems: Targets of +1 and -1, and C.
        plan: Where and how.
        names: Names of the targets, for messages.

    Raises:
        InputError: When features or targets can't be learned from.

    Examples:
        >>> from wordsight.evaluation.solvers import grid
        >>> features = torch.tensor([[0.0], [1.0], [2.0], [3.0]])
        >>> fits = solve_squared_hinge(features, grid(torch.tensor([[-1, -1, 1, 1]]), penalties=[1.0, 10.0]))
        >>> fits.converged_P.tolist(), (fits.scores(features, torch.tensor([1]))[0] > 0).flatten().tolist()
        ([True, True], [False, False, True, True])
    """
    return solve_sides(SquaredHinge, features, problems, plan, names, free_bias=False)
