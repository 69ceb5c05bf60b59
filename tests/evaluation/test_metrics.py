from __future__ import annotations

import math

import numpy as np
import pytest
from sklearn.metrics import average_precision_score

from wordsight.errors import InputError
from wordsight.evaluation.metrics import (
    accuracies,
    accuracy,
    average_precision,
    average_precisions,
    clustered_error,
    mean_of_known,
    standard_error,
)


def test_average_precision_by_hand() -> None:
    # Positives at ranks 1 and 3: precision 1/1 and 2/3, each worth half of the recall.
    assert average_precision(np.array([0.9, 0.8, 0.7, 0.1]), np.array([True, False, True, False])) == pytest.approx(
        100 * (1 + 2 / 3) / 2
    )


def test_average_precision_of_a_perfect_ranking_is_100_and_of_the_worst_is_known() -> None:
    positive = np.array([True, True, False, False])
    assert average_precision(np.array([4.0, 3.0, 2.0, 1.0]), positive) == 100
    # Positives at ranks 3 and 4: (1/3 + 2/4) / 2.
    assert average_precision(np.array([1.0, 2.0, 3.0, 4.0]), positive) == pytest.approx(100 * (1 / 3 + 2 / 4) / 2)


def test_examples_with_equal_scores_come_in_together() -> None:
    scores, positive = np.array([1.0, 1.0, 1.0, 0.0]), np.array([True, False, False, True])
    expected = 100 * (1 / 3 * 1 / 2 + 2 / 4 * 1 / 2)
    for order in ([0, 1, 2, 3], [2, 1, 0, 3], [3, 2, 1, 0]):
        assert average_precision(scores[order], positive[order]) == pytest.approx(expected)


@pytest.mark.parametrize("seed", range(5))
def test_average_precision_equals_scikit_learn(seed: int) -> None:
    random = np.random.default_rng(seed)
    positive = random.random(300) < 0.2
    for scores in (random.normal(size=300), random.integers(0, 7, size=300).astype(float)):
        assert average_precision(scores, positive) == pytest.approx(100 * average_precision_score(positive, scores))


def test_ignored_examples_change_nothing() -> None:
    random = np.random.default_rng(0)
    scores, targets = random.normal(size=(50, 2)), (random.random((50, 2)) < 0.3).astype(np.int8)
    without = average_precisions(scores, targets)
    more_scores = np.r_[scores, random.normal(size=(20, 2)) * 10]
    more_targets = np.r_[targets, np.full((20, 2), -1, dtype=np.int8)]
    np.testing.assert_allclose(average_precisions(more_scores, more_targets), without)


def test_a_class_without_positives_has_no_average_precision_and_is_left_out_of_the_mean() -> None:
    targets = np.array([[1, 0], [0, 0]], dtype=np.int8)
    found = average_precisions(np.array([[2.0, 1.0], [1.0, 2.0]]), targets)
    assert found[0] == 100
    assert math.isnan(found[1])
    assert mean_of_known(found) == 100
    assert math.isnan(mean_of_known(np.array([math.nan])))


def test_scores_that_are_no_number_are_refused() -> None:
    with pytest.raises(InputError, match="can't be ranked"):
        average_precision(np.array([math.nan, 1.0]), np.array([True, False]))


def test_accuracies_by_hand() -> None:
    predicted, targets = np.array([0, 0, 1, 1]), np.array([0, 1, 1, 1])
    assert accuracy(predicted, targets) == 75
    found = accuracies(predicted, targets, 3)
    np.testing.assert_allclose(found[:2], [100, 200 / 3])
    assert math.isnan(found[2])


def test_the_standard_error_of_800_images_is_what_a_binomial_has() -> None:
    assert standard_error(50, 800) == pytest.approx(1.77, abs=0.01)


def test_words_of_one_image_that_go_together_count_as_one_trial() -> None:
    right = np.repeat(np.arange(100) % 2 == 0, 4)
    images = np.repeat(np.arange(100), 4)
    assert clustered_error(right, images) == pytest.approx(standard_error(50, 100))
    assert clustered_error(right, np.arange(400)) == pytest.approx(standard_error(50, 400))
