"""Logistic regression: w'w / 2 + C sum_i c_i loss_i, of one class against the rest, or of all classes at once.

The objectives of scikit-learn's `LogisticRegression` by L-BFGS: the bias is not penalised; several classes have weights
each (a softmax), of which the penalty singles out one of all that predict the same.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from wordsight.errors import InputError
from wordsight.evaluation.solvers.basis import Basis
from wordsight.evaluation.solvers.batch import Family, Plan, solve, solve_sides
from wordsight.evaluation.solvers.loss import TwoSided
from wordsight.evaluation.solvers.matrix import Features
from wordsight.evaluation.solvers.problems import Fits, Problems


class OneVersusRest(TwoSided):
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
        classes: K.
    """

    class_P1n: Tensor
    weight_P1n: Tensor
    classes: int

    def value(self, score_PKn: Tensor) -> Tensor:
        """The weighted sum over rows."""
        own = score_PKn.gather(1, self.class_P1n)
        return (self.weight_P1n * (score_PKn.logsumexp(1, keepdim=True) - own)).sum((1, 2), dtype=torch.float64)

    def slope(self, score_PKn: Tensor) -> Tensor:
        """Its derivative."""
        share = score_PKn.softmax(1)
        share.scatter_add_(1, self.class_P1n, -torch.ones_like(self.weight_P1n))
        return self.weight_P1n * share

    def curvature(self, score_PKn: Tensor) -> Tensor:
        """The probabilities, which the second derivative is made of."""
        return score_PKn.softmax(1)

    def times(self, curvature_PKn: Tensor, way_PKn: Tensor) -> Tensor:
        """(diag(p) - pp') times a change."""
        moved = curvature_PKn * way_PKn
        return self.weight_P1n * (moved - curvature_PKn * moved.sum(1, keepdim=True))

    def diagonal(self, curvature_PKn: Tensor) -> Tensor:
        """p (1 - p)."""
        return self.weight_P1n * curvature_PKn * (1 - curvature_PKn)

    def select(self, chosen: Tensor) -> Multinomial:
        """Some of the problems."""
        return Multinomial(self.class_P1n[chosen], self.weight_P1n[chosen], self.classes)


def solve_logistic(
    features: Features, problems: Problems, plan: Plan | None = None, names: Sequence[str] | None = None
) -> Fits:
    """Fit logistic regressions of one class against the rest.

    Args:
        features: ``[N, D]``, float16 or float32.
        problems: Targets of +1 and -1, and C.
        plan: Where and how.
        names: Names of the targets, for messages.

    Raises:
        InputError: When features or targets can't be learned from.
    """
    return solve_sides(OneVersusRest, features, problems, plan, names, free_bias=True)


def solve_multinomial(
    features: Features,
    problems: Problems,
    classes: int,
    plan: Plan | None = None,
    names: Sequence[str] | None = None,
) -> Fits:
    """Fit logistic regressions of all classes at once.

    Args:
        features: ``[N, D]``, float16 or float32.
        problems: Targets that are numbers of classes, and C.
        classes: Number K of classes.
        plan: Where and how.
        names: Names of the classes, for messages.

    Raises:
        InputError: When features or targets can't be learned from.
    """
    target_TN = problems.target_TN
    if target_TN.is_floating_point() or target_TN.min() < 0 or target_TN.max() >= classes:
        raise InputError(
            f"labels from {target_TN.min():g} to {target_TN.max():g}", expected=f"whole numbers from 0 to {classes - 1}"
        )
    _check_present(problems, classes, names)

    def make(class_P1n: Tensor, weight_P1n: Tensor) -> Multinomial:
        return Multinomial(class_P1n.long(), weight_P1n, classes)

    def start(basis: Basis, class_P1n: Tensor, weight_P1n: Tensor) -> Tensor:
        return weight_P1n.new_zeros(len(class_P1n), classes, len(basis.spread_R))

    def share(class_P1n: Tensor, weight_P1n: Tensor) -> Tensor:
        return weight_P1n.new_full((len(class_P1n),), 1 / classes)

    return solve(Family(make, start, share, outputs=classes, free_bias=True), features, problems, plan)


def _check_present(problems: Problems, classes: int, names: Sequence[str] | None) -> None:
    counted_TN = problems.weights() > 0
    for fold, target in torch.unique(torch.stack([problems.rows_P, problems.target_P], 1), dim=0).tolist():
        rows_N = problems.rows_FN[fold] & counted_TN[target]
        count_K = torch.bincount(problems.target_TN[target][rows_N].long(), minlength=classes)
        if not count_K.all():
            k = int(count_K.argmin())
            name = names[k] if names is not None else f"class {k}"
            raise InputError(
                f"no positive of {name} in fold {fold}'s training rows",
                expected="at least one",
                mend="leave the class out, or use fewer folds",
            )
