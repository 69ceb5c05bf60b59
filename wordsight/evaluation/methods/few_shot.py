"""The method ``few-shot``: how good is a classifier that learns from a few images of each class?

Ridge regression in closed form, as big_vision's few-shot evaluator has it, on several draws of the images; the draws
are the same for every backbone. What is reported is their mean, and how far they spread.
"""

from __future__ import annotations

import math
import warnings
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch
from numpy.typing import NDArray

from wordsight.errors import InputError
from wordsight.evaluation.classifiers.few_shot_ridge import fit_shots
from wordsight.evaluation.features.matrix import every_row
from wordsight.evaluation.features.of_task import FeatureSettings, TaskFeatures, task_features
from wordsight.evaluation.methods.task_results import compare_with_random, random_init_outcomes, task_result
from wordsight.evaluation.metrics.bootstrap import bootstrap_interval, over_draws, within_percent
from wordsight.evaluation.metrics.classification import check_average_precision, measured
from wordsight.evaluation.metrics.outcomes import Outcomes, averaged, outcomes_of
from wordsight.evaluation.models.evaluated_model import EvaluatedModel
from wordsight.evaluation.protocol import Protocol
from wordsight.evaluation.results.result import DRAW, Group, Result
from wordsight.evaluation.tasks import Task
from wordsight.evaluation.tasks.subsets import draw_shots, most_shots
from wordsight.evaluation.tasks.task_checks import check_task
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
class Drawn:
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


def measure(model: EvaluatedModel, task: Task, protocol: Protocol) -> list[Result]:
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
    notes = check_task(task)
    possible = most_shots(task.train.hashes, task.train.targets, len(task.class_names))
    numbers = [shots for shots in sorted(set(settings.shots)) if shots <= possible]
    if not numbers:
        raise InputError(
            f"a class has {possible:,} training images", where=task.spec, expected=f"{min(settings.shots):,} or more"
        )
    if len(numbers) < len(set(settings.shots)):
        notes.append(f"a class has {possible:,} training images: more shots were left out")

    def measured_random_init(backbone: Backbone) -> dict[str, Outcomes]:
        found: dict[str, Outcomes] = {}
        for features in task_features(model, backbone, task, settings.features, "random weights"):
            for shots in numbers:
                drawn = learn_from_few(features, task, settings, shots, model.device, "random weights")
                each = _outcomes(drawn, task, settings.average_precision)
                found |= {_name(features.layer, shots, draw): one for draw, one in enumerate(each)}
        return found

    random_init = random_init_outcomes(model, task, protocol, measured_random_init)
    results = []
    every = task_features(model, model.backbone, task, settings.features, "trained")
    for features in every:
        for shots in numbers:
            drawn = learn_from_few(features, task, settings, shots, model.device, "trained")
            random = [random_init[_name(features.layer, shots, draw)] for draw in range(settings.draws)]
            result = _result(model, task, protocol, drawn, random, features.train.shape[1])
            layer = features.layer if len(every) > 1 else ""
            said = [*notes, *features.notes, *result.warnings]
            results.append(replace(result, part="-".join(filter(None, (layer, f"{shots}-shot"))), warnings=said))
    return results


def learn_from_few(
    features: TaskFeatures, task: Task, settings: FewShotSettings, shots: int, device: torch.device, what: str
) -> list[Drawn]:
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
        found.append(Drawn(len(rows), value, per_class, fitted.penalty, scores))
    return found


def _result(
    model: EvaluatedModel, task: Task, protocol: Protocol, drawn: list[Drawn], random: list[Outcomes], width: int
) -> Result:
    settings: FewShotSettings = protocol.settings
    values = [each.value for each in drawn]
    if any(math.isnan(value) for value in values):
        raise InputError("no class has test images that hold it and images that don't", where=task.spec)
    with warnings.catch_warnings():
        # A class without a test image has no value in any draw.
        warnings.simplefilter("ignore", RuntimeWarning)
        per_class = np.nanmean([each.per_class for each in drawn], axis=0)
    outcomes, beside = together(_outcomes(drawn, task, settings.average_precision)), together(random)
    result = task_result(
        model,
        task,
        protocol,
        float(np.mean(values)),
        per_class,
        side=settings.features.side(model),
        counts={"features": width, "drawn_images": round(np.mean([each.images for each in drawn]))},
        outcomes=outcomes,
    )
    interval = bootstrap_interval(outcomes)
    both = list(zip(values, [each.value for each in random], strict=True))
    return replace(
        result,
        random_weights=beside.value,
        baselines=result.baselines | {f"random weights, {name}": value for name, value in beside.more.items()},
        # What the number of test images alone makes uncertain is less than what the choice of training images adds.
        standard_error=None,
        spread=float(np.std(values, ddof=1)) if len(values) > 1 else None,
        interval=None if interval is None else within_percent(over_draws(interval, result.value, values)),
        penalty=float(np.median([each.penalty for each in drawn])),
        groups=[
            Group(DRAW, f"draw {number + 1}", each.images, each.value, baselines={"random weights": other})
            for number, (each, (_, other)) in enumerate(zip(drawn, both, strict=True))
        ],
        warnings=compare_with_random(outcomes, beside, draws=both),
    )


def _outcomes(drawn: list[Drawn], task: Task, rule: str) -> list[Outcomes]:
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
