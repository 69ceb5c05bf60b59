"""The field ``tags``: which concepts each image has, of one concept set or several."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from typing import Any, Self

import numpy as np
import scipy.sparse
import torch
from numpy.typing import NDArray
from torch import Tensor

from wordsight.batching.batch import Part
from wordsight.batching.fields.field import Field, FieldFacts, Mirroring, StepDraw
from wordsight.batching.fields.references import Reference, concept_sets
from wordsight.batching.needs import FieldNeed
from wordsight.batching.sampling import TAG, CandidateSampler, Sampler
from wordsight.batching.sources import ConceptFacts, RunSources, Sources
from wordsight.concepts.concept_set import ConceptSet
from wordsight.errors import InputError
from wordsight.language.left_right import says_left_or_right
from wordsight.settings import from_mapping


@dataclass(frozen=True)
class Tags(Part):
    """Which concepts of one set hold for which image of the batch, as P pairs.

    Args:
        image_P: Row of the image in the batch.
        concept_P: Number of the concept.
        value_P: 1 for labels, or their weights; the probability for topics.
        drawn_B: One of each image's concepts, drawn for this step; -1 for an image that has none.
        candidates_C: The concepts that the step's loss looks at, ascending, where these are not all: those of the
            images of the whole step, over all processes, and some more.
        log_chance_C: Logarithm of the chance that a step has the candidate for an image that does not hold it.
        mean_count: Of a piece of a batch, how many images with tags a piece has on average; None for a whole one.
    """

    image_P: Tensor
    concept_P: Tensor
    value_P: Tensor
    drawn_B: Tensor
    candidates_C: Tensor | None = None
    log_chance_C: Tensor | None = None
    mean_count: Tensor | None = None

    def split(self, parts: int) -> list[Self]:
        """The pairs of the first images, of the next ones, and so on; the candidates are those of the step."""
        size = len(self.drawn_B) // parts
        values_B = torch.zeros(len(self.drawn_B), device=self.value_P.device).index_add(0, self.image_P, self.value_P)
        pieces = []
        for part, drawn_B in enumerate(self.drawn_B.split(size)):
            mine_P = self.image_P // size == part
            pairs = (values_P[mine_P] for values_P in (self.image_P - part * size, self.concept_P, self.value_P))
            image_P, concept_P, value_P = pairs
            mean_count = (values_B > 0).sum() / parts
            pieces.append(
                replace(
                    self,
                    image_P=image_P,
                    concept_P=concept_P,
                    value_P=value_P,
                    drawn_B=drawn_B,
                    mean_count=mean_count,
                )
            )
        return pieces


@dataclass(frozen=True)
class TagsNeed(FieldNeed):
    """What an objective asks of tags.

    Args:
        negatives: For losses that look at a step's candidates alone, how many concepts are drawn besides those of its
            images; None for losses over all concepts.
        negatives_of: The same for some of several concept sets, by name.
    """

    negatives: int | None = None
    negatives_of: Mapping[str, int | None] = field(default_factory=dict)

    def of(self, name: str) -> int | None:
        """What is asked of a concept set, by its name."""
        return self.negatives_of.get(name, self.negatives)

    def joined(self, other: Self) -> Self:
        """The larger number of candidates: a loss over all concepts reads none of them."""
        names = {*self.negatives_of, *other.negatives_of}
        both = {name: _most(self.of(name), other.of(name)) for name in sorted(names)}
        return replace(self, negatives=_most(self.negatives, other.negatives), negatives_of=both)


@dataclass(frozen=True)
class TagFacts(FieldFacts):
    """What an objective has to know of tags.

    Args:
        concepts: The concept sets, by name.
    """

    concepts: Mapping[str, ConceptFacts]

    def noted(self) -> dict[str, Any]:
        """The sets, in the order of their heads."""
        return {"concepts": {name: asdict(found) for name, found in self.concepts.items()}}


class TagsField(Field[TagsNeed, Mapping[str, Tags]]):
    """The concepts of each image, by the name of the concept set; an image is usable that has one of any set.

    Args:
        sets: The concept sets, by name.
        need: What the objective asks.
    """

    none_usable = "no example of this split holds a concept"

    def __init__(self, sets: Mapping[str, ConceptSet], need: TagsNeed | None = None) -> None:
        self._sets, self._need = concept_sets(sets), need or TagsNeed()
        self._matrices = {name: scipy.sparse.csr_matrix(found.matrix) for name, found in sets.items()}
        self._sided = {name: _sided(found) for name, found in sets.items()}
        self._sampler: Sampler | None = None
        self._candidates: dict[str, CandidateSampler] = {}

    @classmethod
    def open(cls, need: TagsNeed, sources: Sources) -> TagsField:
        """The concept sets that the run's settings name.

        Raises:
            InputError: When they name none, or one that can't be built.
        """
        if not sources.concepts:
            raise InputError(
                f"the objective {sources.settings.objective!r} needs concepts",
                where="concepts",
                expected="{kind: postag, size: 1000}",
            )
        return cls(sources.concepts, need)

    def __getstate__(self) -> tuple[Reference[Mapping[str, ConceptSet]], TagsNeed, Sampler | None]:
        # Matrices are mapped from disk; by value they would be copied through a pipe for every process.
        return self._sets, self._need, self._sampler

    def __setstate__(self, state: tuple[Reference[Mapping[str, ConceptSet]], TagsNeed, Sampler | None]) -> None:
        sets, need, sampler = state
        self.__init__(sets.value, need)  # type: ignore[misc]
        if sampler is not None:
            self.prepare(sampler)

    @property
    def concepts(self) -> Mapping[str, ConceptSet]:
        """The concept sets."""
        return self._sets.value

    def usable(self, examples: NDArray[np.int64]) -> NDArray[np.bool_]:
        """Which examples have a concept of any set."""
        held = [np.diff(matrix.indptr)[examples] > 0 for matrix in self._matrices.values()]
        return np.any(held, axis=0) if held else np.zeros(len(examples), dtype=bool)

    def facts(self) -> TagFacts:
        """Sizes and targets of the sets."""
        return TagFacts({name: ConceptFacts(len(found), found.target) for name, found in self.concepts.items()})

    @classmethod
    def facts_of_run(cls, need: TagsNeed, kept: RunSources) -> TagFacts:
        """Sizes and targets of the sets that the run learned from."""
        noted = kept.noted.get("concepts")
        if noted is None:
            return TagFacts(kept.concepts)
        return TagFacts(
            {name: from_mapping(ConceptFacts, found, "objective.safetensors") for name, found in noted.items()}
        )

    def prepare(self, sampler: Sampler) -> None:
        """How likely a concept is a candidate follows from how images are drawn."""
        self._sampler = sampler
        self._candidates = {
            name: CandidateSampler(matrix, sampler, negatives, number)
            for number, (name, matrix) in enumerate(self._matrices.items())
            if (negatives := self._need.of(name)) is not None
        }

    def mirroring(self, examples_B: NDArray[np.int64]) -> NDArray[np.int64]:
        """No view of an image that has a concept such as ``left``: it may have no other that is right of its mirror."""
        never_B = np.zeros(len(examples_B), bool)
        for name, sided_K in self._sided.items():
            if sided_K.any():
                rows = self._matrices[name][examples_B]
                never_B[np.repeat(np.arange(len(examples_B)), np.diff(rows.indptr))[sided_K[rows.indices]]] = True
        return np.where(never_B, Mirroring.NEVER, Mirroring.FREELY)

    def draw(self, step: StepDraw) -> Mapping[str, Tags]:
        """The concepts of this process's images, and the step's candidates where losses look at these alone."""
        # One number an image, so that what is drawn does not depend on who shares the batch.
        places = np.array([random.random() for _, random in step.each(TAG)])
        tags = {name: tags_of(matrix[step.mine.examples_B], places) for name, matrix in self._matrices.items()}
        if step.mine.concepts_B is not None:
            first = next(iter(tags))
            tags[first] = replace(tags[first], drawn_B=torch.from_numpy(step.mine.concepts_B))
        for name, candidates in self._candidates.items():
            numbers, log_chances = candidates.draw(step.step, step.whole.examples_B)
            tags[name] = replace(
                tags[name], candidates_C=torch.from_numpy(numbers), log_chance_C=torch.from_numpy(log_chances)
            )
        return tags


def _sided(concepts: ConceptSet) -> NDArray[np.bool_]:
    """Which concepts say left or right; topics, which all images have more or less of, say neither."""
    if concepts.target != "labels":
        return np.zeros(len(concepts), bool)
    return np.array([says_left_or_right(name) for name in concepts.names], bool)


def _most(one: int | None, other: int | None) -> int | None:
    return max((number for number in (one, other) if number is not None), default=None)


def tags_of(rows: scipy.sparse.csr_matrix, places_B: NDArray[np.float64]) -> Tags:
    """The concepts of a batch's images as pairs, and one drawn evenly for each image.

    Args:
        rows: Rows of the concept set's matrix, [B, K].
        places_B: A number in [0, 1) for each image, which of its concepts to draw.
    """
    counts_B = np.diff(rows.indptr)
    drawn_B = np.full(len(counts_B), -1, dtype=np.int64)
    some = counts_B > 0
    drawn_B[some] = rows.indices[(rows.indptr[:-1] + (places_B * counts_B).astype(np.int64))[some]]
    return Tags(
        torch.from_numpy(np.repeat(np.arange(len(counts_B)), counts_B)),
        torch.from_numpy(rows.indices.astype(np.int64)),
        torch.from_numpy(rows.data.astype(np.float32)),
        torch.from_numpy(drawn_B),
    )
