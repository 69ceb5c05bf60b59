"""k-means (Eq. 1), Lloyd's algorithm from K random vectors: by faiss where it is installed, else by scikit-learn."""

from __future__ import annotations

from collections.abc import Iterable
from importlib.util import find_spec
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from wordsight.progress import progress_bar, track

# Distances held in memory at a time: 16 MB.
_DISTANCES = 1 << 22


def library() -> Literal["faiss", "scikit-learn"]:
    """What would compute the centroids here."""
    return "faiss" if find_spec("faiss") is not None else "scikit-learn"


def kmeans(vectors_ND: NDArray[np.float32], size: int, iterations: int, seed: int) -> NDArray[np.float32]:
    """The centroids of K clusters, ``[K, D]``.

    Args:
        vectors_ND: What is clustered, at least K.
        size: K.
        iterations: Of Lloyd's algorithm, at most. A cluster that becomes empty is given half of a large one (faiss) or
            the farthest vector (scikit-learn).
        seed: Of the first centroids.
    """
    if library() == "faiss":
        return _faiss(vectors_ND, size, iterations, seed)
    from sklearn.cluster import KMeans

    with progress_bar() as bar:
        bar.add_task(f"k-means, {iterations} iterations", total=None, note="")
        fitted = KMeans(size, init="random", n_init=1, max_iter=iterations, random_state=seed).fit(vectors_ND)
    return np.asarray(fitted.cluster_centers_, np.float32)


def nearest(blocks: Iterable[NDArray[np.float32]], centroids_KD: NDArray[np.float32]) -> NDArray[np.int32]:
    """The nearest centroid of each vector, ``[N]``, by Euclidean distance.

    Args:
        blocks: The vectors, some at a time, ``[n, D]`` each.
        centroids_KD: The centroids.
    """
    squared_K, at_a_time = (centroids_KD**2).sum(1), max(1, _DISTANCES // len(centroids_KD))
    found = [np.empty(0, np.int32)]
    for block_nD in blocks:
        for first in range(0, len(block_nD), at_a_time):
            distance_nK = block_nD[first : first + at_a_time] @ centroids_KD.T
            # Without the vector's own square, which is the same for all centroids.
            distance_nK *= -2
            distance_nK += squared_K
            found.append(distance_nK.argmin(1).astype(np.int32))
    return np.concatenate(found)


def _faiss(vectors_ND: NDArray[np.float32], size: int, iterations: int, seed: int) -> NDArray[np.float32]:
    import faiss

    # One iteration at a time, so that there is something to show and Ctrl-C is heard.
    machine = faiss.Kmeans(
        vectors_ND.shape[1],
        size,
        niter=1,
        seed=seed,
        min_points_per_centroid=1,
        max_points_per_centroid=len(vectors_ND),
    )
    before = np.inf
    for _ in track(range(iterations), "k-means"):
        error = machine.train(vectors_ND, init_centroids=machine.centroids)
        if error >= before:
            break
        before = error
    return np.asarray(machine.centroids, np.float32)
