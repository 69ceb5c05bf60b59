"""What retrieval is read beside: projections of image features and text vectors into one space.

CCA, PLS and kernel CCA as in the tables of Patel et al. (2019), each learned from pairs of the training split. Features
and vectors are first standardised and reduced to their first principal components: CCA of as many variables as pairs
finds correlations in anything. CCA is solved in closed form, PLS by scikit-learn; kernel CCA is CCA of a Nystroem
approximation of the radial basis function's features.

https://arxiv.org/abs/1902.00378
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch.nn import functional

from wordsight.evaluation.image_text.similarity import DotProduct, StoredEmbeddings
from wordsight.objectives.canonical_variates import Moments, Side, canonical
from wordsight.progress import track

Array = NDArray[np.float64]


@dataclass(frozen=True)
class Projections:
    """How image features and text vectors are brought into one space.

    Args:
        principal: Principal components that are kept of either side first.
        dimensions: Dimensions of the common space.
        landmarks: Pairs that stand for all in the kernel's approximation.
    """

    principal: int
    dimensions: int
    landmarks: int


@dataclass(frozen=True)
class TrainingPairs:
    """Images and texts that belong together.

    Args:
        features_PC: Features of the image of each pair.
        vectors_PZ: Vector of its text.
    """

    features_PC: NDArray[np.float32]
    vectors_PZ: NDArray[np.float32]


def projected(
    pairs: TrainingPairs,
    features_NC: NDArray[np.float32],
    vectors_TZ: NDArray[np.float32],
    known_T: NDArray[np.bool_],
    settings: Projections,
) -> Iterator[tuple[str, DotProduct]]:
    """Learn each projection from pairs, and project what is asked about.

    Args:
        pairs: What is learned from.
        features_NC: Features of N images.
        vectors_TZ: Vectors of T texts.
        known_T: Which texts have a vector; the others score below all.
        settings: Sizes.

    Yields:
        Its name, and images and texts in the common space, where they score by their cosine.
    """
    learn = {"CCA": _cca, "PLS": _pls, "kernel CCA": _kernel_cca}
    image_side, text_side = (_Reduced.of(each, settings.principal) for each in (pairs.features_PC, pairs.vectors_PZ))
    reduced = image_side(pairs.features_PC), text_side(pairs.vectors_PZ)
    asked = image_side(features_NC), text_side(vectors_TZ)
    offset_T = torch.from_numpy(np.where(known_T, 0.0, -1e30).astype(np.float32))
    for name, fit in track(learn.items(), "projections", total=len(learn)):
        images, texts = fit(reduced, asked, settings)
        sides = [functional.normalize(torch.from_numpy(one.astype(np.float32)), dim=1) for one in (images, texts)]
        yield name, DotProduct(StoredEmbeddings(sides[0]), StoredEmbeddings(sides[1]), offset_T)


@dataclass(frozen=True)
class _Reduced:
    """Standardised, then the first principal components, of unit variance on average."""

    transform: Callable[[NDArray[np.float32]], Array]

    @classmethod
    def of(cls, learned: NDArray[np.float32], components: int) -> _Reduced:
        from sklearn.decomposition import PCA
        from sklearn.pipeline import make_pipeline
        from sklearn.preprocessing import StandardScaler

        most = min(components, *learned.shape)
        line = make_pipeline(StandardScaler(), PCA(most, svd_solver="randomized", random_state=0))
        first = line.fit_transform(learned.astype(np.float64))
        # Directions in which nothing varies would be divided by zero further on.
        varied = first.std(0) > 1e-6 * max(float(first.std(0).max()), 1e-12)
        scale = 1 / max(float(np.sqrt((first[:, varied] ** 2).mean())), 1e-12)
        return cls(lambda some: np.asarray(scale * line.transform(some.astype(np.float64))[:, varied]))

    def __call__(self, some: NDArray[np.float32]) -> Array:
        return self.transform(some)


Both = tuple[Array, Array]


def _cca(learned: Both, asked: Both, settings: Projections) -> Both:
    first, second = map(torch.from_numpy, learned)
    moments = Moments(first.shape[1], second.shape[1])
    moments.add(first, second)
    found = canonical(moments, _dimensions(learned, settings))
    return _along(found.first, asked[0]), _along(found.second, asked[1])


def _along(side: Side, some: Array) -> Array:
    """Projections on directions of one length, as scikit-learn's: one in which features vary more counts more."""
    directions = functional.normalize(side.weight_CZ, dim=0)
    return np.asarray(Side(side.mean_C, directions)(torch.from_numpy(some)).numpy())


def _pls(learned: Both, asked: Both, settings: Projections) -> Both:
    from sklearn.cross_decomposition import PLSCanonical
    from sklearn.exceptions import ConvergenceWarning

    # Scaled components would all have one variance, and PLS, which goes by variance too, would be CCA.
    model = PLSCanonical(n_components=_dimensions(learned, settings), scale=False, max_iter=200, tol=1e-5)
    with warnings.catch_warnings():
        # The last of some dozen directions are found slowly or not at all: they weigh little.
        warnings.simplefilter("ignore", ConvergenceWarning)
        warnings.simplefilter("ignore", UserWarning)
        model.fit(*learned)
    images = model.transform(asked[0])
    # scikit-learn projects the second side only beside as many rows of the first.
    texts = model.transform(np.zeros((len(asked[1]), asked[0].shape[1])), asked[1])[1]
    return np.asarray(images), np.asarray(texts)


def _kernel_cca(learned: Both, asked: Both, settings: Projections) -> Both:
    from sklearn.kernel_approximation import Nystroem

    sides = []
    for pairs, some in zip(learned, asked, strict=True):
        # With the features' mean square at one this is the usual width: one over the number of dimensions.
        kernel = Nystroem(gamma=1 / pairs.shape[1], n_components=min(settings.landmarks, len(pairs)), random_state=0)
        sides.append((kernel.fit_transform(pairs), kernel.transform(some)))
    (images, asked_images), (texts, asked_texts) = sides
    return _cca((images, texts), (asked_images, asked_texts), settings)


def _dimensions(learned: Both, settings: Projections) -> int:
    (pairs, first), (_, second) = (one.shape for one in learned)
    most: int = min(settings.dimensions, pairs, first, second)
    return most
