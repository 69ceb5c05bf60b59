"""What results of tasks have in common: their fields, and the numbers of the random init, which are cached."""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Collection, Sequence
from dataclasses import asdict, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from wordsight.device import precision_on
from wordsight.environment import installed_versions
from wordsight.evaluation.features.cache import key_of, load_outcomes, store_outcomes
from wordsight.evaluation.metrics.bootstrap import paired_test
from wordsight.evaluation.metrics.classification import (
    CHANCE,
    MOST_FREQUENT_CLASS,
    TOP1,
    chance_mean_precision,
    chance_of_classes,
    standard_error,
)
from wordsight.evaluation.metrics.outcomes import Outcomes
from wordsight.evaluation.models.evaluated_model import EvaluatedModel
from wordsight.evaluation.protocol import Protocol
from wordsight.evaluation.results.result import Result
from wordsight.evaluation.tasks import Task
from wordsight.vision.backbones import Backbone
from wordsight.vision.inference import behaviour, weights_fingerprint


def task_result(
    model: EvaluatedModel,
    task: Task,
    protocol: Protocol,
    value: float,
    per_class: NDArray[np.float64],
    *,
    side: int,
    counts: dict[str, int],
    outcomes: Outcomes,
) -> Result:
    """A result with everything that is known before the randomly initialised copy's numbers.

    Args:
        model: What was measured.
        task: On what.
        protocol: How.
        value: The number in percent.
        per_class: The same for each class ``[K]``; NaN where there is none.
        side: Side of the view in pixels.
        counts: How many of what, besides classes and images.
        outcomes: What became of each test image.
    """
    return Result(
        task=task.name,
        protocol=protocol.name,
        metric="mAP" if task.multilabel else TOP1,
        value=value,
        baselines=baselines_of(task, outcomes.more),
        more=outcomes.more,
        standard_error=None if task.multilabel else standard_error(value, len(task.test)),
        per_class={
            name: float(each)
            for name, each in zip(task.class_names, per_class, strict=True)
            if not math.isnan(float(each))
        },
        counts={
            "classes": len(task.class_names),
            "train_images": len(task.train),
            "test_images": len(task.test),
            **counts,
        },
        settings={
            **as_written(protocol.settings),
            "view": side,
            "precision": str(precision_on(model.device)).removeprefix("torch."),
            "split": task.split_rule,
            "source": task.spec,
        },
        weights=weights_fingerprint(model.backbone),
        data=task.fingerprint,
        outcomes=outcomes,
    )


def as_written(settings: Any) -> dict[str, Any]:
    """A dataclass of settings as JSON gives it back: lists in place of tuples."""
    found: dict[str, Any] = json.loads(json.dumps(asdict(settings)))
    return found


def random_init_outcomes(
    model: EvaluatedModel, task: Task, protocol: Protocol, measure: Callable[[Backbone], dict[str, Outcomes]]
) -> dict[str, Outcomes]:
    """What becomes of the test images under the same network with random weights; found again where it was measured.

    Args:
        model: What is measured.
        task: On what.
        protocol: How; its name does not matter, its method and settings do.
        measure: Gives a backbone's outcomes, by name.
    """
    random_init = model.random_backbone()
    key = key_of(
        protocol.method,
        asdict(protocol.settings),
        model.image_size,
        model.device.type,
        task.fingerprint,
        weights_fingerprint(random_init),
        behaviour(random_init, model.image_size),
        installed_versions(),
    )
    kept = load_outcomes(key)
    if kept is not None:
        return kept
    found = measure(random_init)
    store_outcomes(key, found, task=task.name, method=protocol.method)
    return found


def with_random_init(result: Result, random_init: Outcomes) -> Result:
    """A result with the numbers of the randomly initialised copy beside its own, and a sentence where it is not better.

    Args:
        result: The result, with its outcomes.
        random_init: What became of the same images under the randomly initialised copy.
    """
    beside = {f"random weights, {name}": value for name, value in random_init.more.items() if name in result.more}
    said = [] if result.outcomes is None else compare_with_random(result.outcomes, random_init)
    return replace(
        result,
        random_weights=random_init.value,
        baselines=result.baselines | beside,
        warnings=[*result.warnings, *said],
    )


def baselines_of(task: Task, more: Collection[str]) -> dict[str, float]:
    """What the labels alone give, whatever the images show.

    With one label an image: a class drawn at random (``chance``), and always the class that most training images have,
    the mean of several that have as many. With several: a random order's average precision, over the classes that a
    classifier can learn and the test can measure; its mean over a random order's positives, also where a protocol has a
    rule of its own.

    Args:
        task: The labels.
        more: The further metrics that are measured.
    """
    if task.multilabel:
        learned_K = (task.train.targets == 1).any(0) & (task.train.targets == 0).any(0)
        return {CHANCE: chance_mean_precision(task.test.targets, learned_K)}
    classes = len(task.class_names)
    learned_K, tested_K = (np.bincount(part.targets, minlength=classes) for part in (task.train, task.test))
    frequent = 100 * float(tested_K[learned_K == learned_K.max()].mean()) / len(task.test)
    by_lot = chance_of_classes(classes)
    beside = {f"{CHANCE}, {metric}" for metric in more}
    return {CHANCE: by_lot[CHANCE], MOST_FREQUENT_CLASS: frequent} | {
        name: value for name, value in by_lot.items() if name in beside
    }


def compare_with_random(
    found: Outcomes, random: Outcomes, at: str = "", draws: Sequence[tuple[float, float]] = ()
) -> list[str]:
    """A sentence where a trained backbone is below the same network with random weights.

    That training did harm is said only where the difference is more than the choice of test images can make.

    Args:
        found: What became of the test images.
        random: The same under the random weights.
        at: At what both were measured ("k = 5"), where that was a choice.
        draws: The values of both in each draw of the training images, in percent, where there were several.
    """
    value, other = found.value, random.value
    if math.isnan(value) or math.isnan(other) or value >= other:
        return []
    test = paired_test([found], [random])
    if draws:
        test = test.over_draws([mine - theirs for mine, theirs in draws])
    low, high = test.interval
    what = f"the same network with random weights{f' at {at}' if at else ''}"
    numbers = f"{value:.1f} against {other:.1f}, 95 % interval of the difference {low:+.1f} to {high:+.1f}"
    return [f"worse than {what} ({numbers}): training did harm" if high < 0 else f"not better than {what} ({numbers})"]
