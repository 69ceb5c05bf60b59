"""From features to places in the plane: t-SNE (van der Maaten and Hinton 2008) as openTSNE computes it."""

from __future__ import annotations

import importlib.util
from typing import Any

import numpy as np
from numpy.typing import NDArray

from wordsight.errors import InputError
from wordsight.progress import progress_bar

# t-SNE looks at distances, and those between fifty main directions are the same up to noise.
_DIRECTIONS = 50
# What openTSNE does: steps with attractions exaggerated, then steps without.
_EARLY, _STEPS = 250, 500
_TOLD_EVERY = 25


def check_installed() -> None:
    """Raise when openTSNE is not at hand, before features are computed for it."""
    if importlib.util.find_spec("openTSNE") is None:
        raise InputError(
            "openTSNE is not installed", where="wordsight explain map", mend='install it: pip install "wordsight[map]"'
        )


def embed(features_NC: NDArray[np.float32], perplexity: float, seed: int) -> NDArray[np.float64]:
    """Lay out features in the plane so that neighbours stay neighbours; the same on every call.

    Args:
        features_NC: A vector for each image, at least four. Their lengths do not count, only their directions.
        perplexity: How many neighbours each is held close to; a third of the others at most.
        seed: Of what is random in it.

    Returns:
        Places, ``[N, 2]``.
    """
    from openTSNE import TSNE
    from sklearn.decomposition import PCA

    count = len(features_NC)
    unit_NC = features_NC / np.maximum(np.linalg.norm(features_NC, axis=1, keepdims=True), 1e-12)
    directions = min(_DIRECTIONS, count, unit_NC.shape[1])
    main_ND = PCA(directions, svd_solver="full").fit_transform(unit_NC.astype(np.float64))
    with progress_bar() as bar:
        task = bar.add_task("t-SNE", total=_EARLY + _STEPS, note="")

        def told(*_: Any) -> None:
            bar.advance(task, _TOLD_EVERY)

        # Exact neighbours and one thread: the same map from the same features, bit for bit.
        tsne = TSNE(
            perplexity=min(perplexity, (count - 1) / 3),
            initialization="pca",
            neighbors="exact",
            negative_gradient_method="bh",
            early_exaggeration_iter=_EARLY,
            n_iter=_STEPS,
            random_state=seed,
            n_jobs=1,
            callbacks=told,
            callbacks_every_iters=_TOLD_EVERY,
        )
        return np.asarray(tsne.fit(main_ND), dtype=np.float64)
