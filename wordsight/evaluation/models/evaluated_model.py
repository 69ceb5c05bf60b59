"""The model under evaluation: a backbone, its randomly initialised copy, and what else of a run protocols read."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from wordsight.concepts.concept_set import ConceptSet
from wordsight.corpus.known_images import KnownImages
from wordsight.language.model import LanguageModel
from wordsight.objectives.objective import Objective
from wordsight.vision.backbones import Backbone
from wordsight.vision.preprocessing import Framing


@dataclass(frozen=True)
class LearnedConcepts:
    """A concept set that a tag head learned from.

    Args:
        concepts: The concept set.
        train_K: How many training examples have each concept, or the sum of its probabilities over them; None where the
            corpus that it was trained on is not available.
    """

    concepts: ConceptSet
    train_K: NDArray[np.float64] | None = None


@dataclass(frozen=True)
class EvaluatedModel:
    """The model under evaluation: a trained backbone and what belongs to it.

    Args:
        name: What a person calls it: the run's name.
        backbone: The trained backbone.
        random_backbone: Makes the same network with random weights, always the same ones.
        image_size: Side of the views, in pixels.
        results_folder: Where results are written.
        objective: The trained objective, for protocols that evaluate its heads.
        language: The language model that the objective reads.
        concepts: The concept sets that its tag heads learned from, by name.
        log_means: Gives the logarithm of the mean probability that each concept has over its training images, ``[K]``
            by the name of the set; nothing where that is not known. It may compute it from these images.
        device: Where to compute.
        trained_on: Fingerprint of the corpus it was trained on, "" where unknown.
        trained_split: The split of that corpus.
        pretrained: The images that it was trained on; None where they are not known.
        settings: Hash of the settings that its heads were built with, which their weights don't tell; "" where unknown,
            and then protocols of the heads are measured at every call.
    """

    name: str
    backbone: Backbone
    random_backbone: Callable[[], Backbone]
    image_size: int
    results_folder: Path
    objective: Objective | None = None
    language: LanguageModel | None = None
    concepts: Mapping[str, LearnedConcepts] = field(default_factory=dict)
    log_means: Callable[[], Mapping[str, NDArray[np.float64]]] = dict
    device: torch.device = field(default_factory=lambda: torch.device("cpu"))
    trained_on: str = ""
    trained_split: str = ""
    pretrained: KnownImages | None = None
    settings: str = ""

    @property
    def framing(self) -> Framing:
        """How an image that is not square becomes one."""
        return self.backbone.preprocessing.framing
