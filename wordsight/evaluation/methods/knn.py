"""The method ``knn``: the labels of the most similar training images vote on a test image. Nothing is learned.

Similarity is the cosine of features (Wu et al. 2018, Section 3.4). How many neighbours vote is chosen on the training
images, each asked as if it were not among them; what every number of neighbours gives stands beside it.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any, Literal

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from wordsight.errors import InputError
from wordsight.evaluation.classifiers.nearest_neighbours import among_first, answers, nearest
from wordsight.evaluation.features.matrix import Features
from wordsight.evaluation.features.task_features import FeatureSettings, TaskFeatures, task_features
from wordsight.evaluation.methods.task_method import TaskScore, measure_task
from wordsight.evaluation.methods.task_results import compare_with_random, random_baselines
from wordsight.evaluation.metrics.classification import accuracies, accuracy, check_average_precision, measured
from wordsight.evaluation.metrics.outcomes import Outcomes, classified, outcomes_of
from wordsight.evaluation.models.evaluated_model import EvaluatedModel
from wordsight.evaluation.protocol import EvalProtocol
from wordsight.evaluation.results.result import Result, SweepPoint
from wordsight.evaluation.tasks import Task
from wordsight.ranges import AtLeastOne, Positive, check_ranges
from wordsight.vision.backbones import Backbone


@dataclass(frozen=True)
class KnnSettings:
    """Settings of the method.

    Args:
        features: What of the backbone is read. They are brought to length one after that.
        neighbours: Numbers of neighbours that are tried.
        vote: ``majority``: each neighbour counts once. ``similarity``: by exp(similarity / temperature).
        temperature: Of that.
        average_precision: Which, for several labels an image.
    """

    features: FeatureSettings
    neighbours: tuple[AtLeastOne, ...]
    vote: Literal["majority", "similarity"]
    temperature: Positive
    average_precision: str

    def __post_init__(self) -> None:
        check_ranges(self)
        check_average_precision(self.average_precision)


@dataclass(frozen=True)
class KnnScore:
    """What the neighbours gave.

    Args:
        chosen: The number of neighbours that was chosen.
        values: For each number of neighbours the metric on the test images, in percent.
        left_out: The same on training images, each left out of those that are known.
        per_class: The metric for each class with the chosen number ``[K]``; NaN where there is none.
        outcomes: For each number of neighbours what became of the test images.
    """

    chosen: int
    values: dict[int, float]
    left_out: dict[int, float]
    per_class: NDArray[np.float64]
    outcomes: dict[int, Outcomes]


def measure(model: EvaluatedModel, task: Task, protocol: EvalProtocol) -> list[Result]:
    """Ask the neighbours by a backbone's features, and by its randomly initialised copy's.

    Args:
        model: The backbone.
        task: Labelled images.
        protocol: The protocol.

    Returns:
        A result for each layer.

    Raises:
        InputError: When the task or the features can't be measured.
    """
    settings: KnnSettings = protocol.settings

    def score(backbone: Backbone, what: str) -> Iterator[TaskScore]:
        for features in task_features(model, backbone, task, settings.features, what):
            yield _task_score(settings, features, ask_neighbours(features, task, settings, model.device, what))

    return measure_task(model, task, protocol, score, side=settings.features.side(model))


def _task_score(settings: KnnSettings, features: TaskFeatures, found: KnnScore) -> TaskScore:
    layer, chosen = features.layer, found.chosen
    too_many = [str(k) for k in settings.neighbours if k not in found.values]
    fewer = [f"too few training images for {', '.join(too_many)} neighbours"] if too_many else []

    def complete(result: Result, random: Mapping[str, Outcomes]) -> Result:
        # The randomly initialised copy has its own k; what training did is told at the same k.
        harm = compare_with_random(found.outcomes[chosen], random[_name(layer, chosen)], _named(chosen))
        beside = random_baselines({_named(k): random[_name(layer, k)].value for k in found.values} | random[layer].more)
        return replace(
            result,
            random_weights=random[layer].value,
            more=result.more | {_named(k): value for k, value in found.values.items()},
            baselines=result.baselines | beside,
            sweep=[SweepPoint(float(k), value) for k, value in found.left_out.items()],
            warnings=[*result.warnings, *harm],
        )

    return TaskScore(
        found.values[chosen],
        found.per_class,
        found.outcomes[chosen],
        {"features": features.train.shape[1], "neighbours": chosen},
        layer=layer,
        named={layer: found.outcomes[chosen]} | {_name(layer, k): each for k, each in found.outcomes.items()},
        complete=complete,
        notes=[*features.notes, *fewer],
    )


def ask_neighbours(
    features: TaskFeatures, task: Task, settings: KnnSettings, device: torch.device, what: str
) -> KnnScore:
    """Choose the number of neighbours on the training images, then ask them about the test images.

    Args:
        features: Features of the task's images.
        task: Their targets.
        settings: The protocol's settings.
        device: Where to compute.
        what: Whose features they are, for bars.

    Raises:
        InputError: When there are not as many training images as the fewest neighbours, and one more.
    """
    # Copies of an image would vote for each other.
    _, groups = np.unique(np.array(task.train.hashes), return_inverse=True)
    largest_group = int(np.bincount(groups).max())
    numbers = [k for k in sorted(set(settings.neighbours)) if k <= len(task.train) - largest_group]
    if not numbers:
        raise InputError(
            f"{len(task.train):,} training images for {min(settings.neighbours):,} neighbours",
            where=task.spec,
            expected="more of them",
        )
    same = torch.from_numpy(groups.astype(np.int64))
    classes = len(task.class_names)
    temperature = settings.temperature if settings.vote == "similarity" else None

    def found(asked: Features, targets: NDArray[Any], excluded: Tensor | None, side: str) -> dict[int, _Votes]:
        similar, rows = nearest(
            asked, features.train, max(numbers), device, excluded, f"{what}, neighbours of {side} images"
        )
        every = {}
        for k in numbers:
            answered = answers(similar[:, :k], rows[:, :k], task.train.targets, classes, temperature)
            if task.multilabel:
                # Of a class that no training image has nothing is known.
                answered[:, ~(task.train.targets == 1).any(0)] = -np.inf
            five = None
            if side == "test" and not task.multilabel and classes > 5:
                five = among_first(similar[:, :k], rows[:, :k], task.train.targets, classes, temperature, targets)
            every[k] = _Votes(answered, *_metric(answered, targets, classes, settings.average_precision), five)
        return every

    left_out = {k: each.value for k, each in found(features.train, task.train.targets, same, "training").items()}
    known_values = {k: value for k, value in left_out.items() if not math.isnan(value)}
    # Of equals the one that listens to most neighbours.
    chosen = max(known_values, key=lambda k: (known_values[k], k), default=min(numbers))
    tested = found(features.test, task.test.targets, None, "test")
    values, outcomes = {}, {}
    for k, each in tested.items():
        values[k], outcomes[k] = each.value, _outcomes(each, task, settings)
    return KnnScore(chosen, values, known_values, tested[chosen].per_class, outcomes)


@dataclass(frozen=True)
class _Votes:
    answers: NDArray[Any]
    per_class: NDArray[np.float64]
    value: float
    first_five: NDArray[np.float64] | None


def _metric(
    answered: NDArray[Any], targets: NDArray[Any], classes: int, precision: str
) -> tuple[NDArray[np.float64], float]:
    if targets.ndim == 2:
        return measured(answered, targets, classes, precision)
    return accuracies(answered, targets, classes), accuracy(answered, targets)


def _outcomes(found: _Votes, task: Task, settings: KnnSettings) -> Outcomes:
    if task.multilabel:
        return outcomes_of(task.test.hashes, found.answers, task.test.targets, settings.average_precision)
    return classified(task.test.hashes, found.answers == task.test.targets, task.test.targets, found.first_five)


def _named(neighbours: int) -> str:
    return f"k = {neighbours}"


def _name(layer: str, neighbours: int | None = None) -> str:
    return layer if neighbours is None else f"{layer}, {_named(neighbours)}"
