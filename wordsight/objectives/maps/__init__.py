"""Where in an image an objective finds a word: one file, one kind of map. `MAPS` is the list of them."""

from __future__ import annotations

from collections.abc import Iterable

from wordsight.errors import NoAnswerError, unknown
from wordsight.objectives.maps.cell_similarity import CellSimilarityMaps
from wordsight.objectives.maps.class_activation import ClassActivationMaps
from wordsight.objectives.maps.cross_attention import CrossAttentionMaps
from wordsight.objectives.maps.hidden_words import HiddenWordMaps
from wordsight.objectives.maps.word_map import (
    AskedWord,
    MapSources,
    PredictedWord,
    Span,
    WordMap,
    WordMaps,
    lettered_words,
)
from wordsight.objectives.objective import Objective, parts_of

__all__ = [
    "MAPS",
    "AskedWord",
    "MapSources",
    "PredictedWord",
    "Span",
    "WordMap",
    "WordMaps",
    "lettered_words",
    "map_name",
    "map_names",
    "no_map",
    "word_maps",
]

# Of a sum with several the first in this order is taken where none is named.
MAPS: dict[str, type[WordMaps]] = {
    "hidden-words": HiddenWordMaps,
    "cross-attention": CrossAttentionMaps,
    "similarity": CellSimilarityMaps,
    "class-activation": ClassActivationMaps,
}


def map_names(kinds: Iterable[type[Objective]]) -> list[str]:
    """Names of the maps that an objective has, before it is built.

    Args:
        kinds: Its class and those of its parts.

    Examples:
        >>> from wordsight.objectives import objective_kinds
        >>> map_names(objective_kinds("icmlm-attfc", {})), map_names(objective_kinds("rotation", {"copies": 1}))
        (['hidden-words', 'class-activation'], [])
    """
    found = list(kinds)
    return [name for name, maps in MAPS.items() if any(issubclass(kind, maps.kind) for kind in found)]


def map_name(maps: WordMaps) -> str:
    """The name of a kind of map.

    Args:
        maps: The maps.
    """
    return next(name for name, kind in MAPS.items() if type(maps) is kind)


def no_map(where: object, objective: str = "") -> NoAnswerError:
    """The error for an objective that knows no words.

    Args:
        where: What it is the objective of.
        objective: Its name; "" where it has none.
    """
    return NoAnswerError(
        f"its objective {objective!r} knows no words that could be found in a picture"
        if objective
        else "it has no objective that knows words",
        where=str(where),
        expected=f"a run of an objective that {', '.join(dict.fromkeys(maps.does for maps in MAPS.values()))}",
    )


def word_maps(objective: Objective, sources: MapSources, name: str = "") -> WordMaps | None:
    """The maps of an objective, or of the first part of a sum that has some; None where none has.

    Args:
        objective: The objective.
        sources: What else they are made with.
        name: The kind of map; "" for the first of `MAPS` that there is.

    Raises:
        InputError: When there is no map of that name.
        NoAnswerError: When the objective has none of that kind.
    """
    if name and name not in MAPS:
        raise unknown("map", name, MAPS)
    for maps in [MAPS[name]] if name else MAPS.values():
        for part in parts_of(objective, maps.kind):
            return maps(part, sources)
    if name:
        has = map_names(type(part) for part in parts_of(objective, Objective))
        raise NoAnswerError(
            f"the objective has no map {name!r}", where="map", expected=" or ".join(has) or "another run"
        )
    return None
