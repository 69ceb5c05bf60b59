"""The method ``probe``: a linear classifier on features of the frozen backbone, its penalty chosen without the test.

The penalty is chosen on a validation split of the training images or by folds of them, for all classes together or for
each by itself; then all training images are fitted and the test images scored. One label an image: top-1 accuracy.
Several: mean average precision, of the kind that the protocol names. Beside it the same network with random weights.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from wordsight.errors import InputError, unknown
from wordsight.evaluation import guards
from wordsight.evaluation.classifiers import CLASSIFIERS, Classifier, Examples, Wanted
from wordsight.evaluation.holdout import dealt_in_order, folds_of, held_out, strata_of
from wordsight.evaluation.metrics import check_average_precision, mean_of_known, measured
from wordsight.evaluation.outcomes import Outcomes, outcomes_of
from wordsight.evaluation.probe_features import FeatureSettings, TaskFeatures, task_features
from wordsight.evaluation.protocol import Protocol
from wordsight.evaluation.results import Result, SweepPoint
from wordsight.evaluation.solvers import Plan, Settings, room_for_features
from wordsight.evaluation.subject import Subject
from wordsight.evaluation.task_result import beside_twin, task_result, twin_outcomes
from wordsight.evaluation.tasks import Task
from wordsight.ranges import AtLeastOne, AtLeastTwo, OpenShare, Penalty, Positive, check_ranges
from wordsight.vision.backbones import Backbone


@dataclass(frozen=True)
class ProbeSettings:
    """Settings of the method.

    Args:
        features: What of the backbone is read.
        classifier: ``logistic``, ``svm`` or ``ridge``.
        penalties: Penalties that are tried: of ``logistic`` the weight of ||W||² / 2 beside the mean loss, of ``svm``
            the weight C of the summed loss, of ``ridge`` the weight alpha of ||w||² beside the summed squares.
        choose_by: ``validation``: on one split of the training images. ``own validation``: on the source's own (VOC's
            val), where it has one and a test besides. ``folds``: on each of several in turn. ``folds of each class``:
            on each of several in turn that are dealt for each class by itself, in the order of the task's files, as
            scikit-learn's ``StratifiedKFold`` deals them.
        validation_share: Share of the training images that the split keeps aside. Read by ``validation``, and by ``own
            validation`` where the source has none.
        folds: How many. Read by the two with folds.
        penalty_of_each_class: Whether each class has a penalty of its own; with one label an image all have the same.
        positive_weight: Weight of positives in one class against the rest.
        ignored_in_training: Labels that are to be ignored: ``left out``, or taken as ``negative``. In the test they are
            always left out.
        average_precision: Which, for several labels an image.
        chosen_by_precision: The one that penalties are compared by; empty for the same.
        tolerance: A fit is finished when its gradient is this share of that at zero.
        max_steps: Newton steps of a fit.
    """

    features: FeatureSettings
    classifier: str
    penalties: tuple[Penalty, ...]
    choose_by: Literal["validation", "own validation", "folds", "folds of each class"]
    validation_share: OpenShare
    folds: AtLeastTwo
    penalty_of_each_class: bool
    positive_weight: Positive
    ignored_in_training: Literal["left out", "negative"]
    average_precision: str
    chosen_by_precision: str
    tolerance: Positive
    max_steps: AtLeastOne

    def __post_init__(self) -> None:
        if self.classifier not in CLASSIFIERS:
            raise unknown("classifier", self.classifier, CLASSIFIERS)
        check_average_precision(self.average_precision)
        check_average_precision(self.chosen_by_precision or self.average_precision)
        check_ranges(self)

    def plan(self, subject: Subject) -> Plan:
        """How problems are solved."""
        settings = Settings(tolerance=self.tolerance, max_steps=self.max_steps)
        return Plan(str(subject.device), features_bytes=room_for_features(subject.device), settings=settings)


@dataclass(frozen=True)
class ProbeScore:
    """What one probe gave.

    Args:
        value: The metric in percent.
        per_class: The metric for each class in percent; NaN where there is none.
        penalties: The penalty that was chosen for each class, or the one for all.
        sweep: What every penalty gave on what it was chosen by.
        scores: Scores of the test images, ``[m, K]``.
        notes: What a reader should know.
    """

    value: float
    per_class: NDArray[np.float64]
    penalties: tuple[float, ...]
    sweep: tuple[SweepPoint, ...]
    scores: NDArray[np.float64]
    notes: tuple[str, ...]


def measure(subject: Subject, task: Task, protocol: Protocol) -> list[Result]:
    """Probe a backbone and its random twin on a task.

    Args:
        subject: The backbone.
        task: Labelled images.
        protocol: The protocol.

    Returns:
        A result for each layer.

    Raises:
        InputError: When the task or the features can't be probed.
    """
    settings: ProbeSettings = protocol.settings
    notes = guards.check_task(task)
    plan = settings.plan(subject)

    def measured_twin(backbone: Backbone) -> dict[str, Outcomes]:
        seen = task_features(subject, backbone, task, settings.features, "random weights")
        probed = {each.layer: probe(each, task, settings, plan, "random weights") for each in seen}
        return {layer: _outcomes(task, settings, score) for layer, score in probed.items()}

    features = task_features(subject, subject.backbone, task, settings.features, "trained")
    found = [probe(each, task, settings, plan, "trained") for each in features]
    twin = twin_outcomes(subject, task, protocol, measured_twin)
    results = []
    for each, score in zip(features, found, strict=True):
        result = _result(subject, task, protocol, score, each)
        part = each.layer if len(features) > 1 else ""
        said = replace(result, warnings=[*notes, *each.notes, *score.notes], part=part)
        results.append(beside_twin(said, twin[each.layer]))
    return results


def probe(features: TaskFeatures, task: Task, settings: ProbeSettings, plan: Plan, what: str) -> ProbeScore:
    """Choose the penalty, fit all training images, score the test images.

    Args:
        features: Features of the task's images.
        task: Their targets.
        settings: The protocol's settings.
        plan: How problems are solved.
        what: Whose features they are, for messages.

    Raises:
        InputError: When no class can be measured.
    """
    targets = task.train.targets
    if targets.ndim == 2 and settings.ignored_in_training == "negative":
        targets = np.maximum(targets, 0)
    examples = Examples(features.train, targets, len(task.class_names))
    sweep_PK, unfinished = sweep(examples, task, settings, plan)
    chosen, notes = choose(sweep_PK, settings)
    penalties = sorted(set(chosen.tolist()))
    fitted = CLASSIFIERS[settings.classifier].fit(examples, Wanted(penalties, settings.positive_weight, plan))
    scores = np.full((len(features.test), examples.classes), -np.inf)
    for place, penalty in enumerate(penalties):
        found = fitted.scores(place, features.test)
        scores[:, chosen == penalty] = found[:, chosen == penalty]
    per_class, value = measured(scores, task.test.targets, examples.classes, settings.average_precision)
    if math.isnan(value):
        raise InputError(
            "no class has images that hold it and images that don't in both training and test", where=task.spec
        )
    unfinished += fitted.unfinished
    if unfinished:
        notes.append(f"{unfinished} fits of {what} stopped at {settings.max_steps:,} steps")
    points = tuple(
        SweepPoint(penalty, mean_of_known(values))
        for penalty, values in zip(settings.penalties, sweep_PK, strict=True)
        if not np.isnan(values).all()
    )
    shown = tuple(chosen.tolist()) if settings.penalty_of_each_class else (float(chosen[0]),)
    return ProbeScore(value, per_class, shown, points, scores, tuple(notes))


def sweep(examples: Examples, task: Task, settings: ProbeSettings, plan: Plan) -> tuple[NDArray[np.float64], int]:
    """What every penalty gives on training images that it did not learn from.

    Args:
        examples: The training images.
        task: The task.
        settings: The protocol's settings.
        plan: How problems are solved.

    Returns:
        For each penalty and class the metric ``[P, K]``, the mean over folds, NaN where there is none; with one penalty
        for all classes the value of all stands in every column. And how many fits did not finish.
    """
    held_FKN = _kept_aside(task, settings)
    held_FKN = held_FKN[[_can_choose(examples.targets, fold_KN) for fold_KN in held_FKN]]
    found = np.full((len(held_FKN), len(settings.penalties), examples.classes), np.nan)
    if len(settings.penalties) == 1 or not len(held_FKN):
        return np.full(found.shape[1:], np.nan), 0
    wanted = Wanted(settings.penalties, settings.positive_weight, plan, ~held_FKN)
    fitted = CLASSIFIERS[settings.classifier].fit(examples, wanted)
    precision = settings.chosen_by_precision or settings.average_precision
    for fold, held_KN in enumerate(held_FKN):
        held_N = held_KN.any(0)
        # What a class does not keep aside in this fold does not count for it.
        targets = examples.targets[held_N]
        if len(held_KN) > 1:
            targets = np.where(held_KN[:, held_N].T, targets, -1)
        rows = np.flatnonzero(held_N)
        for place in range(len(settings.penalties)):
            scores = fitted.scores(place, examples.features, fold, rows)
            per_class, value = measured(scores, targets, examples.classes, precision)
            # Of one label an image, the share found of a class says nothing of what is wrongly taken for it.
            each = settings.penalty_of_each_class and task.multilabel
            found[fold, place] = per_class if each else value
    known = ~np.isnan(found)
    mean = np.where(known, found, 0).sum(0) / np.maximum(known.sum(0), 1)
    return np.where(known.any(0), mean, np.nan), fitted.unfinished


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


def choose(sweep_PK: NDArray[np.float64], settings: ProbeSettings) -> tuple[NDArray[np.float64], list[str]]:
    """For each class the penalty with the best value, the strongest of equals; the one for all where that is asked.

    Args:
        sweep_PK: What each penalty gave.
        settings: The protocol's settings.

    Returns:
        A penalty for each class; and a sentence where it lies at the sweep's edge, or there was nothing to choose by.
    """
    penalties = np.array(settings.penalties)
    order = _strongest_first(penalties, CLASSIFIERS[settings.classifier])
    middle = float(np.sort(penalties)[len(penalties) // 2])
    values_PK = np.where(np.isnan(sweep_PK), -np.inf, sweep_PK)[order]
    best = penalties[order][values_PK.argmax(0)]
    unknown_K = np.isnan(sweep_PK).all(0)
    best[unknown_K] = middle
    if len(penalties) == 1:
        return best, []
    if unknown_K.all():
        return best, [f"too few training images to choose a penalty by: {middle:g} was taken"]
    low, high = float(penalties.min()), float(penalties.max())
    at_edge = np.isin(best, (low, high)) & ~unknown_K
    if settings.penalty_of_each_class:
        count = int(at_edge.sum())
        return best, [f"{count} of {len(best)} classes chose a penalty at the edge of those tried"] if count else []
    if at_edge[0]:
        side = "weakest" if best[0] == penalties[order][-1] else "strongest"
        return best, [f"the best penalty, {best[0]:g}, is the {side} tried: a wider sweep may do better"]
    return best, []


def _result(subject: Subject, task: Task, protocol: Protocol, found: ProbeScore, features: TaskFeatures) -> Result:
    settings: ProbeSettings = protocol.settings
    names = task.class_names
    each = dict(zip(names, found.penalties, strict=True)) if len(found.penalties) == len(names) > 1 else {}
    result = task_result(
        subject,
        task,
        protocol,
        found.value,
        found.per_class,
        side=settings.features.side(subject),
        counts={"features": features.train.shape[1]},
        outcomes=_outcomes(task, settings, found),
    )
    penalty = None if each else found.penalties[0]
    return replace(result, penalty=penalty, class_penalties=each, sweep=list(found.sweep))


def _outcomes(task: Task, settings: ProbeSettings, found: ProbeScore) -> Outcomes:
    return outcomes_of(task.test.hashes, found.scores, task.test.targets, settings.average_precision)


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
