"""What fields read from disk, as it goes to other processes: by where it lies, not by its bytes."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from typing import Generic, TypeVar

from wordsight.concepts.concept_set import ConceptSet
from wordsight.errors import InputError
from wordsight.language.model import LanguageModel, load_language_model

V = TypeVar("V")


class Reference(Generic[V]):
    """A value that another process opens again, when it first asks for it.

    Args:
        value: The value.
        again: Opens it again; has to be picklable. None where it lies nowhere: it is then pickled by value.
    """

    def __init__(self, value: V, again: Callable[[], V] | None) -> None:
        self._value: V | None = value
        self._again = again

    def __getstate__(self) -> tuple[V | None, Callable[[], V] | None]:
        return (None if self._again else self._value), self._again

    def __setstate__(self, state: tuple[V | None, Callable[[], V] | None]) -> None:
        self._value, self._again = state

    @property
    def value(self) -> V:
        """The value.

        Raises:
            InputError: When something else lies in its place by now.
        """
        if self._value is None:
            assert self._again is not None, "a value is pickled, or how to open it again"
            self._value = self._again()
        return self._value


def concept_sets(sets: Mapping[str, ConceptSet]) -> Reference[Mapping[str, ConceptSet]]:
    """Concept sets by name; those that were never saved go by value.

    Args:
        sets: The sets.
    """
    places = {name: (found.path, found.fingerprint) for name, found in sets.items() if found.path is not None}
    again = partial(_open_sets, places) if len(places) == len(sets) else None
    return Reference(dict(sets), again)


def language_model(model: LanguageModel) -> Reference[LanguageModel]:
    """A language model, which is opened again by its name.

    Args:
        model: The model.
    """
    return Reference(model, partial(_open_model, model.name, model.fingerprint))


def _open_sets(places: Mapping[str, tuple[Path, str]]) -> Mapping[str, ConceptSet]:
    sets = {name: ConceptSet.open(path) for name, (path, _) in places.items()}
    for name, (path, fingerprint) in places.items():
        _check(str(path), sets[name].fingerprint, fingerprint)
    return sets


def _open_model(name: str, fingerprint: str) -> LanguageModel:
    model = load_language_model(name)
    _check(name, model.fingerprint, fingerprint)
    return model


def _check(where: str, found: str, expected: str) -> None:
    if found != expected:
        raise InputError(
            f"holds {found} by now", where=where, expected=expected, mend="put back what training began with"
        )
