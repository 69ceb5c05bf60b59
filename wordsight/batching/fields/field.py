"""What a field of the batch is: opened for a run, drawn from in every step, and built again from the run's folder."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from enum import IntEnum
from pathlib import Path
from typing import Any, ClassVar, Generic, TypeVar

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from wordsight.batching.batch import Views
from wordsight.batching.needs import FieldNeed
from wordsight.batching.sampling import Drawn, Sampler, random_of
from wordsight.batching.sources import RunSources, Sources
from wordsight.concepts.concept_set import ConceptSet
from wordsight.corpus.store import Corpus
from wordsight.language.model import LanguageModel

N = TypeVar("N", bound=FieldNeed)
T = TypeVar("T")


@dataclass(frozen=True)
class FieldFacts:
    """What an objective has to know of a field to be built; each field has a dataclass of its own for it."""

    def noted(self) -> dict[str, Any]:
        """Values of it that a run keeps beside its weights, as JSON; nothing where the field finds all again."""
        return {}

    def kept(self) -> dict[str, Tensor]:
        """Tensors of it that a run keeps beside its weights, by name; nothing where the field finds all again."""
        return {}


class Mirroring(IntEnum):
    """How the views of an image may be mirrored; of what several fields of a batch say, the highest holds."""

    FREELY = 0
    """Each view by its own chance."""
    TOGETHER = 1
    """All views of the image as its first: what a field says of it follows that one."""
    NEVER = 2
    """No view of it: what a field says of it can't follow."""


@dataclass(frozen=True)
class StepDraw:
    """What is drawn in a step, before any field has looked at it.

    Args:
        step: Number of the step.
        seed: The run's seed.
        whole: The examples of the step, over all processes.
        mine: Those of this process.
        views: The views of these, with what each shows of its image and whether it is mirrored: what a field says of
            places in the image (boxes, left and right) has to follow them.
    """

    step: int
    seed: int
    whole: Drawn
    mine: Drawn
    views: tuple[Views, ...] = ()

    def each(self, stream: int) -> Iterator[tuple[int, np.random.Generator]]:
        """This process's examples, each with chance of its own: the same however many processes share the step.

        Args:
            stream: What is drawn; :func:`wordsight.batching.sampling.stream_of` the field's name.
        """
        for example, copy in zip(self.mine.examples_B, self.mine.copies_B, strict=True):
            yield int(example), random_of(self.seed, stream, self.step, int(example), int(copy))


class Field(ABC, Generic[N, T]):
    """Something that a batch holds of its images besides pixels, for objectives that need it.

    ``N`` is the dataclass of what an objective may ask of it, ``T`` the type of what it draws: a `Part`, or a mapping
    of parts. A field is pickled for loader processes and for processes that train together: what is large on disk has
    to be pickled by its path (`references.py`).
    """

    # What is wrong with a split none of whose examples can be used.
    none_usable: ClassVar[str] = "this split holds no example"

    @classmethod
    @abstractmethod
    def open(cls, need: N, sources: Sources) -> Field[N, T]:
        """The field of a run that is about to be trained; what it computes is kept with the corpus, not with the run.

        Args:
            need: What the objective asks.
            sources: The corpus, and what else is made of it.

        Raises:
            InputError: When the corpus or the settings do not give what the objective asks.
        """

    @abstractmethod
    def usable(self, examples: NDArray[np.int64]) -> NDArray[np.bool_]:
        """Which examples an objective can learn from.

        Args:
            examples: Their numbers in the corpus.
        """

    def mirroring(self, examples_B: NDArray[np.int64]) -> NDArray[np.int64]:
        """How the views of images may be mirrored (`Mirroring`), as the field says left and right of them, or does not.

        Args:
            examples_B: Their numbers in the corpus.
        """
        return np.full(len(examples_B), Mirroring.FREELY)

    @abstractmethod
    def draw(self, step: StepDraw) -> T:
        """What the batch holds of this process's images; a function of the seed, the step and the example alone."""

    @abstractmethod
    def facts(self) -> FieldFacts:
        """What an objective has to know to be built."""

    @classmethod
    @abstractmethod
    def facts_of_run(cls, need: N, kept: RunSources) -> FieldFacts:
        """The same facts from the folder of a run.

        Args:
            need: What the objective asks.
            kept: What the run folder keeps.
        """

    def prepare(self, sampler: Sampler) -> None:
        """Called once before the first draw, with what draws the images. Most fields have nothing to do."""

    def complete(self, part: T, device: torch.device) -> T:
        """What is computed on the training device when a part has arrived there, without gradients; mostly nothing.

        Args:
            part: What was drawn, on the device.
            device: The device.
        """
        return part

    @property
    def concepts(self) -> Mapping[str, ConceptSet]:
        """The concept sets that it reads, by name; the run keeps what finds them in other texts."""
        return {}

    @property
    def language(self) -> LanguageModel | None:
        """The language model that it reads."""
        return None

    def record(self) -> dict[str, Any]:
        """What ``run.json`` keeps of it, as JSON."""
        return {}

    @classmethod
    def summary(cls, record: Mapping[str, Any]) -> str:
        """Its part of the line on the objective among a run's first lines; nothing where it goes without saying.

        Args:
            record: What :meth:`record` gave.
        """
        return ""

    def keep(self, run: Path, corpus: Corpus) -> None:
        """Write what a run keeps of it in its folder, besides ``run.json``; most fields have nothing to write.

        Args:
            run: The run folder.
            corpus: The corpus that is trained on.
        """


def fields_language(fields: Mapping[str, Field[Any, Any]]) -> LanguageModel | None:
    """The language model that fields read; None where none does."""
    return next((found for field in fields.values() if (found := field.language) is not None), None)


def fields_concepts(fields: Mapping[str, Field[Any, Any]]) -> dict[str, ConceptSet]:
    """The concept sets that fields read, by name."""
    return {name: found for field in fields.values() for name, found in field.concepts.items()}
