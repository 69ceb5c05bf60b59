"""Rankings by a tag head's scores against values by hand and scikit-learn; no more than a block of them in memory."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import combinations
from typing import Any

import numpy as np
import pytest
import scipy.sparse
import torch
from sklearn.metrics import average_precision_score

from wordsight.evaluation.metrics.classification import average_precision_of, chance_average_precision
from wordsight.evaluation.predictions import tag_scores
from wordsight.evaluation.predictions.tag_probabilities import probability_agreement, total_variation_to
from wordsight.evaluation.predictions.tag_scores import (
    TagScores,
    precision_of_concepts,
    precision_recall_at_k,
    precision_recall_of_order,
    random_precision_recall,
)

RANKS = (1, 5, 10)


def _scores(logits_NK: Sequence[Sequence[float]] | np.ndarray[Any, Any]) -> TagScores:
    """Scores that are these numbers: the last layer passes on what it reads."""
    logits = torch.tensor(np.asarray(logits_NK), dtype=torch.float32)
    concepts = logits.shape[1]
    return TagScores(logits, torch.eye(concepts), torch.zeros(concepts))


def _truth(rows: Sequence[Sequence[float]] | np.ndarray[Any, Any]) -> scipy.sparse.csr_matrix:
    return scipy.sparse.csr_matrix(np.asarray(rows, dtype=np.float32))


def test_precision_and_recall_of_the_first_concepts_by_hand() -> None:
    scores = _scores([[3, 2, 1, 0, 0], [0, 1, 2, 3, 4]])
    truth = _truth([[1, 0, 1, 0, 0], [0, 0, 0, 0, 1]])
    found = precision_recall_at_k(scores, truth, RANKS)
    # Ten of five concepts can't be asked for.
    assert found.precision == {1: 100.0, 5: pytest.approx(30.0)}
    assert found.recall == {1: pytest.approx(75.0), 5: 100.0}


def test_an_order_that_knows_no_image_and_chance_by_hand() -> None:
    truth = _truth([[1, 0, 1, 0], [0, 0, 0, 1]])
    assert precision_recall_of_order(np.array([2, 0, 1, 3]), truth, (1, 2)).precision == {1: 50.0, 2: 50.0}
    assert precision_recall_of_order(np.array([2, 0, 1, 3]), truth, (1, 2)).recall == {1: 25.0, 2: 50.0}
    assert random_precision_recall(truth, (1, 2)).precision == {1: 37.5, 2: 37.5}
    assert random_precision_recall(truth, (1, 2)).recall == {1: 25.0, 2: 50.0}


def test_recall_of_probabilities_is_the_share_of_the_text_s_probability() -> None:
    found = precision_recall_at_k(_scores([[5, 4, 3], [3, 4, 5]]), _truth([[0.5, 0.25, 0.25], [0.1, 0.1, 0.6]]), (1, 2))
    assert found.recall[1] == pytest.approx(100 * (0.5 + 0.6 / 0.8) / 2)
    assert found.recall[2] == pytest.approx(100 * (0.75 + 0.7 / 0.8) / 2)


@pytest.mark.parametrize("ties", [False, True])
def test_average_precision_is_scikit_learn_s(ties: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    random = np.random.default_rng(0)
    logits = random.normal(size=(60, 23)).astype(np.float32)
    if ties:
        logits = np.round(logits)
    truth = (random.random((60, 23)) < np.linspace(0, 1, 23)).astype(np.float32)
    monkeypatch.setattr(tag_scores, "BLOCK", 60 * 4)
    found = precision_of_concepts(_scores(logits), _truth(truth)).value_K
    for k in range(23):
        if 0 < truth[:, k].mean() < 1:
            expected = 100 * average_precision_score(truth[:, k], logits[:, k])
            np.testing.assert_allclose(found[k], expected, rtol=1e-6)
    # No image has the first concept, and all have the last: every order of them is right.
    assert np.isnan(found[[0, -1]]).all()
    assert not np.isnan(found[1:-1]).any()


def test_average_precision_by_hand() -> None:
    # Ranked: positive, negative, positive, negative: (1 + 2/3) / 2.
    assert average_precision_of(np.array([1.0, 2, 3, 4]), np.array([2.0, 4])) == pytest.approx(100 * (1 + 2 / 3) / 2)
    assert np.isnan(average_precision_of(np.array([1.0]), np.array([])))


def test_chance_is_the_mean_over_all_orders() -> None:
    scores = np.arange(6.0)
    for positives in (1, 2, 5, 6):
        each = [average_precision_of(scores, np.array(chosen)) for chosen in combinations(scores, positives)]
        assert chance_average_precision(np.array([positives]), 6)[0] == pytest.approx(np.mean(each))
    # One positive of three comes first, second or third: (1 + 1/2 + 1/3) / 3.
    assert chance_average_precision(np.array([1]), 3)[0] == pytest.approx(100 * (1 + 1 / 2 + 1 / 3) / 3)


def test_no_more_than_a_block_of_scores_is_made_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tag_scores, "BLOCK", 50)
    random = np.random.default_rng(1)
    hidden, weight, bias = (torch.tensor(random.normal(size=s), dtype=torch.float32) for s in ((12, 3), (40, 3), (40,)))
    scores = TagScores(hidden, weight, bias)
    whole = hidden @ weight.T + bias
    by_images = list(scores.by_images())
    by_concepts = list(scores.by_concepts(np.arange(0, 40, 2)))
    assert max(block.numel() for _, block in [*by_images]) <= 50
    assert max(block.numel() for _, block in [*by_concepts]) <= 50
    torch.testing.assert_close(torch.cat([block for _, block in by_images]), whole)
    torch.testing.assert_close(torch.cat([block for _, block in by_concepts]), whole.T[::2])


@pytest.mark.parametrize("exclusive", [True, False])
def test_correlation_and_distance_of_probabilities_are_numpy_s(
    exclusive: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tag_scores, "BLOCK", 17)
    random = np.random.default_rng(2)
    logits, given = random.normal(size=(30, 4)), random.dirichlet(np.ones(4), 30)
    given[:, 3] = 0
    given /= given.sum(1, keepdims=True)
    raw = np.exp(logits) if exclusive else 1 / (1 + np.exp(-logits))
    predicted = raw / raw.sum(1, keepdims=True)
    found = probability_agreement(_scores(logits), _truth(given), exclusive=exclusive)
    for k in range(3):
        assert found.correlation.value_K[k] == pytest.approx(
            100 * np.corrcoef(predicted[:, k], given[:, k])[0, 1], rel=1e-4
        )
    assert np.isnan(found.correlation.value_K[3])
    assert found.distance == pytest.approx(50 * np.abs(predicted - given).sum(1).mean(), rel=1e-4)
    assert total_variation_to(np.array([2.0, 2, 0, 0]), _truth([[1, 0, 0, 0], [0.25, 0.25, 0.5, 0]])) == pytest.approx(
        50
    )


def values_in_draws(images: int, draws: int = 300) -> list[np.ndarray]:
    """The images of some draws with replacement."""
    random = np.random.default_rng(7)
    return [random.integers(0, images, images) for _ in range(draws)]


def test_parts_of_images_in_precision_are_its_slopes() -> None:
    random = np.random.default_rng(3)
    truth = (random.random((40, 3)) < 0.3).astype(np.float32)
    # With ties.
    logits = np.round(random.normal(size=(40, 3)) + truth, 1)
    found = precision_of_concepts(_scores(logits), _truth(truth))
    assert 100 * found.parts_N.mean() == pytest.approx(np.nanmean(found.value_K))
    # An image that comes in a hundred times more, among a hundred copies of all: a step of one in a hundred.
    for image in (0, 5, 17):
        rows = np.r_[np.repeat(np.arange(40), 100), image]
        moved = precision_of_concepts(_scores(logits[rows]), _truth(truth[rows])).value_K
        slope = (np.nanmean(moved) - np.nanmean(found.value_K)) / 0.01
        expected = (100 * found.parts_N[image] - np.nanmean(found.value_K)) / 40
        assert slope == pytest.approx(expected, abs=0.02)


def test_parts_of_images_vary_as_precision_does_over_draws() -> None:
    random = np.random.default_rng(4)
    truth = (random.random((400, 5)) < 0.2).astype(np.float32)
    logits = random.normal(size=(400, 5)) + truth
    found = precision_of_concepts(_scores(logits), _truth(truth))
    drawn = values_in_draws(400)
    exact = [np.nanmean(precision_of_concepts(_scores(logits[r]), _truth(truth[r])).value_K) for r in drawn]
    linear = [100 * found.parts_N[rows].mean() for rows in drawn]
    assert np.corrcoef(exact, linear)[0, 1] > 0.9
    assert np.std(linear) == pytest.approx(np.std(exact), rel=0.15)


def test_parts_of_images_vary_as_the_correlation_does_over_draws() -> None:
    random = np.random.default_rng(5)
    logits = random.normal(size=(300, 4))
    shares = np.exp(logits + random.normal(size=(300, 4)))
    found = probability_agreement(_scores(logits), _truth(shares), exclusive=True)
    assert 100 * found.correlation.parts_N.mean() == pytest.approx(np.mean(found.correlation.value_K))
    drawn = values_in_draws(300)
    exact = [
        probability_agreement(_scores(logits[r]), _truth(shares[r]), exclusive=True).correlation.value_K.mean()
        for r in drawn
    ]
    linear = [100 * found.correlation.parts_N[rows].mean() for rows in drawn]
    assert np.corrcoef(exact, linear)[0, 1] > 0.95
    assert np.std(linear) == pytest.approx(np.std(exact), rel=0.1)
