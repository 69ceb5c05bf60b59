"""What every result of a task is read beside, before any network is looked at."""

from __future__ import annotations

import numpy as np
import pytest

from tests.evaluation.conftest import array_task
from wordsight.evaluation.methods.task_results import baselines_of
from wordsight.evaluation.methods.zero_shot import score
from wordsight.evaluation.metrics.classification import PER_CLASS, TOP5, average_precisions


def test_chance_is_a_class_drawn_at_random_and_the_most_frequent_is_another_baseline() -> None:
    task = array_task(np.array([0, 0, 0, 1, 2]), np.array([0, 1, 1, 1]), 3)
    assert baselines_of(task, [PER_CLASS]) == {
        "chance": pytest.approx(100 / 3),
        "most frequent class": 25,
        f"chance, {PER_CLASS}": pytest.approx(100 / 3),
    }
    assert baselines_of(array_task(np.arange(10), np.arange(10), 10), [TOP5])[f"chance, {TOP5}"] == 50


def test_baselines_do_not_depend_on_the_order_of_the_classes() -> None:
    train, test = np.array([0, 0, 1, 1, 2]), np.array([0, 1, 1, 2, 2, 2])
    found = baselines_of(array_task(train, test, 3), [])
    # Of two classes with as many training images half the time one is guessed, half the time the other.
    assert found["most frequent class"] == pytest.approx(100 * (1 / 6 + 2 / 6) / 2)
    for order in ([1, 0, 2], [2, 1, 0], [1, 2, 0]):
        renamed = np.array(order)
        assert baselines_of(array_task(renamed[train], renamed[test], 3), []) == found


def test_chance_of_several_labels_is_what_random_orders_reach() -> None:
    random = np.random.default_rng(0)
    train, test = ((random.random((count, 6)) < 0.08).astype(np.int8) for count in (60, 40))
    # Some labels are to be ignored; one class can't be learned, and counts for nothing.
    test[random.random(test.shape) < 0.2] = -1
    train[:, 5], test[:, 5] = 0, random.integers(0, 2, 40)
    found = baselines_of(array_task(train, test, 6), [])
    learned = [k for k in range(6) if (train[:, k] == 1).any() and (test[:, k] == 1).any()]
    reached = [average_precisions(random.random(test.shape), test)[learned].mean() for _ in range(600)]
    # Sharper than its spread: the share of positives is as far off as half the number.
    share = 100 * np.mean([(test[:, k] == 1).sum() / (test[:, k] >= 0).sum() for k in learned])
    assert found == {"chance": pytest.approx(np.mean(reached), abs=0.7)}
    assert found["chance"] > share + 5


def test_chance_of_one_label_is_what_random_guesses_reach_however_unequal_the_classes() -> None:
    random = np.random.default_rng(1)
    train, test = np.array([0] * 90 + [1, 2, 3]), np.array([0] * 60 + [1] * 20 + [2] * 10 + [3] * 10)
    found = baselines_of(array_task(train, test, 4), [PER_CLASS])
    right = random.integers(0, 4, (4000, len(test))) == test
    assert found["chance"] == pytest.approx(100 * right.mean(), abs=0.3)
    of_classes = np.mean([right[:, test == k].mean() for k in range(4)])
    assert found[f"chance, {PER_CLASS}"] == pytest.approx(100 * of_classes, abs=0.3)
    assert found["most frequent class"] == 60


def test_chance_is_the_same_in_zero_shot_and_in_probes() -> None:
    random = np.random.default_rng(2)
    several = [(random.random((40, 3)) < 0.2).astype(np.int8) for _ in range(2)]
    alone = [np.repeat(np.arange(7), 4) for _ in range(2)]
    for (train, test), classes in ((several, 3), (alone, 7)):
        task = array_task(train, test, classes)
        zero_shot = score(random.random((len(test), classes)), task, np.ones(classes, dtype=np.bool_))
        probe = baselines_of(task, zero_shot.outcomes.more)
        assert {name: value for name, value in probe.items() if name.startswith("chance")} == zero_shot.baselines
