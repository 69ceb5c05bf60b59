"""The linear classifiers of probes: all classes, penalties and folds are solved together.

A new one is a class and a line in ``CLASSIFIERS``.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from wordsight.evaluation.features.matrix import Features, every_row
from wordsight.evaluation.solvers import (
    Fits,
    Plan,
    Problems,
    SharedFeatures,
    solve_logistic,
    solve_multinomial,
    solve_ridge,
    solve_squared_hinge,
)


@dataclass(frozen=True)
class Examples:
    """What a classifier learns from.

    Args:
        features: ``[N, D]``, float16 or float32.
        targets: Classes ``[N]``; or 1, 0, -1 (left out) ``[N, K]``, one-vs-rest.
        classes: Number K of classes.
    """

    features: Features
    targets: NDArray[Any]
    classes: int

    @cached_property
    def shared(self) -> SharedFeatures:
        """The features, whose axes folds and what comes after them share."""
        return SharedFeatures(self.features)


@dataclass(frozen=True)
class FittedClassifiers:
    """Classifiers for each fold and class, one for each of some penalties.

    Args:
        fits: What the solver gave.
        place: Number of the problem of a penalty's place, a fold and a class; of a softmax, of no class.
        learned_FK: Which classes each fold could learn.
        outputs: The classes of a softmax's outputs, in their order.
    """

    fits: Fits
    place: Mapping[tuple[int, int, int | None], int]
    learned_FK: NDArray[np.bool_]
    outputs: NDArray[np.int64] = field(default_factory=lambda: np.zeros(0, np.int64))

    @property
    def unfinished(self) -> int:
        """How many fits stopped before their rule was met."""
        return int((~self.fits.converged_P).sum())

    @property
    def count(self) -> int:
        """How many fits there are."""
        return len(self.fits.converged_P)

    def scores(
        self, penalty: int, features: Features, fold: int = 0, rows: NDArray[np.int64] | None = None
    ) -> NDArray[np.float64]:
        """Scores ``[m, K]``, minus infinity for a class that was not learned.

        Args:
            penalty: The penalty's place.
            features: ``[M, D]``.
            fold: By what this one learned.
            rows: Which m of the features; None for all.
        """
        learned_K = self.learned_FK[fold]
        asked = every_row(features)
        if rows is not None:
            asked = replace(asked, rows_n=torch.from_numpy(rows))
        found = np.full((len(asked), len(learned_K)), -np.inf)
        classes = np.flatnonzero(learned_K)
        if len(classes) == 0:
            return found
        together = (penalty, fold, None) in self.place
        chosen = torch.tensor([self.place[penalty, fold, None if together else int(k)] for k in classes])
        for part, block_nD in asked.blocks():
            if together:
                found[part, self.outputs] = self.fits.scores(block_nD, chosen[:1])[0].T.cpu().numpy()
            else:
                found[part, classes] = self.fits.scores(block_nD, chosen).T.cpu().numpy()
        found[:, ~learned_K] = -np.inf
        return found


@dataclass(frozen=True)
class FitSpec:
    """How classifiers are to be fitted.

    Args:
        penalties: Every one of them is tried.
        positive_weight: Weight of positives in one-vs-rest.
        plan: Where and how far.
        learned_FKN: What each fold learns from, for each class ``[F, K, N]`` or for all ``[F, 1, N]``; None for one
            fold, of all examples.
    """

    penalties: Sequence[float]
    positive_weight: float
    plan: Plan
    learned_FKN: NDArray[np.bool_] | None = None

    def folds_of(self, examples: Examples) -> NDArray[np.bool_]:
        """What each fold learns from."""
        if self.learned_FKN is not None:
            return self.learned_FKN
        return np.ones((1, 1, len(examples.features)), dtype=np.bool_)


Fit = Callable[[Examples, FitSpec], FittedClassifiers]


def fit_logistic(examples: Examples, spec: FitSpec) -> FittedClassifiers:
    """Logistic regression: mean cross-entropy + penalty / 2 ||W||², biases free.

    Counting the loss as a mean makes a penalty that was chosen on a part of the data mean the same on all of it
    (scikit-learn's C is 1 / (penalty n)). One label an image: a softmax; several: one-vs-rest.

    Args:
        examples: What is learned from.
        spec: How.
    """
    if examples.targets.ndim == 1:
        return _fit_softmax(examples, spec)
    binary = _one_vs_rest(examples, spec)
    count_T = (binary.weight_TN > 0).sum(1).double()
    C_PT = 1 / (torch.tensor(spec.penalties, dtype=torch.float64)[:, None] * count_T)
    return _fit_one_vs_rest(solve_logistic(examples.shared, binary.problems(C_PT), spec.plan), binary)


def fit_svm(examples: Examples, spec: FitSpec) -> FittedClassifiers:
    """Linear SVMs with squared hinge, one-vs-rest: ||w||² / 2 + C sum of losses, as liblinear has it.

    Args:
        examples: What is learned from.
        spec: How; the penalties are C, the weight of the summed loss.
    """
    binary = _one_vs_rest(examples, spec)
    return _fit_one_vs_rest(
        solve_squared_hinge(examples.shared, binary.problems(_alike(binary, spec)), spec.plan), binary
    )


def fit_ridge(examples: Examples, spec: FitSpec) -> FittedClassifiers:
    """Ridge regression on targets of +1 and -1: summed squares + alpha ||w||², all alphas from one eigendecomposition.

    Args:
        examples: What is learned from.
        spec: How; the penalties are alpha.
    """
    binary = _one_vs_rest(examples, spec)
    return _fit_one_vs_rest(solve_ridge(examples.features, binary.problems(_alike(binary, spec)), spec.plan), binary)


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
class OneVsRestTargets:
    """Classes that a fold can tell apart from the rest, a fold's after the other's.

    Args:
        target_TN: +1 or -1.
        weight_TN: Weight of each row, 0 where it is left out.
        learned_FK: Which classes of which folds they are.
    """

    target_TN: Tensor
    weight_TN: Tensor
    learned_FK: NDArray[np.bool_]

    def problems(self, penalty_PT: Tensor) -> Problems:
        """Every one under penalties of its own."""
        places, count = penalty_PT.shape
        return Problems(self.target_TN, torch.arange(count).repeat(places), penalty_PT.reshape(-1), self.weight_TN)


def _one_vs_rest(examples: Examples, spec: FitSpec) -> OneVsRestTargets:
    targets = examples.targets
    if targets.ndim == 1:
        targets = (targets[:, None] == np.arange(examples.classes)).astype(np.int8)
    positive_KN, negative_KN = (targets == 1).T, (targets == 0).T
    folds_FKN = np.broadcast_to(spec.folds_of(examples), (len(spec.folds_of(examples)), *positive_KN.shape))
    learned_FK = np.stack([(fold & positive_KN).any(1) & (fold & negative_KN).any(1) for fold in folds_FKN])
    sign_KN = np.where(positive_KN, 1.0, -1.0).astype(np.float32)
    weight_KN = (np.where(positive_KN, spec.positive_weight, 1.0) * (positive_KN | negative_KN)).astype(np.float32)
    pairs = list(zip(learned_FK, folds_FKN, strict=True))
    target_TN = np.concatenate([sign_KN[learned] for learned, _ in pairs])
    weight_TN = np.concatenate([weight_KN[learned] * fold[learned] for learned, fold in pairs])
    return OneVsRestTargets(torch.from_numpy(target_TN), torch.from_numpy(weight_TN), learned_FK)


def _alike(binary: OneVsRestTargets, spec: FitSpec) -> Tensor:
    """The same penalties for every class and fold, ``[P, T]``."""
    return torch.tensor(spec.penalties, dtype=torch.float64)[:, None].expand(-1, len(binary.target_TN))


def _fit_one_vs_rest(fits: Fits, binary: OneVsRestTargets) -> FittedClassifiers:
    pairs = list(zip(*np.nonzero(binary.learned_FK), strict=True))
    places = range(len(fits.objective_P) // max(len(pairs), 1))
    place: dict[tuple[int, int, int | None], int] = {
        (p, int(fold), int(k)): p * len(pairs) + t for p in places for t, (fold, k) in enumerate(pairs)
    }
    return FittedClassifiers(fits, place, binary.learned_FK)


def _fit_softmax(examples: Examples, spec: FitSpec) -> FittedClassifiers:
    """Every penalty with every fold; a fold that lacks a class does without it."""
    folds_FKN = spec.folds_of(examples)
    if folds_FKN.shape[1] > 1:
        raise ValueError("all classes of a softmax learn from the same examples")
    learned_FN = folds_FKN[:, 0]
    outputs, numbers = np.unique(examples.targets, return_inverse=True)
    learned_FK = np.stack([np.isin(np.arange(examples.classes), examples.targets[rows]) for rows in learned_FN])
    folds, places = len(learned_FN), len(spec.penalties)
    C_PF = 1 / (torch.tensor(spec.penalties, dtype=torch.float64)[:, None] * torch.from_numpy(learned_FN.sum(1)))
    problems = Problems(
        torch.from_numpy(numbers.astype(np.int64)).expand(folds, -1),
        torch.arange(folds).repeat(places),
        C_PF.reshape(-1),
        torch.from_numpy(learned_FN.astype(np.float32)),
    )
    fits = solve_multinomial(examples.shared, problems, len(outputs), spec.plan, some_absent=True)
    place: dict[tuple[int, int, int | None], int] = {
        (p, fold, None): p * folds + fold for p in range(places) for fold in range(folds)
    }
    return FittedClassifiers(fits, place, learned_FK, outputs)
