"""Linear classifiers reach the minima of scikit-learn and liblinear."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from scipy.special import log_softmax, logsumexp
from sklearn.linear_model import LogisticRegression, Ridge
from sklearn.svm import LinearSVC

from wordsight.evaluation.classifiers.linear import CLASSIFIERS, Examples, FitSpec, FittedClassifiers
from wordsight.evaluation.features.normalised import normalised
from wordsight.evaluation.solvers import Plan, Settings

PENALTIES = (1e-3, 1e-2, 1e-1, 1.0)
PLAN = Plan(settings=Settings(tolerance=1e-6))


def _problem(classes: int, n: int = 400, width: int = 30) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
    random = np.random.default_rng(0)
    targets = random.integers(0, classes, n)
    centres = random.normal(size=(classes, width))
    features = (5 + 3 * (centres[targets] + 2 * random.normal(size=(n, width)))).astype(np.float32)
    return normalised(features, features, "standardise")[0][:], targets


def fit(
    kind: str, features: Any, targets: Any, classes: int, penalties: Any = PENALTIES, positive: float = 1
) -> FittedClassifiers:
    return CLASSIFIERS[kind].fit(Examples(features, targets, classes), FitSpec(penalties, positive, PLAN))


def _weights(fitted: FittedClassifiers, place: int, width: int) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Weights and biases, read off the scores of the zero vector and of the unit vectors."""
    scores = fitted.scores(place, np.r_[np.zeros((1, width)), np.eye(width)].astype(np.float32))
    return scores[1:] - scores[0], scores[0]


def test_the_softmax_reaches_scikit_learns_minimum_to_one_in_ten_thousand() -> None:
    features, targets = _problem(5)
    n, width = features.shape
    fitted = fit("logistic", features, targets, 5)

    def objective(weights: NDArray[np.float64], bias: NDArray[np.float64], penalty: float) -> float:
        scores = features @ weights + bias
        loss = (logsumexp(scores, axis=1) - scores[np.arange(n), targets]).mean()
        return float(loss + penalty / 2 * (weights**2).sum())

    for place, penalty in enumerate(PENALTIES):
        best = LogisticRegression(C=1 / (penalty * n), tol=1e-9, max_iter=10_000).fit(features, targets)
        lowest = objective(best.coef_.T, best.intercept_, penalty)
        assert objective(*_weights(fitted, place, width), penalty) == pytest.approx(lowest, rel=1e-4)


def test_one_class_against_the_rest_ignores_its_own_ignored_labels() -> None:
    features, targets = _problem(2)
    labels = np.stack([targets, 1 - targets], axis=1).astype(np.int8)
    labels[300:, 0] = -1
    found = fit("logistic", features, labels, 2).scores(2, features)
    for k, rows in enumerate((slice(0, 300), slice(0, 400))):
        best = LogisticRegression(C=1 / (0.1 * len(labels[rows])), tol=1e-9, max_iter=10_000)
        best.fit(features[rows], labels[rows, k])
        np.testing.assert_allclose(found[:, k], best.decision_function(features), atol=2e-3)


@pytest.mark.parametrize("positive", [1.0, 2.0])
def test_the_svm_scores_as_liblinear(positive: float) -> None:
    features, targets = _problem(3)
    found = fit("svm", features, targets, 3, (0.01, 1.0), positive)
    for place, penalty in enumerate((0.01, 1.0)):
        best = LinearSVC(C=penalty, tol=1e-8, max_iter=100_000, dual=False, class_weight={1: positive, -1: 1})
        best.fit(features, np.where(targets == 1, 1, -1))
        np.testing.assert_allclose(found.scores(place, features)[:, 1], best.decision_function(features), atol=5e-3)


def test_ridge_scores_as_scikit_learns() -> None:
    features, targets = _problem(3)
    found = fit("ridge", features, targets, 3, (1.0, 100.0))
    best = Ridge(alpha=100.0).fit(features, np.where(targets[:, None] == np.arange(3), 1.0, -1.0))
    np.testing.assert_allclose(found.scores(1, features), best.predict(features), atol=1e-4)


def test_each_class_may_be_fitted_under_penalties_where_not_all_classes_are_learned() -> None:
    features, targets = _problem(2)
    assert (fit("logistic", features, targets, 3).scores(1, features)[:, 2] == -np.inf).all()
    labels = np.zeros((len(features), 2), dtype=np.int8)
    labels[:, 1] = targets
    for kind in CLASSIFIERS:
        found = fit(kind, features, labels, 2).scores(1, features)
        assert (found[:, 0] == -np.inf).all()
        assert np.isfinite(found[:, 1]).all()


@pytest.mark.parametrize("kind", CLASSIFIERS)
@pytest.mark.parametrize("several", [False, True])
def test_folds_solved_together_are_those_that_are_solved_alone(kind: str, several: bool) -> None:
    features, targets = _problem(4)
    labels: Any = (targets[:, None] >= np.arange(4)).astype(np.int8) if several else targets
    # The second fold learns nothing of class 3 where an image has one label.
    learned_FN = np.stack([np.arange(400) % 3 != 0, targets < 3])
    wanted = FitSpec((1e-2, 1.0), 2.0, PLAN, learned_FN[:, None])
    together = CLASSIFIERS[kind].fit(Examples(features, labels, 4), wanted)
    for fold, rows in enumerate(learned_FN):
        alone = CLASSIFIERS[kind].fit(Examples(features[rows], labels[rows], 4), FitSpec((1e-2, 1.0), 2.0, PLAN))
        for place in range(2):
            found, expected = together.scores(place, features, fold), alone.scores(place, features)
            assert (np.isneginf(found) == np.isneginf(expected)).all()
            if kind == "logistic" and not several:
                # What is added to all scores of a softmax changes nothing.
                found, expected = log_softmax(found, axis=1), log_softmax(expected, axis=1)
            np.testing.assert_allclose(found, expected, atol=1e-2)


def test_classes_may_have_folds_of_their_own() -> None:
    features, targets = _problem(3)
    labels = (targets[:, None] == np.arange(3)).astype(np.int8)
    learned_FKN = np.random.default_rng(0).random((2, 3, 400)) < 0.6
    found = CLASSIFIERS["svm"].fit(Examples(features, labels, 3), FitSpec((0.1,), 1.0, PLAN, learned_FKN))
    for fold in range(2):
        for k in range(3):
            rows = learned_FKN[fold, k]
            best = LinearSVC(C=0.1, tol=1e-8, max_iter=100_000, dual=False).fit(features[rows], labels[rows, k])
            np.testing.assert_allclose(
                found.scores(0, features, fold)[:, k], best.decision_function(features), atol=5e-3
            )


def test_fits_that_did_not_finish_are_counted() -> None:
    features, targets = _problem(5)
    examples = Examples(features, targets, 5)
    stopped = Plan(settings=Settings(tolerance=1e-12, max_steps=1))
    assert CLASSIFIERS["logistic"].fit(examples, FitSpec((1e-3, 1e-2), 1.0, stopped)).unfinished == 2
    assert fit("logistic", features, targets, 5).unfinished == 0


def test_constant_features_are_standardised_to_zero() -> None:
    features = np.random.default_rng(0).normal(size=(50, 3)).astype(np.float32)
    features[:, 1] = 7.3
    scaled = normalised(features, features, "standardise")[0][:]
    np.testing.assert_allclose(scaled.mean(0), 0, atol=1e-6)
    np.testing.assert_allclose(scaled.std(0), [1, 0, 1], atol=1e-5)


def test_lengths_are_one_and_zero_stays_zero() -> None:
    features = np.array([[3.0, 4.0], [0.0, 0.0]], dtype=np.float32)
    np.testing.assert_allclose(normalised(features, features, "l2")[0], np.array([[0.6, 0.8], [0, 0]]), rtol=1e-6)
    assert torch.equal(*(torch.from_numpy(each[:]) for each in normalised(features, features, "none")))
