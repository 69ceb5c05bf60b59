"""What results of tasks are read beside: chance, the most frequent class, the randomly initialised copy."""

from __future__ import annotations

import math
from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace

import numpy as np

from wordsight.evaluation.metrics.bootstrap import paired_test
from wordsight.evaluation.metrics.classification import (
    CHANCE,
    MOST_FREQUENT_CLASS,
    TOP1,
    chance_mean_precision,
    chance_of_classes,
)
from wordsight.evaluation.metrics.outcomes import Outcomes
from wordsight.evaluation.results.measurement import RANDOM_WEIGHTS, baselines_for
from wordsight.evaluation.results.result import Result
from wordsight.evaluation.tasks import Task


def with_random_init(result: Result, random_init: Outcomes) -> Result:
    """A result with the numbers of the randomly initialised copy beside its own, and a sentence where it is not better.

    Args:
        result: The result, with its outcomes.
        random_init: What became of the same images under the randomly initialised copy.
    """
    beside = random_baselines({name: value for name, value in random_init.more.items() if name in result.more})
    said = [] if result.outcomes is None else compare_with_random(result.outcomes, random_init)
    return replace(
        result,
        random_weights=random_init.value,
        baselines=result.baselines | beside,
        warnings=[*result.warnings, *said],
    )


def random_baselines(more: Mapping[str, float]) -> dict[str, float]:
    """What the randomly initialised copy reaches by further metrics, as baselines of these.

    Args:
        more: Its values by metric.
    """
    found: dict[str, float] = {}
    for metric, value in more.items():
        found |= baselines_for(metric, {RANDOM_WEIGHTS: value})
    return found


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
    main, further = chance_baselines(classes, more)
    return {**main, MOST_FREQUENT_CLASS: frequent, **further}


def chance_baselines(classes: int, more: Collection[str]) -> tuple[dict[str, float], dict[str, float]]:
    """Chance of one label an image: for top-1, and for those of some further metrics that it is known of.

    Args:
        classes: How many there are.
        more: The further metrics that are measured.
    """
    chance = chance_of_classes(classes)
    further: dict[str, float] = {}
    for metric in (each for each in chance if each in more):
        further |= baselines_for(metric, {CHANCE: chance[metric]})
    return {CHANCE: chance[TOP1]}, further


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
