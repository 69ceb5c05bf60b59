"""What every result of a task is read beside, before any network is looked at."""

from __future__ import annotations

import numpy as np
import pytest

from tests.evaluation.conftest import array_task
from wordsight.evaluation.methods.task_results import baselines_of
from wordsight.evaluation.metrics.classification import PER_CLASS, TOP5


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
