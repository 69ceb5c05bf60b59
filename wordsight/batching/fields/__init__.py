"""Fields of a batch: one file, one kind of thing that a batch holds of its images. `FIELDS` lists them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from wordsight.batching.fields.field import Field, FieldFacts, StepDraw, fields_concepts, fields_language
from wordsight.batching.fields.labelled_texts import LabelledTextsField
from wordsight.batching.fields.masked import MaskedField
from wordsight.batching.fields.sentences import SentencesField
from wordsight.batching.fields.tags import TagsField
from wordsight.batching.fields.texts import TextsField
from wordsight.batching.fields.word_vectors import WordVectorsField
from wordsight.batching.needs import Needs
from wordsight.batching.sources import RunSources, Sources

__all__ = [
    "FIELDS",
    "Field",
    "FieldFacts",
    "StepDraw",
    "facts_of_run",
    "fields_concepts",
    "fields_language",
    "open_fields",
]

# The first that an objective needs says which images can't be used where none can.
FIELDS: dict[str, type[Field[Any, Any]]] = {
    "tags": TagsField,
    "masked": MaskedField,
    "texts": TextsField,
    "labelled-texts": LabelledTextsField,
    "word-vectors": WordVectorsField,
    "sentences": SentencesField,
}


def open_fields(needs: Needs, sources: Sources) -> dict[str, Field[Any, Any]]:
    """The fields that an objective needs, opened for a run.

    Args:
        needs: What the objective needs.
        sources: What fields are made from.

    Raises:
        InputError: When the corpus or the settings do not give what is needed.
    """
    return {name: FIELDS[name].open(needs.fields[name], sources) for name in FIELDS if name in needs.fields}


def facts_of_run(needs: Needs, kept: Callable[[str], RunSources]) -> Mapping[str, FieldFacts]:
    """What an objective has to know of its fields, from the folder of a run.

    Args:
        needs: What the objective needs.
        kept: What the run folder keeps, by a field's name.
    """
    return {name: FIELDS[name].facts_of_run(needs.fields[name], kept(name)) for name in FIELDS if name in needs.fields}
