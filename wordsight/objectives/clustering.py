"""Clusters of features: whitened, normalised, k-means (DeepCluster, Caron et al. 2018, Section 3.3).

https://arxiv.org/abs/1807.05520
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from wordsight.concepts.kmeans import kmeans, library, nearest

# Directions with less variance than this share of the largest hold rounding alone; whitening would magnify it.
_LEAST_VARIANCE = 1e-6
_PASSES = 20


def cluster(features_nC: NDArray[np.float32], count: int, components: int, seed: int) -> NDArray[np.int64]:
    """Assign each image to one of ``count`` clusters of its features.

    Args:
        features_nC: Features of n images.
        count: How many clusters; at most n.
        components: How many principal components are looked at.
        seed: Where chance comes from; the same features and seed give the same clusters.

    Returns:
        The cluster of each image, int64 ``[n]``.
    """
    points = whitened(features_nC, components)
    if library() == "scikit-learn":
        from threadpoolctl import threadpool_limits

        # With several threads it adds up sums in the order in which threads happen to end: never twice the same bits.
        with threadpool_limits(1):
            centroids = kmeans(points, count, _PASSES, seed)
    else:
        centroids = kmeans(points, count, _PASSES, seed)
    return nearest([points], centroids).astype(np.int64)


def whitened(features_nC: NDArray[np.float32], components: int) -> NDArray[np.float32]:
    """Principal components of features, each of unit variance, and every row of unit length.

    Args:
        features_nC: Features of n images.
        components: How many at most; those that hold no variance are left out.
    """
    centred = features_nC.astype(np.float64) - features_nC.mean(0, dtype=np.float64)
    variances, directions = np.linalg.eigh(centred.T @ centred / len(centred))
    variances, directions = variances[::-1][:components], directions[:, ::-1][:, :components]
    # A network that shows the same for all images has no direction; all are one point then.
    kept = variances > max(_LEAST_VARIANCE * variances[0], np.finfo(np.float64).tiny)
    points = centred @ (directions[:, kept] / np.sqrt(variances[kept]))
    lengths = np.linalg.norm(points, axis=1, keepdims=True)
    scaled = (points / np.maximum(lengths, 1e-12)).astype(np.float32)
    return scaled if scaled.shape[1] else np.zeros((len(scaled), 1), np.float32)
