"""The concept sets that a run's settings name: opened from a folder, or built to order."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields
from pathlib import Path
from typing import Any

from wordsight.concepts import CONCEPT_SETS, ConceptSet
from wordsight.concepts.cached import concept_set_for
from wordsight.corpus import Corpus
from wordsight.errors import InputError, setting, unknown


def named_concepts(given: str | Mapping[str, Any], corpus: Corpus, split: str) -> dict[str, ConceptSet]:
    """The concept sets that a run's settings name, each under its name: opened from a folder, or built to order.

    Args:
        given: As the setting ``concepts`` has it: a folder, a kind with its settings, or several such by name.
        corpus: The corpus.
        split: The split that is trained on.

    Raises:
        InputError: When there is no such set, or it can't be built.
    """
    if isinstance(given, str):
        found = _opened(given, corpus)
        return {found.kind: found}
    if "kind" in given:
        return {str(given["kind"]): _built(given, corpus, split, "concepts")}
    return {name: _one_of_several(name, wanted, corpus, split) for name, wanted in given.items()}


def _one_of_several(name: str, wanted: object, corpus: Corpus, split: str) -> ConceptSet:
    if not name or "." in name:
        # Its head is called so, and torch parts the names of modules at dots.
        raise InputError(f"a concept set is called {name!r}", setting="concepts", expected="a name without a dot")
    if isinstance(wanted, str):
        return _opened(wanted, corpus)
    if isinstance(wanted, Mapping) and "kind" in wanted:
        return _built(wanted, corpus, split, f"concepts.{name}")
    raise InputError(
        f"found {name}: {wanted!r}",
        setting="concepts",
        expected="{kind: postag, size: 1000}, a folder, or several such by name: {nouns: {kind: ...}, topics: {...}}",
    )


def _opened(folder: str, corpus: Corpus) -> ConceptSet:
    if folder in CONCEPT_SETS and not Path(folder).exists():
        raise InputError(
            f"{folder} is a kind of concept set, and no folder of that name is here",
            setting="concepts",
            expected="the folder of a concept set",
            mend=f"to build one for this run: {setting('concepts.kind', folder)}",
        )
    found = ConceptSet.open(folder)
    found.check_corpus(corpus)
    return found


def _built(wanted: Mapping[str, Any], corpus: Corpus, split: str, above: str) -> ConceptSet:
    values = dict(wanted)
    kind = str(values.pop("kind"))
    try:
        return concept_set_for(corpus, kind, values, split)
    except InputError as error:
        if kind not in CONCEPT_SETS:
            raise unknown("concept set", kind, CONCEPT_SETS, setting=f"{above}.kind") from error
        raise error.within(above, {field.name for field in fields(CONCEPT_SETS[kind].settings)}) from error
