"""Logistic regression: w'w / 2 + C sum_i c_i loss_i, one-vs-rest, or of all classes at once.

The objectives of scikit-learn's `LogisticRegression` by L-BFGS: the bias is not penalised; several classes have weights
each (a softmax), of which the penalty singles out one of all that predict the same.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from wordsight.errors import InputError
from wordsight.evaluation.features.matrix import Features
from wordsight.evaluation.solvers.basis import Basis
from wordsight.evaluation.solvers.batched import Family, Plan, SharedFeatures, solve, solve_sides
from wordsight.evaluation.solvers.loss import BinaryLoss
from wordsight.evaluation.solvers.problems import Fits, Problems

# The score of a class that is left out. It is finite, as rows of such a class that have no weight are multiplied by it.
_NEVER = -1e9


class OneVsRest(BinaryLoss):
    """log(1 + exp(-y s))."""

    def value(self, score_PKn: Tensor) -> Tensor:
        """The weighted sum over rows."""
        return (self.weight_PKn * nn.functional.softplus(-self.side_PKn * score_PKn)).sum((1, 2), dtype=torch.float64)

    def slope(self, score_PKn: Tensor) -> Tensor:
        """Its derivative."""
        return -self.weight_PKn * self.side_PKn * torch.sigmoid(-self.side_PKn * score_PKn)

    def curvature(self, score_PKn: Tensor) -> Tensor:
        """Its second derivative."""
        share = torch.sigmoid(score_PKn)
        return self.weight_PKn * share * (1 - share)


@dataclass(frozen=True)
class Multinomial:
    """Cross-entropy of the softmax over K classes.

    Args:
        class_P1n: Number of each row's class.
        weight_P1n: C times the row's weight.
        absent_PK1: True for classes that a problem has no row of, which it leaves out; None where there are none.
    """

    class_P1n: Tensor
    weight_P1n: Tensor
    absent_PK1: Tensor | None = None

    def value(self, score_PKn: Tensor) -> Tensor:
        """The weighted sum over rows."""
        score_PKn = self._present(score_PKn)
        own = score_PKn.gather(1, self.class_P1n)
        return (self.weight_P1n * (score_PKn.logsumexp(1, keepdim=True) - own)).sum((1, 2), dtype=torch.float64)

    def slope(self, score_PKn: Tensor) -> Tensor:
        """Its derivative."""
        share = self._present(score_PKn).softmax(1)
        share.scatter_add_(1, self.class_P1n, -torch.ones_like(self.weight_P1n))
        return self.weight_P1n * share

    def curvature(self, score_PKn: Tensor) -> Tensor:
        """The probabilities, which the second derivative is made of."""
        return self._present(score_PKn).softmax(1)

    def times(self, curvature_PKn: Tensor, way_PKn: Tensor) -> Tensor:
        """(diag(p) - pp') times a change."""
        moved = curvature_PKn * way_PKn
        return self.weight_P1n * (moved - curvature_PKn * moved.sum(1, keepdim=True))

    def diagonal(self, curvature_PKn: Tensor) -> Tensor:
        """p (1 - p)."""
        return self.weight_P1n * curvature_PKn * (1 - curvature_PKn)

    def select(self, chosen: Tensor) -> Multinomial:
        """Some of the problems."""
        absent_PK1 = None if self.absent_PK1 is None else self.absent_PK1[chosen]
        return Multinomial(self.class_P1n[chosen], self.weight_P1n[chosen], absent_PK1)

    def _present(self, score_PKn: Tensor) -> Tensor:
        return score_PKn if self.absent_PK1 is None else score_PKn.masked_fill(self.absent_PK1, _NEVER)


def solve_logistic(
    features: Features | SharedFeatures,
    problems: Problems,
    plan: Plan | None = None,
    names: Sequence[str] | None = None,
) -> Fits:
    """Fit one-vs-rest logistic regressions.

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
        >>> fits = solve_logistic(features, grid(torch.tensor([[-1, -1, 1, 1]]), penalties=[1.0, 10.0]))
        >>> fits.converged_P.tolist(), (fits.scores(features, torch.tensor([1]))[0] > 0).flatten().tolist()
        ([True, True], [False, False, True, True])
    """
    return solve_sides(OneVsRest, features, problems, plan, names, free_bias=True)


def solve_multinomial(
    features: Features | SharedFeatures,
    problems: Problems,
    classes: int,
    plan: Plan | None = None,
    names: Sequence[str] | None = None,
    *,
    some_absent: bool = False,
) -> Fits:
    """Fit logistic regressions of all classes at once.

    Args:
        features: ``[N, D]``, float16 or float32; shared where several calls learn from them.
        problems: Targets that are numbers of classes, and C.
        classes: Number K of classes.
        plan: Where and how.
        names: Names of the classes, for messages.
        some_absent: Whether a problem may have no row of a class; it does without it, and its score says nothing.

    Raises:
        InputError: When features or targets can't be learned from.
    """
    target_TN = problems.target_TN
    if target_TN.is_floating_point() or target_TN.min() < 0 or target_TN.max() >= classes:
        raise InputError(
            f"labels from {target_TN.min():g} to {target_TN.max():g}", expected=f"whole numbers from 0 to {classes - 1}"
        )
    present_TK = _present_classes(problems, classes)
    if not some_absent:
        _check_present(problems, present_TK, names)

    def make(class_P1n: Tensor, weight_P1n: Tensor) -> Multinomial:
        class_P1n = class_P1n.long()
        if present_TK.all():
            return Multinomial(class_P1n, weight_P1n)
        rows_PK1 = weight_P1n.new_zeros(len(class_P1n), classes, 1)
        rows_PK1.scatter_add_(1, class_P1n.transpose(1, 2), (weight_P1n > 0).float().transpose(1, 2))
        return Multinomial(class_P1n, weight_P1n, rows_PK1 == 0)

    def start(basis: Basis, class_P1n: Tensor, weight_P1n: Tensor) -> Tensor:
        return weight_P1n.new_zeros(len(class_P1n), classes, len(basis.spread_R))

    def share(class_P1n: Tensor, weight_P1n: Tensor) -> Tensor:
        return weight_P1n.new_full((len(class_P1n),), 1 / classes)

    return solve(Family(make, start, share, outputs=classes, free_bias=True), features, problems, plan)


def _present_classes(problems: Problems, classes: int) -> Tensor:
    """Whether a target has a row of each class, ``[T, K]``."""
    counted_TN = problems.weights() > 0
    pairs = zip(problems.target_TN.long(), counted_TN, strict=True)
    return torch.stack([torch.bincount(own_N[rows_N], minlength=classes) > 0 for own_N, rows_N in pairs])


def _check_present(problems: Problems, present_TK: Tensor, names: Sequence[str] | None) -> None:
    for target, k in torch.nonzero(~present_TK).tolist():
        name = names[k] if names is not None else f"class {k}"
        raise InputError(
            f"no positive of {name} in fold {problems.of_fold(target)[0]}'s training rows",
            expected="at least one",
            mend="leave the class out, or use fewer folds",
        )
