"""Which penalty a probe takes: what each of them gives on training images that it did not learn from.

Where the best lies at the edge of those listed, the sweep is widened until it does not, or a limit is reached.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from wordsight.evaluation.classifiers.linear import CLASSIFIERS, Classifier, Examples, FitSpec
from wordsight.evaluation.methods.linear_probe_settings import ProbeSettings
from wordsight.evaluation.metrics.classification import measured
from wordsight.evaluation.solvers import Plan
from wordsight.evaluation.tasks import Task
from wordsight.evaluation.tasks.holdout import dealt_in_order, folds_of, held_out, strata_of

# So many penalties are tried at once when a sweep is widened: the best is seldom the very next.
_FURTHER = 2


@dataclass(frozen=True)
class PenaltySweep:
    """What penalties gave.

    Args:
        penalties: Those that were tried, ascending where the sweep was widened.
        values_PK: For each penalty and class the metric, the mean over folds, NaN where there is none; with one penalty
            for all classes the value of all stands in every column.
        unfinished: How many fits did not converge.
        fits: How many there were.
    """

    penalties: tuple[float, ...]
    values_PK: NDArray[np.float64]
    unfinished: int = 0
    fits: int = 0

    def with_more(self, other: PenaltySweep) -> PenaltySweep:
        """This and another sweep as one, ascending."""
        penalties = np.array([*self.penalties, *other.penalties])
        order = np.argsort(penalties)
        values_PK = np.concatenate([self.values_PK, other.values_PK])[order]
        unfinished, fits = self.unfinished + other.unfinished, self.fits + other.fits
        return PenaltySweep(tuple(penalties[order].tolist()), values_PK, unfinished, fits)


def sweep(examples: Examples, task: Task, settings: ProbeSettings, plan: Plan) -> PenaltySweep:
    """Try the protocol's penalties, and further ones while the best lies at their edge and its limits allow them.

    Args:
        examples: The training images.
        task: The task.
        settings: The protocol's settings.
        plan: How problems are solved.
    """
    found = _try(settings.penalties, examples, task, settings, plan)
    while further := _further(found, settings):
        found = found.with_more(_try(further, examples, task, settings, plan))
    return found


def choose(swept: PenaltySweep, settings: ProbeSettings) -> tuple[NDArray[np.float64], list[str]]:
    """For each class the penalty with the best value, the strongest of equals; the one for all where that is asked.

    Args:
        swept: What each penalty gave.
        settings: The protocol's settings.

    Returns:
        A penalty for each class; and a sentence where the sweep was widened, the best still lies at its edge, or there
        was nothing to choose by.
    """
    penalties, sweep_PK = np.array(swept.penalties), swept.values_PK
    order = _strongest_first(penalties, CLASSIFIERS[settings.classifier])
    middle = float(np.sort(settings.penalties)[len(settings.penalties) // 2])
    values_PK = np.where(np.isnan(sweep_PK), -np.inf, sweep_PK)[order]
    best = penalties[order][values_PK.argmax(0)]
    unknown_K = np.isnan(sweep_PK).all(0)
    best[unknown_K] = middle
    if len(penalties) == 1:
        return best, []
    if unknown_K.all():
        return best, [f"too few training images to choose a penalty by: {middle:g} was taken"]
    notes = []
    added = len(penalties) - len(settings.penalties)
    if added:
        low, high = float(penalties.min()), float(penalties.max())
        notes.append(
            f"the best of the {len(settings.penalties)} penalties listed lay at their edge: {added} more were tried "
            f"({low:g} to {high:g} in all)"
        )
    low_K, high_K = _at_edges(swept)
    at_edge = low_K | high_K
    if not at_edge.any():
        return best, notes
    limit = ", the limit of the protocol" if settings.penalty_limits else ""
    if settings.penalty_of_each_class:
        count = int(at_edge.sum())
        notes.append(f"{count} of {len(best)} classes chose a penalty at the edge of those tried{limit}")
    else:
        side = "weakest" if best[0] == penalties[order][-1] else "strongest"
        more = "" if limit else ": a wider sweep may do better"
        notes.append(f"the best penalty, {best[0]:g}, is the {side} tried{limit}{more}")
    return best, notes


def _at_edges(swept: PenaltySweep) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
    """For which classes the least or the greatest penalty is better than every other; equals further in are as good."""
    values_PK = np.where(np.isnan(swept.values_PK), -np.inf, swept.values_PK)[np.argsort(swept.penalties)]
    if len(values_PK) < 2:
        nowhere = np.zeros(values_PK.shape[1], dtype=np.bool_)
        return nowhere, nowhere
    return values_PK[0] > values_PK[1:].max(0), values_PK[-1] > values_PK[:-1].max(0)


def _further(swept: PenaltySweep, settings: ProbeSettings) -> list[float]:
    """Penalties beyond the edges at which a best value lies, as far apart as the outermost; none beyond the limits."""
    if not settings.penalty_limits:
        return []
    low, high = settings.penalty_limits
    tried = np.sort(swept.penalties)
    below, above = (bool(edge_K.any()) for edge_K in _at_edges(swept))
    found: list[float] = []
    for wanted, edge, inner in ((below, tried[0], tried[1 % len(tried)]), (above, tried[-1], tried[-2 % len(tried)])):
        if wanted:
            steps = [float(edge * (edge / inner) ** step) for step in range(1, _FURTHER + 1)]
            # The limit itself is the last that is tried.
            found += dict.fromkeys(min(max(each, low), high) for each in steps)
    return [each for each in found if each not in swept.penalties]


def _try(
    penalties: Sequence[float], examples: Examples, task: Task, settings: ProbeSettings, plan: Plan
) -> PenaltySweep:
    held_FKN = _kept_aside(task, settings)
    held_FKN = held_FKN[[_can_choose(examples.targets, fold_KN) for fold_KN in held_FKN]]
    found = np.full((len(held_FKN), len(penalties), examples.classes), np.nan)
    if len(settings.penalties) == 1 or not len(held_FKN):
        return PenaltySweep(tuple(penalties), np.full(found.shape[1:], np.nan))
    fitted = CLASSIFIERS[settings.classifier].fit(
        examples, FitSpec(penalties, settings.positive_weight, plan, ~held_FKN)
    )
    precision = settings.chosen_by_precision or settings.average_precision
    for fold, held_KN in enumerate(held_FKN):
        held_N = held_KN.any(0)
        # What a class does not keep aside in this fold does not count for it.
        targets = examples.targets[held_N]
        if len(held_KN) > 1:
            targets = np.where(held_KN[:, held_N].T, targets, -1)
        rows = np.flatnonzero(held_N)
        for place in range(len(penalties)):
            scores = fitted.scores(place, examples.features, fold, rows)
            per_class, value = measured(scores, targets, examples.classes, precision)
            # Of one label an image, the share found of a class says nothing of what is wrongly taken for it.
            each = settings.penalty_of_each_class and task.multilabel
            found[fold, place] = per_class if each else value
    known = ~np.isnan(found)
    mean = np.where(known, found, 0).sum(0) / np.maximum(known.sum(0), 1)
    return PenaltySweep(tuple(penalties), np.where(known.any(0), mean, np.nan), fitted.unfinished, fitted.count)


def _kept_aside(task: Task, settings: ProbeSettings) -> NDArray[np.bool_]:
    """The training images that each fold does not learn from, for each class ``[F, K, N]`` or for all ``[F, 1, N]``."""
    hashes, targets = task.train.hashes, task.train.targets
    if settings.choose_by == "folds of each class":
        sides_KN = (targets == 1).T if targets.ndim == 2 else targets[None]
        return np.stack([dealt_in_order(side_N, settings.folds) for side_N in sides_KN], axis=1)
    strata = strata_of(targets)
    if settings.choose_by == "folds":
        fold_N = folds_of(hashes, strata, settings.folds, "folds")
        return np.stack([fold_N == fold for fold in range(settings.folds)])[:, None]
    if settings.choose_by == "own validation" and task.train.validation is not None:
        return task.train.validation[None, None]
    return held_out(hashes, strata, settings.validation_share, "validation")[None, None]


def _strongest_first(penalties: NDArray[np.float64], classifier: Classifier) -> NDArray[np.int64]:
    """The order in which of equals the strongest comes first."""
    return np.argsort(-penalties if classifier.stronger else penalties, kind="stable")


def _can_choose(targets: NDArray[Any], held_KN: NDArray[np.bool_]) -> bool:
    """Whether there is something to choose on, and two classes to tell apart in the rest."""
    if not held_KN.any():
        return False
    if targets.ndim == 1:
        return len(np.unique(targets[~held_KN[0]])) > 1
    learned_KN = ~held_KN
    return bool(((learned_KN & (targets == 1).T).any(1) & (learned_KN & (targets == 0).T).any(1)).any())
