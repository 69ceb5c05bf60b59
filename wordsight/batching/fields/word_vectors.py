"""The field ``word-vectors``: the names of concepts as vectors of the language model. It draws nothing of images."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from wordsight.batching.batch import Part
from wordsight.batching.fields.field import Field, FieldFacts, StepDraw
from wordsight.batching.fields.references import concept_sets, language_model
from wordsight.batching.needs import FieldNeed
from wordsight.batching.sources import RunSources, Sources
from wordsight.concepts.concept_set import ConceptSet
from wordsight.corpus.class_names import as_words, unreadable
from wordsight.errors import InputError, listed, unknown
from wordsight.language.model import LanguageModel
from wordsight.language.word_vectors import WordVectorKind, WordVectors

# Concepts whose names are words that a person would say.
_CALLED = ("postag", "words", "ngrams", "labels", "synsets")


@dataclass(frozen=True)
class NothingDrawn(Part):
    """What a batch holds of a field that draws nothing."""


@dataclass(frozen=True)
class WordVectorsNeed(FieldNeed):
    """What an objective asks of the names of concepts.

    Args:
        kind: How the language model makes a vector of a name.
        concept_set: Name of the concept set; "" for the only one.
    """

    kind: WordVectorKind = "contextual"
    concept_set: str = ""


@dataclass(frozen=True)
class WordVectorFacts(FieldFacts):
    """What an objective has to know of the names of concepts.

    Args:
        concept_set: Name of the concept set.
        names_KD: A unit vector for each name.
        words: What makes vectors of other words.
    """

    concept_set: str
    names_KD: Tensor
    words: WordVectors

    def noted(self) -> dict[str, Any]:
        """Whose names they are."""
        return {"concept_set": self.concept_set}

    def kept(self) -> dict[str, Tensor]:
        """The names' vectors: the concept set may be gone when the run is read."""
        return {"names": self.names_KD}


class WordVectorsField(Field[WordVectorsNeed, NothingDrawn]):
    """Vectors of the names of one concept set.

    Args:
        name: Name of the concept set.
        concepts: The set.
        language: The language model.
        kind: How it makes a vector of a name.
    """

    def __init__(self, name: str, concepts: ConceptSet, language: LanguageModel, kind: WordVectorKind) -> None:
        self._name, self._sets, self._language = name, concept_sets({name: concepts}), language_model(language)
        self._kind: WordVectorKind = kind

    @classmethod
    def open(cls, need: WordVectorsNeed, sources: Sources) -> WordVectorsField:
        """The names of the concept set that is asked for.

        Raises:
            InputError: When there are several sets and none is named, one alone in it, or its names are no words.
        """
        name = _chosen(need.concept_set, sources)
        found = sources.concepts[name]
        where = f"concepts: {name}"
        if found.kind not in _CALLED:
            raise InputError(
                f"concepts of the kind {found.kind!r} are not called by words", where=where, expected=listed(_CALLED)
            )
        if len(found) < 2:
            raise InputError(
                f"one concept alone, {found.names[0]!r}, has no others to be told from", where=where, expected="two"
            )
        if wrong := unreadable(found.names):
            raise InputError(
                f"{len(wrong)} concepts are called by numbers: {listed(wrong[:3])}", where=where, expected="words"
            )
        words = WordVectors(sources.language, need.kind)
        if len(words.unknown(_said(found))) == len(found):
            raise InputError(
                f"its tokenizer knows none of the {len(found):,} concepts' names, such as {found.names[0]!r}",
                where=f"language model {sources.language.name}",
                expected="a language model that reads the corpus's language",
            )
        return cls(name, found, sources.language, need.kind)

    @property
    def concepts(self) -> dict[str, ConceptSet]:
        """The concept set."""
        return dict(self._sets.value)

    @property
    def language(self) -> LanguageModel:
        """The language model."""
        return self._language.value

    def usable(self, examples: NDArray[np.int64]) -> NDArray[np.bool_]:
        """All examples: what of them is learned from, other fields say."""
        return np.ones(len(examples), dtype=bool)

    def draw(self, step: StepDraw) -> NothingDrawn:
        """Nothing."""
        return NothingDrawn()

    def facts(self) -> WordVectorFacts:
        """The names' vectors."""
        words = WordVectors(self.language, self._kind)
        return WordVectorFacts(self._name, words.of(_said(self._sets.value[self._name])), words)

    @classmethod
    def facts_of_run(cls, need: WordVectorsNeed, kept: RunSources) -> WordVectorFacts:
        """The same of a run.

        Raises:
            InputError: When the run names no language model.
        """
        if kept.language is None:
            raise InputError(
                "names no language model", where=kept.folder / "run.json", mend="copy the run again, whole"
            )
        words = WordVectors(kept.language, need.kind)
        return WordVectorFacts(str(kept.noted["concept_set"]), kept.tensors["names"], words)


def _chosen(name: str, sources: Sources) -> str:
    sets = list(sources.concepts)
    if not sets:
        raise InputError(
            f"the objective {sources.settings.objective!r} needs concepts",
            where="concepts",
            expected="{kind: postag, size: 1000}",
        )
    if name and name not in sets:
        raise unknown("concept set", name, sets, where="objective_settings: concept_set")
    if not name and len(sets) > 1:
        raise InputError(
            f"there are {len(sets)} concept sets: {listed(sets)}",
            where="objective_settings: concept_set",
            expected="the name of one",
        )
    return name or sets[0]


def _said(concepts: ConceptSet) -> list[str]:
    """What concepts are called, as one says it: of a synset (``dog.n.01``) its first word."""
    names = [name.split(".")[0] for name in concepts.names] if concepts.kind == "synsets" else concepts.names
    return [as_words(name) for name in names]
