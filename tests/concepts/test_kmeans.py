"""k-means: planted clusters are found by either library, and the nearest centroid is the nearest."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.spatial.distance import cdist

from wordsight.concepts import kmeans as module
from wordsight.concepts.kmeans import kmeans, library, nearest

LIBRARIES = ["scikit-learn", pytest.param("faiss", marks=pytest.mark.skipif(library() != "faiss", reason="no faiss"))]


@pytest.fixture(params=LIBRARIES)
def with_library(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    """Each library that is installed, in turn."""
    monkeypatch.setattr(module, "library", lambda: request.param)
    return str(request.param)


def test_planted_clusters_are_found(with_library: str) -> None:
    noise = np.random.default_rng(0)
    centres = noise.normal(size=(8, 16)) * 10
    points = (np.repeat(centres, 50, axis=0) + noise.normal(size=(400, 16)) * 0.1).astype(np.float32)
    found = min(
        (kmeans(points, 8, 20, seed) for seed in range(5)),
        key=lambda centroids: cdist(points, centroids).min(1).sum(),
    )
    assert found.dtype == np.float32
    assert (np.bincount(nearest([points], found), minlength=8) > 0).sum() >= 7
    inertia = cdist(points, found, "sqeuclidean").min(1).sum()
    assert inertia <= cdist(points, kmeans(points, 4, 20, 0), "sqeuclidean").min(1).sum() / 2


def test_the_same_seed_gives_the_same_centroids(with_library: str) -> None:
    points = np.random.default_rng(0).normal(size=(300, 8)).astype(np.float32)
    np.testing.assert_allclose(kmeans(points, 10, 5, 3), kmeans(points, 10, 5, 3), rtol=1e-5)
    assert not np.allclose(kmeans(points, 10, 5, 3), kmeans(points, 10, 5, 4))


def test_the_nearest_centroid_is_scipy_s(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_DISTANCES", 63)
    noise = np.random.default_rng(0)
    points, centroids = (noise.normal(size=(n, 12)).astype(np.float32) for n in (50, 9))
    found = nearest([points[:20], points[20:20], points[20:]], centroids)
    np.testing.assert_array_equal(found, cdist(points, centroids).argmin(1))
    assert nearest([], centroids).shape == (0,)
