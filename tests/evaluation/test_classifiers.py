from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy.special import logsumexp
from sklearn.linear_model import LogisticRegression
from sklearn.preprocessing import StandardScaler

from wordsight.evaluation.linear import LogisticFits, Standardiser, strongest_first
from wordsight.evaluation.logistic import LogisticSettings

PENALTIES = (1e-3, 1e-2, 1e-1, 1.0)


def _problem(classes: int, n: int = 400, width: int = 30) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
    random = np.random.default_rng(0)
    targets = random.integers(0, classes, n)
    centres = random.normal(size=(classes, width))
    features = centres[targets] + 2 * random.normal(size=(n, width))
    return (5 + 3 * features).astype(np.float32), targets


def _weights(fits: LogisticFits, penalty: float, width: int) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Weights and biases, read off the scores of the zero vector and of the unit vectors."""
    scores = fits.scores(penalty, np.r_[np.zeros((1, width)), np.eye(width)].astype(np.float32))
    return scores[1:] - scores[0], scores[0]


def test_the_objective_is_scikit_learns_minimum_to_one_in_ten_thousand() -> None:
    features, targets = _problem(5)
    scaled = StandardScaler().fit_transform(features.astype(np.float64))
    n, width = features.shape
    settings = LogisticSettings()
    fits = LogisticFits(Standardiser.of(features)(features), targets, 5, settings.max_iterations, settings.tolerance)

    def objective(weights: NDArray[np.float64], bias: NDArray[np.float64], penalty: float) -> float:
        scores = scaled @ weights + bias
        loss = (logsumexp(scores, axis=1) - scores[np.arange(n), targets]).mean()
        return float(loss + penalty / 2 * (weights**2).sum())

    for penalty in strongest_first(PENALTIES):
        best = LogisticRegression(C=1 / (penalty * n), tol=1e-9, max_iter=10_000).fit(scaled, targets)
        lowest = objective(best.coef_.T, best.intercept_, penalty)
        assert objective(*_weights(fits, penalty, width), penalty) == pytest.approx(lowest, rel=1e-4)


def test_fits_on_the_way_from_strong_to_weak_end_where_a_fresh_fit_ends() -> None:
    features, targets = _problem(4)
    scaled = Standardiser.of(features)(features)
    path = LogisticFits(scaled, targets, 4, 1000, 1e-6)
    for penalty in strongest_first(PENALTIES):
        fresh = LogisticFits(scaled, targets, 4, 1000, 1e-6)
        np.testing.assert_allclose(path.scores(penalty, scaled), fresh.scores(penalty, scaled), atol=2e-2)


def test_two_classes_are_scored_like_any_number() -> None:
    features, targets = _problem(2)
    scaled = Standardiser.of(features)(features)
    scores = LogisticFits(scaled, targets, 2, 1000, 1e-4).scores(0.1, scaled)
    assert scores.shape == (len(features), 2)
    assert (scores.argmax(1) == targets).mean() > 0.7


def test_ignored_labels_are_left_out_of_the_fit() -> None:
    features, targets = _problem(2)
    scaled = Standardiser.of(features)(features)
    labels = np.stack([targets, 1 - targets], axis=1).astype(np.int8)
    labels[300:, 0] = -1
    found = LogisticFits(scaled, labels, 2, 1000, 1e-6).scores(0.1, scaled)
    without = LogisticFits(scaled[:300], labels[:300], 2, 1000, 1e-6).scores(0.1, scaled)
    np.testing.assert_allclose(found[:, 0], without[:, 0], atol=1e-3)


def test_a_class_that_nothing_was_learned_about_scores_minus_infinity() -> None:
    features, targets = _problem(2)
    scaled = Standardiser.of(features)(features)
    assert (LogisticFits(scaled, targets, 3, 1000, 1e-4).scores(0.1, scaled)[:, 2] == -np.inf).all()
    labels = np.zeros((len(features), 2), dtype=np.int8)
    labels[:, 1] = targets
    found = LogisticFits(scaled, labels, 2, 1000, 1e-4).scores(0.1, scaled)
    assert (found[:, 0] == -np.inf).all()
    assert np.isfinite(found[:, 1]).all()


def test_fits_that_did_not_finish_are_counted() -> None:
    features, targets = _problem(5)
    fits = LogisticFits(Standardiser.of(features)(features), targets, 5, 2, 1e-6)
    fits.scores(1e-3, features)
    assert fits.unfinished == 1


def test_constant_features_are_standardised_to_zero() -> None:
    features = np.random.default_rng(0).normal(size=(50, 3)).astype(np.float32)
    features[:, 1] = 7.3
    scaled = Standardiser.of(features)(features)
    np.testing.assert_allclose(scaled.mean(0), 0, atol=1e-6)
    np.testing.assert_allclose(scaled.std(0), [1, 0, 1], atol=1e-5)
