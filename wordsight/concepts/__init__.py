"""Concept sets, the paper's O: one file, one way to get one. A new way is a file and a line in ``CONCEPT_SETS``."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from wordsight.concepts.concept_set import ConceptSet, Occurrences
from wordsight.concepts.postag import PostagSettings, build_postag


@dataclass(frozen=True)
class ConceptKind:
    """A way to make a concept set.

    Args:
        settings: The dataclass of its settings, all with defaults.
        build: ``build(corpus, settings, split)`` makes the set.
    """

    settings: type[Any]
    build: Callable[..., ConceptSet]


CONCEPT_SETS: dict[str, ConceptKind] = {
    "postag": ConceptKind(PostagSettings, build_postag),
}

__all__ = ["CONCEPT_SETS", "ConceptKind", "ConceptSet", "Occurrences"]
