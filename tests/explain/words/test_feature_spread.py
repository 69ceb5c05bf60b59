"""Directions in which photos differ count; those in which none do say nothing of what a word means."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import scipy.linalg
import torch

from wordsight.evaluation.predictions.tag_scores import hidden_features
from wordsight.explain.words.feature_spread import feature_spread, fourth_root
from wordsight.objectives import tag_heads_of
from wordsight.training.run import Run


def test_the_fourth_root_is_scipy_s() -> None:
    features_ND = np.random.default_rng(0).normal(size=(50, 6)) * [1, 2, 3, 0.1, 5, 1]
    covariance = np.cov(features_ND, rowvar=False)
    expected = scipy.linalg.fractional_matrix_power(covariance, 0.25)
    np.testing.assert_allclose(fourth_root(covariance), expected, rtol=1e-4, atol=1e-5)


def test_a_direction_without_spread_has_no_weight() -> None:
    root = fourth_root(np.diag([16.0, 0.0, 1.0]))
    np.testing.assert_allclose(root, np.diag([2.0, 0.0, 1.0]), atol=1e-6)
    left, right = np.array([1.0, 9.0, 0.0]) @ root, np.array([1.0, -9.0, 0.0]) @ root
    np.testing.assert_allclose(left, right, atol=1e-5)


def test_it_is_of_what_the_last_layer_reads(make_run: Callable[..., Run]) -> None:
    run = make_run("icmlm-attfc")
    objective = run.objective()
    heads = tag_heads_of(objective)
    assert heads is not None
    (root,) = feature_spread(run, objective, heads, 4).values()
    corpus = run.corpus()
    rows = corpus.indices(run.info.split)
    some = [corpus.image_bytes(int(rows[k])) for k in np.linspace(0, len(rows) - 1, 4).astype(int)]
    (hidden_ND,) = hidden_features(objective, heads, some, run.settings.image_size, torch.device("cpu")).values()
    spread = np.linalg.matrix_power(root.astype(np.float64), 4)
    np.testing.assert_allclose(spread, np.cov(hidden_ND.numpy(), rowvar=False), atol=1e-5)
