"""What fields are made from, each made when a field first asks for it: concept sets, the language model."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any, Literal, Protocol

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from wordsight.concepts.concept_set import ConceptSet
from wordsight.concepts.named import named_concepts
from wordsight.corpus.store import Corpus
from wordsight.language.model import LanguageModel, load_language_model


class SourceSettings(Protocol):
    """The values of a run that say what its fields are made from."""

    @property
    def objective(self) -> str:
        """Name of the objective, for messages."""

    @property
    def concepts(self) -> dict[str, Any] | str:
        """Concept sets, as a recipe names them."""

    @property
    def language(self) -> str:
        """The language model."""

    @property
    def masks_per_image(self) -> int:
        """Masked words an image, where the objective does not say it itself."""

    @property
    def feature_cache_gb(self) -> float:
        """Most gigabytes of token features on disk."""


class Sources:
    """What the fields of a run are made from.

    Args:
        corpus: The images and their texts.
        split: The split that is trained on.
        settings: The run's settings.
    """

    def __init__(self, corpus: Corpus, split: str, settings: SourceSettings) -> None:
        self.corpus, self.split, self.settings = corpus, split, settings

    @property
    def indices(self) -> NDArray[np.int64]:
        """The split's examples."""
        return self.corpus.indices(self.split)

    @cached_property
    def concepts(self) -> dict[str, ConceptSet]:
        """The concept sets that the settings name, opened or built."""
        return named_concepts(self.settings.concepts, self.corpus, self.split)

    @cached_property
    def language(self) -> LanguageModel:
        """The language model that the settings name."""
        return load_language_model(self.settings.language)


@dataclass(frozen=True)
class ConceptFacts:
    """What an objective has to know of a concept set.

    Args:
        count: Number K of concepts.
        target: Whether its values are ``labels`` (1, or the label's weight) or ``probabilities``.
    """

    count: int
    target: Literal["labels", "probabilities"] = "labels"


@dataclass(frozen=True)
class RunSources:
    """What a run folder keeps of the sources and of one field, to build its objective again.

    Args:
        folder: The run folder.
        concepts: The concept sets that it learned from, by name.
        language: The language model, where one was read.
        record: What the field's `record` gave; {} for a run of a version that kept none.
        noted: What the field's facts noted beside the weights, as JSON; {} for such a run.
        tensors: What the field's facts keep beside the weights, by name.
    """

    folder: Path
    concepts: Mapping[str, ConceptFacts]
    language: LanguageModel | None
    record: Mapping[str, Any] = field(default_factory=dict)
    noted: Mapping[str, Any] = field(default_factory=dict)
    tensors: Mapping[str, Tensor] = field(default_factory=dict)
