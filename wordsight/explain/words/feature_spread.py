"""Which directions of the features count when two words are compared: those along which photos differ.

A score is the product of a word's row and a photo's features. Along a direction in which no two photos differ, a row
adds the same to its word's score of every photo, as the bias does, and says nothing of what is seen; the cosine of
plain rows counts it as much as any other. With the features' covariance C between the rows, that is with rows times
C^(1/2), the cosine is the correlation of both words' scores over photos (each less the photo's mean score over all
words, where the mean row was taken away): then the few directions in which photos differ most decide alone. Rows times
C^(1/4), half-way, keep both; ``benchmarks/bilingual.py`` measures what that is worth.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
import torch
from numpy.typing import NDArray

from wordsight.corpus.encoded_images import CorpusImages, ImageSubset
from wordsight.errors import InputError, setting
from wordsight.evaluation.features.feature_checks import check_features
from wordsight.evaluation.predictions.tag_scores import hidden_features
from wordsight.heads.tag_head import TagHead
from wordsight.objectives.objective import Objective
from wordsight.objectives.tag_heads import TagHeads

if TYPE_CHECKING:
    from wordsight.training.run import Run

# Photos that are looked at where nothing else is asked for.
IMAGES = 1000
# With fewer, those that happen to be looked at decide which words are near.
ENOUGH = 100
_POWER = 0.25
_WITHOUT = f"give {setting('images', 0)} to compare the words without using photos"


def photos(run: Run, images: int = IMAGES) -> ImageSubset:
    """Some of the photos that a run learned from, evenly over all.

    Args:
        run: The run.
        images: How many; all where it learned from fewer.

    Raises:
        InputError: When the run's corpus is gone.
    """
    try:
        corpus = run.corpus()
    except InputError as error:
        raise error.but(mend=[*error.ways, _WITHOUT]) from error
    examples = corpus.indices(run.info.split)
    some = np.linspace(0, len(examples) - 1, min(images, len(examples))).astype(np.int64)
    return ImageSubset(CorpusImages(corpus), examples[some])


def feature_spread(
    run: Run,
    objective: Objective,
    heads: TagHeads,
    images: int = IMAGES,
    device: torch.device | None = None,
    names: Sequence[str] | None = None,
) -> dict[str, NDArray[np.float32]]:
    """The fourth root of the covariance of what each head's last layer reads.

    Args:
        run: Whose photos are looked at.
        objective: The run's objective.
        heads: Its heads.
        images: How many photos.
        device: Where to compute; the CPU by default.
        names: Concept sets whose heads are wanted; all by default.

    Returns:
        ``[D, D]`` for each of the heads, by the name of its concept set.

    Raises:
        InputError: When the run's corpus is gone, or what a head reads is the same for all photos or no finite number.
    """
    some = photos(run, images)
    read = hidden_features(objective, heads, some, run.settings.image_size, device or torch.device("cpu"))
    roots: dict[str, NDArray[np.float32]] = {}
    of_features = None
    for name in read if names is None else names:
        head = heads.heads[name]
        assert isinstance(head, TagHead)
        # Heads without hidden layers read the same.
        root = of_features if head.reads_features else None
        if root is None:
            root = _root_of(read[name].cpu().numpy(), f"{run.name}, {name}")
        of_features = root if head.reads_features else of_features
        roots[name] = root
    return roots


def _root_of(features_ND: NDArray[np.float32], what: str) -> NDArray[np.float32]:
    try:
        check_features(features_ND, what)
    except InputError as error:
        raise error.but(mend=[*error.ways, _WITHOUT]) from error
    return fourth_root(np.cov(features_ND, rowvar=False))


def fourth_root(covariance_DD: NDArray[np.float64]) -> NDArray[np.float32]:
    """The symmetric matrix whose fourth power is a covariance.

    Args:
        covariance_DD: The covariance.
    """
    values_D, vectors_DD = np.linalg.eigh(np.atleast_2d(covariance_DD))
    # A covariance has no negative eigenvalue but by rounding.
    return np.asarray((vectors_DD * np.maximum(values_D, 0) ** _POWER) @ vectors_DD.T, dtype=np.float32)
