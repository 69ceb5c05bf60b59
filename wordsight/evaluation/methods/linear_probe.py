"""The method ``probe``: a linear classifier on features of the frozen backbone, its penalty chosen without the test.

The penalty is chosen on a validation split of the training images or by folds of them, for all classes together or for
each by itself; then all training images are fitted and the test images scored. One label an image: top-1 accuracy.
Several: mean average precision, of the kind that the protocol names. Beside it the same network with random weights.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from wordsight.errors import InputError
from wordsight.evaluation.classifiers.linear import CLASSIFIERS, Examples, Wanted
from wordsight.evaluation.features.of_task import TaskFeatures, task_features
from wordsight.evaluation.methods.linear_probe_settings import ProbeSettings
from wordsight.evaluation.methods.penalty_sweep import choose, sweep
from wordsight.evaluation.methods.task_results import random_init_outcomes, task_result, with_random_init
from wordsight.evaluation.metrics.classification import mean_of_known, measured
from wordsight.evaluation.metrics.outcomes import Outcomes, outcomes_of
from wordsight.evaluation.models.evaluated_model import EvaluatedModel
from wordsight.evaluation.protocol import Protocol
from wordsight.evaluation.results.result import Result, SweepPoint
from wordsight.evaluation.solvers import Plan
from wordsight.evaluation.tasks import Task
from wordsight.evaluation.tasks.task_checks import check_task
from wordsight.vision.backbones import Backbone


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


def measure(model: EvaluatedModel, task: Task, protocol: Protocol) -> list[Result]:
    """Probe a backbone and its randomly initialised copy on a task.

    Args:
        model: The backbone.
        task: Labelled images.
        protocol: The protocol.

    Returns:
        A result for each layer.

    Raises:
        InputError: When the task or the features can't be probed.
    """
    settings: ProbeSettings = protocol.settings
    notes = check_task(task)
    plan = settings.plan(model)

    def measured_random_init(backbone: Backbone) -> dict[str, Outcomes]:
        seen = task_features(model, backbone, task, settings.features, "random weights")
        probed = {each.layer: probe(each, task, settings, plan, "random weights") for each in seen}
        return {layer: _outcomes(task, settings, score) for layer, score in probed.items()}

    features = task_features(model, model.backbone, task, settings.features, "trained")
    found = [probe(each, task, settings, plan, "trained") for each in features]
    random_init = random_init_outcomes(model, task, protocol, measured_random_init)
    results = []
    for each, score in zip(features, found, strict=True):
        result = _result(model, task, protocol, score, each)
        part = each.layer if len(features) > 1 else ""
        said = replace(result, warnings=[*notes, *each.notes, *score.notes], part=part)
        results.append(with_random_init(said, random_init[each.layer]))
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
    swept = sweep(examples, task, settings, plan)
    chosen, notes = choose(swept, settings)
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
    unfinished, fits = swept.unfinished + fitted.unfinished, swept.fits + fitted.count
    if unfinished:
        notes.append(
            f"{unfinished:,} of {fits:,} fits did not converge in {settings.max_steps:,} steps ({what} backbone)"
        )
    points = tuple(
        SweepPoint(penalty, mean_of_known(values))
        for penalty, values in zip(swept.penalties, swept.values_PK, strict=True)
        if not np.isnan(values).all()
    )
    shown = tuple(chosen.tolist()) if settings.penalty_of_each_class else (float(chosen[0]),)
    return ProbeScore(value, per_class, shown, points, scores, tuple(notes))


def _result(model: EvaluatedModel, task: Task, protocol: Protocol, found: ProbeScore, features: TaskFeatures) -> Result:
    settings: ProbeSettings = protocol.settings
    names = task.class_names
    each = dict(zip(names, found.penalties, strict=True)) if len(found.penalties) == len(names) > 1 else {}
    result = task_result(
        model,
        task,
        protocol,
        found.value,
        found.per_class,
        side=settings.features.side(model),
        counts={"features": features.train.shape[1]},
        outcomes=_outcomes(task, settings, found),
    )
    penalty = None if each else found.penalties[0]
    return replace(result, penalty=penalty, class_penalties=each, sweep=list(found.sweep))


def _outcomes(task: Task, settings: ProbeSettings, found: ProbeScore) -> Outcomes:
    return outcomes_of(task.test.hashes, found.scores, task.test.targets, settings.average_precision)
