"""Which directions of the features count when two words are compared: those along which photos differ.

A score is the product of a word's row and a photo's features. Along a direction in which no two photos differ, rows say
nothing of what is seen, and training leaves there what it was started with; the cosine of plain rows counts it as much
as any other. With the features' covariance C between the rows, that is with rows times C^(1/2), the cosine is the
correlation of both words' scores over photos: then the few directions in which photos differ most decide alone. Rows
times C^(1/4), half-way, keep both; ``benchmarks/bilingual.py`` measures what that is worth.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import torch
from numpy.typing import NDArray

from wordsight.errors import InputError
from wordsight.evaluation.guards import check_features
from wordsight.evaluation.tag_scores import hidden_features
from wordsight.evaluation.tasks.corpus import CorpusImages
from wordsight.evaluation.tasks.task import Chosen
from wordsight.objectives.objective import Objective
from wordsight.objectives.tags import TagHeads

if TYPE_CHECKING:
    from wordsight.training.run import Run

# Photos that are looked at where nothing else is asked for.
IMAGES = 1000
_POWER = 0.25


def feature_spread(
    run: Run, objective: Objective, heads: TagHeads, images: int = IMAGES, device: torch.device | None = None
) -> dict[str, NDArray[np.float32]]:
    """The fourth root of the covariance of what each head's last layer reads.

    Args:
        run: Whose photos are looked at, evenly over those that it learned from.
        objective: The run's objective.
        heads: Its heads.
        images: How many photos.
        device: Where to compute; the CPU by default.

    Returns:
        ``[D, D]`` for every head, by the name of its concept set.

    Raises:
        InputError: When the run's corpus is gone, or what a head reads is the same for all photos or no finite number.
    """
    try:
        corpus = run.corpus()
    except InputError as error:
        mend = "give --images 0 to compare the words without a look at photos"
        raise InputError(error.what, where=error.where, expected=error.expected, mend=mend) from error
    examples = corpus.indices(run.info.split)
    some = examples[np.linspace(0, len(examples) - 1, min(images, len(examples))).astype(np.int64)]
    read = hidden_features(
        objective,
        heads,
        Chosen(CorpusImages(corpus), some),
        run.settings.image_size,
        device or torch.device("cpu"),
    )
    roots = {}
    for name, hidden_ND in read.items():
        features_ND = hidden_ND.cpu().numpy()
        check_features(features_ND, f"{run.name}, {name}")
        roots[name] = fourth_root(np.cov(features_ND, rowvar=False))
    return roots


def fourth_root(covariance_DD: NDArray[np.float64]) -> NDArray[np.float32]:
    """The symmetric matrix whose fourth power is a covariance.

    Args:
        covariance_DD: The covariance.
    """
    values_D, vectors_DD = np.linalg.eigh(np.atleast_2d(covariance_DD))
    # A covariance has no negative eigenvalue but by rounding.
    return np.asarray((vectors_DD * np.maximum(values_D, 0) ** _POWER) @ vectors_DD.T, dtype=np.float32)
