"""The method ``few-shot``: how good is a classifier that learns from a few images of each class?

Ridge regression in closed form, as big_vision's few-shot evaluator has it, on several draws of the images; the draws
are the same for every backbone. What is reported is their mean, and how far they spread.
"""

from __future__ import annotations

import math
import warnings
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch
from numpy.typing import NDArray

from wordsight.errors import InputError
from wordsight.evaluation.classifiers.few_shot_ridge import fit_shots
from wordsight.evaluation.features.matrix import every_row
from wordsight.evaluation.features.task_features import FeatureSettings, TaskFeatures, task_features
from wordsight.evaluation.methods.task_method import TaskScore, measure_task
from wordsight.evaluation.methods.task_results import compare_with_random, random_baselines
from wordsight.evaluation.metrics.bootstrap import bootstrap_interval, over_draws, within_percent
from wordsight.evaluation.metrics.classification import check_average_precision, measured
from wordsight.evaluation.metrics.outcomes import Outcomes, averaged, outcomes_of
from wordsight.evaluation.models.evaluated_model import EvaluatedModel
from wordsight.evaluation.protocol import EvalProtocol
from wordsight.evaluation.results.measurement import RANDOM_WEIGHTS
from wordsight.evaluation.results.result import DRAW, Result, ResultGroup
from wordsight.evaluation.tasks import Task
from wordsight.evaluation.tasks.subsets import draw_shots, most_shots
from wordsight.progress import track
from wordsight.ranges import AtLeastOne, Penalty, check_ranges
from wordsight.vision.backbones import Backbone


@dataclass(frozen=True)
class FewShotSettings:
    """Settings of the method.

    Args:
        features: What of the backbone is read.
        shots: Images a class, each number with a result of its own; those that a class does not have are left out.
        draws: How often images are drawn.
        penalties: What is tried, as shares of the features' own spread (:func:`~.shot_ridge.fit_shots`).
        average_precision: Which, for several labels an image.
    """

    features: FeatureSettings
    shots: tuple[AtLeastOne, ...]
    draws: AtLeastOne
    penalties: tuple[Penalty, ...]
    average_precision: str

    def __post_init__(self) -> None:
        check_ranges(self)
        check_average_precision(self.average_precision)


@dataclass(frozen=True)
class DrawScore:
    """What was learned from one draw.

    Args:
        images: How many were drawn.
        value: The metric on the test images, in percent.
        per_class: The same for each class ``[K]``; NaN where there is none.
        penalty: The one that was chosen.
        scores: Scores of the test images ``[m, K]``.
    """

    images: int
    value: float
    per_class: NDArray[np.float64]
    penalty: float
    scores: NDArray[np.float64]


def measure(model: EvaluatedModel, task: Task, protocol: EvalProtocol) -> list[Result]:
    """Learn from a few images by a backbone's features, and by its randomly initialised copy's.

    Args:
        model: The backbone.
        task: Labelled images.
        protocol: The protocol.

    Returns:
        A result for each layer and number of images a class.

    Raises:
        InputError: When the task or the features can't be measured.
    """
    settings: FewShotSettings = protocol.settings

    def score(backbone: Backbone, what: str) -> Iterator[TaskScore]:
        numbers, notes = _possible_shots(task, settings)
        for features in task_features(model, backbone, task, settings.features, what):
            for shots in numbers:
                drawn = learn_from_few(features, task, settings, shots, model.device, what)
                each = _task_score(task, settings, features, shots, drawn)
                yield replace(each, notes=[*notes, *features.notes])

    return measure_task(model, task, protocol, score, side=settings.features.side(model))


def _possible_shots(task: Task, settings: FewShotSettings) -> tuple[list[int], list[str]]:
    """Numbers of images that every class has, ascending; and a sentence where some of the settings' are left out."""
    possible = most_shots(task.train.hashes, task.train.targets, len(task.class_names))
    numbers = [shots for shots in sorted(set(settings.shots)) if shots <= possible]
    if not numbers:
        raise InputError(
            f"a class has {possible:,} training images", where=task.spec, expected=f"{min(settings.shots):,} or more"
        )
    if len(numbers) == len(set(settings.shots)):
        return numbers, []
    return numbers, [f"a class has {possible:,} training images: more shots were left out"]


def learn_from_few(
    features: TaskFeatures, task: Task, settings: FewShotSettings, shots: int, device: torch.device, what: str
) -> list[DrawScore]:
    """Learn from each draw, and score the test images.

    Args:
        features: Features of the task's images.
        task: Their targets.
        settings: The protocol's settings.
        shots: Images a class.
        device: Where to compute.
        what: Whose features they are, for bars.
    """
    targets, classes = task.train.targets, len(task.class_names)
    tested = every_row(features.test, device)
    found = []
    for draw in track(range(settings.draws), f"{what}, {shots}-shot"):
        rows = draw_shots(task.train.hashes, targets, classes, shots, draw)
        learned = targets[rows]
        sides_nK = learned.astype(np.int64)
        if learned.ndim == 1:
            sides_nK = (learned[:, None] == np.arange(classes)).astype(np.int64)
        # 1, 0, -1 (ignored) to +1, -1, 0.
        sides_nK = np.where(sides_nK < 0, 0, 2 * sides_nK - 1)
        fitted = fit_shots(
            replace(every_row(features.train, device), rows_n=torch.from_numpy(rows)).whole(),
            torch.from_numpy(sides_nK).to(device),
            settings.penalties,
        )
        scores = np.concatenate([fitted.scores(block_mD).cpu().numpy() for _, block_mD in tested.blocks()])
        # A class without a positive was not learned.
        scores[:, ~(sides_nK == 1).any(0)] = -np.inf
        per_class, value = measured(scores, task.test.targets, classes, settings.average_precision)
        found.append(DrawScore(len(rows), value, per_class, fitted.penalty, scores))
    return found


def _task_score(
    task: Task, settings: FewShotSettings, features: TaskFeatures, shots: int, drawn: list[DrawScore]
) -> TaskScore:
    values = [each.value for each in drawn]
    if any(math.isnan(value) for value in values):
        raise InputError("no class has test images that hold it and images that don't", where=task.spec)
    with warnings.catch_warnings():
        # A class without a test image has no value in any draw.
        warnings.simplefilter("ignore", RuntimeWarning)
        per_class = np.nanmean([each.per_class for each in drawn], axis=0)
    each_draw = _outcomes(drawn, task, settings.average_precision)
    names = [_name(features.layer, shots, draw) for draw in range(len(drawn))]

    def complete(result: Result, random: Mapping[str, Outcomes]) -> Result:
        return _beside_draws(result, drawn, [random[name] for name in names])

    return TaskScore(
        float(np.mean(values)),
        per_class,
        together(each_draw),
        {
            "features": features.train.shape[1],
            "drawn_images": round(np.mean([each.images for each in drawn])),
        },
        layer=features.layer,
        part=f"{shots}-shot",
        named=dict(zip(names, each_draw, strict=True)),
        complete=complete,
    )


def _beside_draws(result: Result, drawn: list[DrawScore], random: list[Outcomes]) -> Result:
    """A result with its draws, each beside the random copy's, and with how certain they make it."""
    assert result.outcomes is not None, "they were made with the result"
    values, beside = [each.value for each in drawn], together(random)
    interval = bootstrap_interval(result.outcomes)
    both = list(zip(values, [each.value for each in random], strict=True))
    return replace(
        result,
        random_weights=beside.value,
        baselines=result.baselines | random_baselines(beside.more),
        # What the number of test images alone makes uncertain is less than what the choice of training images adds.
        standard_error=None,
        spread=float(np.std(values, ddof=1)) if len(values) > 1 else None,
        interval=None if interval is None else within_percent(over_draws(interval, result.value, values)),
        penalty=float(np.median([each.penalty for each in drawn])),
        groups=[
            ResultGroup(DRAW, f"draw {number + 1}", each.images, each.value, baselines={RANDOM_WEIGHTS: other})
            for number, (each, (_, other)) in enumerate(zip(drawn, both, strict=True))
        ],
        warnings=[*result.warnings, *compare_with_random(result.outcomes, beside, draws=both)],
    )


def _outcomes(drawn: list[DrawScore], task: Task, rule: str) -> list[Outcomes]:
    """What became of the test images in each draw."""
    # Scores of several labels are kept, five draws of them: half as large as they were computed.
    kept = np.float32 if task.multilabel else np.float64
    return [outcomes_of(task.test.hashes, each.scores.astype(kept), task.test.targets, rule) for each in drawn]


def together(draws: Sequence[Outcomes]) -> Outcomes:
    """The share of draws in which each test image was right; of several labels every draw's classes side by side, so
    that their mean average precision is the mean over draws.

    Args:
        draws: What became of the test images in each draw.
    """
    if draws[0].correct is not None:
        return averaged(draws)
    scores = np.concatenate([each.scores for each in draws if each.scores is not None], axis=1)
    targets = np.concatenate([each.targets for each in draws if each.targets is not None], axis=1)
    return Outcomes(draws[0].ids, scores=scores, targets=targets, rule=draws[0].rule)


def _name(layer: str, shots: int, draw: int) -> str:
    return "-".join(filter(None, (layer, f"{shots}-shot", str(draw))))
