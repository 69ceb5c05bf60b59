"""The method ``probe``: a linear classifier on features of the frozen backbone, its penalty chosen without the test.

The penalty is chosen on a validation split of the training images or by folds of them, for all classes together or for
each by itself; then all training images are fitted and the test images scored. One label an image: top-1 accuracy.
Several: mean average precision, of the kind that the protocol names. Beside it the same network with random weights.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from wordsight.errors import InputError
from wordsight.evaluation.classifiers.linear import CLASSIFIERS, Examples, FitSpec
from wordsight.evaluation.features.task_features import TaskFeatures, task_features
from wordsight.evaluation.methods.linear_probe_settings import ProbeSettings
from wordsight.evaluation.methods.penalty_sweep import choose, sweep
from wordsight.evaluation.methods.task_method import TaskScore, measure_task
from wordsight.evaluation.methods.task_results import with_random_init
from wordsight.evaluation.metrics.classification import mean_of_known, measured
from wordsight.evaluation.metrics.outcomes import Outcomes, outcomes_of
from wordsight.evaluation.models.evaluated_model import EvaluatedModel
from wordsight.evaluation.protocol import EvalProtocol
from wordsight.evaluation.results.result import Result, SweepPoint
from wordsight.evaluation.solvers import Plan
from wordsight.evaluation.tasks import Task
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


def measure(model: EvaluatedModel, task: Task, protocol: EvalProtocol) -> list[Result]:
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
    plan = settings.plan(model)

    def score(backbone: Backbone, what: str) -> Iterator[TaskScore]:
        for each in task_features(model, backbone, task, settings.features, what):
            yield _task_score(task, settings, each, probe(each, task, settings, plan, what))

    return measure_task(model, task, protocol, score, side=settings.features.side(model))


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
    fitted = CLASSIFIERS[settings.classifier].fit(examples, FitSpec(penalties, settings.positive_weight, plan))
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


def _task_score(task: Task, settings: ProbeSettings, features: TaskFeatures, found: ProbeScore) -> TaskScore:
    names = task.class_names
    each = dict(zip(names, found.penalties, strict=True)) if len(found.penalties) == len(names) > 1 else {}

    def complete(result: Result, random: Mapping[str, Outcomes]) -> Result:
        penalty = None if each else found.penalties[0]
        own = replace(result, penalty=penalty, class_penalties=each, sweep=list(found.sweep))
        return with_random_init(own, random[features.layer])

    return TaskScore(
        found.value,
        found.per_class,
        outcomes_of(task.test.hashes, found.scores, task.test.targets, settings.average_precision),
        {"features": features.train.shape[1]},
        layer=features.layer,
        complete=complete,
        notes=[*features.notes, *found.notes],
    )
