"""Accuracy and average precision by hand, and as scikit-learn and torchmetrics have them."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from sklearn.metrics import average_precision_score
from torchmetrics.functional.classification import binary_average_precision

from wordsight.errors import InputError
from wordsight.evaluation.metrics.classification import (
    AVERAGE_PRECISIONS,
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


def test_average_precision_equals_torchmetrics() -> None:
    random = np.random.default_rng(0)
    positive = random.random(300) < 0.2
    for scores in (random.random(300), random.integers(0, 7, size=300) / 7):
        theirs = binary_average_precision(torch.from_numpy(scores), torch.from_numpy(positive).long())
        assert average_precision(scores, positive) == pytest.approx(100 * float(theirs), abs=1e-3)


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


def test_a_class_that_all_examples_have_is_left_out_of_the_mean_as_well() -> None:
    """Every order of its examples is right: 100 would say nothing of the scores."""
    targets = np.array([[1, 1], [1, 0], [-1, 1]], dtype=np.int8)
    found = average_precisions(np.array([[2.0, 1.0], [1.0, 2.0], [0.0, 3.0]]), targets)
    assert math.isnan(found[0])
    assert mean_of_known(found) == pytest.approx(100 * (1 + 2 / 3) / 2)


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
    # A question without an answer counts for nothing.
    gaps = np.append(right.astype(np.float64), np.nan)
    assert clustered_error(gaps, np.append(images, 7)) == clustered_error(right, images)


# Positives at ranks 1, 3 and 6 of 6. Recall 1/3, 1/3, 2/3, 2/3, 2/3, 1; precision 1, 1/2, 2/3, 1/2, 2/5, 1/2.
SCORES = np.array([6.0, 5.0, 4.0, 3.0, 2.0, 1.0])
POSITIVE = np.array([True, False, True, False, False, True])


def test_the_11_points_of_voc_2007_by_hand() -> None:
    # Recalls 0 to 0.3 see a precision of 1; 0.4, 0.5 and 0.6 of 2/3; 0.7 to 1 of 1/2.
    expected = 100 * (4 * 1 + 3 * 2 / 3 + 4 * 1 / 2) / 11
    assert AVERAGE_PRECISIONS["voc-11-point"](SCORES, POSITIVE) == pytest.approx(expected)


def test_the_area_under_the_envelope_of_voc_2010_by_hand() -> None:
    assert AVERAGE_PRECISIONS["voc-area"](SCORES, POSITIVE) == pytest.approx(100 * (1 + 2 / 3 + 1 / 2) / 3)
    # Positives at ranks 2 and 3: precision 1/2, then 2/3, which is the best from the start on.
    late = np.array([False, True, True, False])
    assert AVERAGE_PRECISIONS["voc-area"](SCORES[:4], late) == pytest.approx(100 * 2 / 3)
    assert AVERAGE_PRECISIONS["voc-11-point"](SCORES[:4], late) == pytest.approx(100 * 2 / 3)
    assert AVERAGE_PRECISIONS["sklearn"](SCORES[:4], late) == pytest.approx(100 * (1 / 2 + 2 / 3) / 2)


def test_a_recall_of_exact_tenths_counts_as_reached() -> None:
    # Ten positives first: 3 of 10 must reach 0.3, which as a sum of tenths is a little more.
    positive = np.r_[np.ones(10, dtype=np.bool_), np.zeros(5, dtype=np.bool_)]
    assert AVERAGE_PRECISIONS["voc-11-point"](-np.arange(15.0), positive) == pytest.approx(100)
    spread = np.tile([True, False], 10)
    # The k-th positive has precision k / (2k - 1), falling: recall t is first reached by positive number 10 t.
    expected = 100 * (1 + sum(k / (2 * k - 1) for k in range(1, 11))) / 11
    assert AVERAGE_PRECISIONS["voc-11-point"](-np.arange(20.0), spread) == pytest.approx(expected)


def _devkit(scores: NDArray[np.float64], positive: NDArray[np.bool_]) -> tuple[float, float]:
    """``VOCevalcls.m`` of the VOC 2007 devkit and ``VOCap.m`` of the later ones, line by line."""
    order = np.argsort(-scores, kind="stable")
    tp, fp = np.cumsum(positive[order]), np.cumsum(~positive[order])
    rec, prec = tp / positive.sum(), tp / (fp + tp)
    eleven = 0.0
    for t in [k / 10 for k in range(11)]:
        p = prec[rec >= t]
        eleven += (p.max() if len(p) else 0.0) / 11
    mrec, mpre = [0.0, *rec, 1.0], [0.0, *prec, 0.0]
    for i in range(len(mpre) - 2, -1, -1):
        mpre[i] = max(mpre[i], mpre[i + 1])
    area = sum((mrec[i] - mrec[i - 1]) * mpre[i] for i in range(1, len(mrec)) if mrec[i] != mrec[i - 1])
    return 100 * eleven, 100 * area


@pytest.mark.parametrize("seed", range(5))
def test_vocs_rules_are_those_of_its_devkit(seed: int) -> None:
    random = np.random.default_rng(seed)
    positive = random.random(300) < 0.2
    scores = positive + random.normal(size=300)
    found = [AVERAGE_PRECISIONS[name](scores, positive) for name in ("voc-11-point", "voc-area")]
    assert found == pytest.approx(_devkit(scores, positive))
    assert found[1] >= AVERAGE_PRECISIONS["sklearn"](scores, positive)


def test_deeperclusters_ties_are_scikit_learns_with_positives_a_little_lower() -> None:
    random = np.random.default_rng(0)
    positive = random.random(300) < 0.2
    for scores in (random.normal(size=300), 1e-6 * random.normal(size=300), random.integers(0, 7, 300).astype(float)):
        expected = 100 * average_precision_score(positive, scores - 1e-5 * positive)
        found = AVERAGE_PRECISIONS["sklearn-ties-last"](scores, positive)
        assert found == pytest.approx(expected)
        assert found <= AVERAGE_PRECISIONS["sklearn"](scores, positive) + 1e-9
    # A negative that is as good as level with a positive goes before it.
    near, first = np.array([1.0, 1.0 - 1e-6]), np.array([True, False])
    assert AVERAGE_PRECISIONS["sklearn"](near, first) == 100
    assert AVERAGE_PRECISIONS["sklearn-ties-last"](near, first) == pytest.approx(50)


def test_one_score_for_all_gives_the_share_of_positives_by_every_rule() -> None:
    scores, positive = np.zeros(10), np.arange(10) < 2
    for name in AVERAGE_PRECISIONS:
        assert AVERAGE_PRECISIONS[name](scores, positive) == pytest.approx(20)


def test_average_precisions_can_be_of_another_rule() -> None:
    targets = np.stack([POSITIVE, ~POSITIVE], 1).astype(np.int8)
    found = average_precisions(np.stack([SCORES, SCORES], 1), targets, "voc-area")
    assert found[0] == pytest.approx(100 * (1 + 2 / 3 + 1 / 2) / 3)
