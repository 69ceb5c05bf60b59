"""The linear classifiers of probes, all classes and penalties of one fit solved together.

A new one is a class and a line in ``CLASSIFIERS``.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from wordsight.evaluation.solvers import (
    Fits,
    Plan,
    Problems,
    grid,
    solve_logistic,
    solve_multinomial,
    solve_ridge,
    solve_squared_hinge,
)
from wordsight.evaluation.solvers.matrix import Features


@dataclass(frozen=True)
class Examples:
    """What a classifier learns from.

    Args:
        features: ``[n, D]``.
        targets: Classes ``[n]``; or 1, 0, -1 (left out) ``[n, K]``, one class against the rest.
        classes: Number K of classes.
    """

    features: NDArray[np.float32]
    targets: NDArray[Any]
    classes: int

    def some(self, rows: NDArray[np.bool_]) -> Examples:
        """Some of the examples."""
        return Examples(self.features[rows], self.targets[rows], self.classes)


@dataclass(frozen=True)
class Fitted:
    """Classifiers for each class, one for each of some penalties.

    Args:
        fits: What the solver gave.
        place: Number of the problem of a penalty's place and a class; of a softmax, of the penalty's place and none.
        classes: The classes that were learned, of a softmax in the order of its outputs.
        count: Number K of all classes.
        unfinished: How many fits stopped before their rule was met.
    """

    fits: Fits
    place: Mapping[tuple[int, int | None], int]
    classes: NDArray[np.int64]
    count: int

    @property
    def unfinished(self) -> int:
        """How many fits stopped before their rule was met."""
        return int((~self.fits.converged_P).sum())

    def scores(self, penalty: int, features: NDArray[np.float32]) -> NDArray[np.float64]:
        """Scores under the penalty of a place: ``[m, K]``, minus infinity for a class that was not learned."""
        found = np.full((len(features), self.count), -np.inf)
        if len(self.classes) == 0:
            return found
        rows = torch.from_numpy(np.ascontiguousarray(features))
        if (penalty, None) in self.place:
            chosen = torch.tensor([self.place[penalty, None]])
            found[:, self.classes] = self.fits.scores(rows, chosen)[0].T.cpu().numpy()
        else:
            chosen = torch.tensor([self.place[penalty, int(k)] for k in self.classes])
            found[:, self.classes] = self.fits.scores(rows, chosen).T.cpu().numpy()
        return found


Fit = Callable[[Examples, Sequence[float], float, Plan], Fitted]


def fit_logistic(examples: Examples, penalties: Sequence[float], positive_weight: float, plan: Plan) -> Fitted:
    """Logistic regression: mean cross-entropy + penalty / 2 ||W||², biases free.

    Counting the loss as a mean makes a penalty that was chosen on a part of the data mean the same on all of it
    (scikit-learn's C is 1 / (penalty n)). One label an image: a softmax; several: one class against the rest.

    Args:
        examples: What is learned from.
        penalties: Weights of the penalty.
        positive_weight: Weight of positives in one against the rest.
        plan: Where and how.
    """
    if examples.targets.ndim == 1:
        learned, numbers = np.unique(examples.targets, return_inverse=True)
        target_TN = torch.from_numpy(numbers.astype(np.int64))[None]
        problems = grid(target_TN, [1 / (penalty * len(numbers)) for penalty in penalties])
        fits = solve_multinomial(examples.features, problems, len(learned), plan)
        return Fitted(fits, {(p, None): p for p in range(len(penalties))}, learned, examples.classes)
    sides = _sides(examples, positive_weight)
    counted_T = (sides.weight_TN > 0).sum(1)
    penalty_PT = 1 / (torch.tensor(penalties, dtype=torch.float64)[:, None] * counted_T)
    return _fit_sides(solve_logistic, examples, sides, penalty_PT, plan)


def fit_svm(examples: Examples, penalties: Sequence[float], positive_weight: float, plan: Plan) -> Fitted:
    """Linear SVMs with squared hinge, one class against the rest: ||w||² / 2 + C sum of losses, as liblinear has it.

    Args:
        examples: What is learned from.
        penalties: C, the weight of the summed loss.
        positive_weight: Weight of positives.
        plan: Where and how.
    """
    sides = _sides(examples, positive_weight)
    penalty_PT = torch.tensor(penalties, dtype=torch.float64)[:, None].expand(-1, len(sides.classes))
    return _fit_sides(solve_squared_hinge, examples, sides, penalty_PT, plan)


def fit_ridge(examples: Examples, penalties: Sequence[float], positive_weight: float, plan: Plan) -> Fitted:
    """Ridge regression on targets of +1 and -1: summed squares + alpha ||w||², all alphas from one eigendecomposition.

    Args:
        examples: What is learned from.
        penalties: Alpha.
        positive_weight: Weight of positives.
        plan: Where and how.
    """
    sides = _sides(examples, positive_weight)
    penalty_PT = torch.tensor(penalties, dtype=torch.float64)[:, None].expand(-1, len(sides.classes))
    if bool((sides.weight_TN == 1).all()):
        sides = Sides(sides.target_TN, None, sides.classes)
    return _fit_sides(_ridge, examples, sides, penalty_PT, plan)


@dataclass(frozen=True)
class Classifier:
    """A classifier of probes.

    Args:
        fit: Fits examples under some penalties.
        stronger: Whether larger penalties bind more: not so for C, which is the loss's weight.
    """

    fit: Fit
    stronger: bool


CLASSIFIERS: dict[str, Classifier] = {
    "logistic": Classifier(fit_logistic, stronger=True),
    "svm": Classifier(fit_svm, stronger=False),
    "ridge": Classifier(fit_ridge, stronger=True),
}


@dataclass(frozen=True)
class Sides:
    """Classes that can be told apart from the rest.

    Args:
        target_TN: +1 or -1.
        weight_TN: Weight of each row, 0 where it is left out; None where all are one.
        classes: Numbers of these classes.
    """

    target_TN: Tensor
    weight_TN: Any
    classes: NDArray[np.int64] = field(default_factory=lambda: np.zeros(0, np.int64))


def _sides(examples: Examples, positive_weight: float) -> Sides:
    targets = examples.targets
    if targets.ndim == 1:
        targets = (targets[:, None] == np.arange(examples.classes)).astype(np.int8)
    positive, negative = (targets == 1), (targets == 0)
    classes = np.flatnonzero(positive.any(0) & negative.any(0))
    side_TN = torch.from_numpy(np.where(positive, 1.0, -1.0)[:, classes].T.astype(np.float32))
    weight = np.where(positive, positive_weight, 1.0) * (targets >= 0)
    return Sides(side_TN, torch.from_numpy(weight[:, classes].T.astype(np.float32)), classes)


def _fit_sides(
    solve: Callable[[Features, Problems, Plan], Fits], examples: Examples, sides: Sides, penalty_PT: Tensor, plan: Plan
) -> Fitted:
    """Every penalty with every class that can be told apart; a class may have penalties of its own."""
    places, count = penalty_PT.shape
    problems = Problems(
        sides.target_TN,
        torch.ones(1, len(examples.features), dtype=torch.bool),
        torch.arange(count).repeat(places),
        torch.zeros(places * count, dtype=torch.long),
        penalty_PT.reshape(-1),
        sides.weight_TN,
    )
    place: dict[tuple[int, int | None], int] = {
        (p, int(k)): p * count + t for p in range(places) for t, k in enumerate(sides.classes)
    }
    return Fitted(solve(examples.features, problems, plan), place, sides.classes, examples.classes)


def _ridge(features: Features, problems: Problems, plan: Plan) -> Fits:
    return solve_ridge(features, problems, plan)
