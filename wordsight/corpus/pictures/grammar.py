"""A small grammar of captions: what stands in a scene, how often, in which colour, and where it stands to the rest.

Every caption names everything that is drawn, each thing once and in the singular ("a dog twice and a cat"): a word that
stood twice in a caption could be read off the text alone. But for the names and their colours there are hardly any
nouns and adjectives, so that the words worth masking are those that only the picture can tell; and the sentences are
such that a tagger takes the names for nouns.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from random import Random

from wordsight.corpus.pictures.scenes import PlacedDrawing

LEFT, RIGHT, ABOVE, BELOW = "left of", "right of", "above", "below"
RELATIONS = (LEFT, RIGHT, ABOVE, BELOW)

_ALONE = (
    "here is {}", "there is {}", "this is {}", "it is {}", "here we have {}",
    "nothing but {}", "{} alone", "{} by itself", "{} and nothing else",
)  # fmt: skip
_TOGETHER = ("{}", "{}", "here are {}", "there are {}", "here we have {}", "{} and nothing else")
_JOINS = (" and ", " and ", " and also ", " together with ", " as well as ")
_COUNTS = {2: "two", 3: "three"}
_RELATED_SHARE = 0.6
_COLOUR_SHARE = 0.3


@dataclass(frozen=True, slots=True)
class Thing:
    """One kind of object in a scene.

    Args:
        name: The word for it.
        colour: The colour a caption may give it.
        centres: The middle of each copy's box (across, down), in pixels.
    """

    name: str
    colour: str | None
    centres: tuple[tuple[float, float], ...]


def things(objects: Sequence[PlacedDrawing]) -> list[Thing]:
    """What stands in a scene, copies of one drawing together, in the order they were drawn."""
    kinds: dict[str, list[PlacedDrawing]] = {}
    for placed in objects:
        kinds.setdefault(placed.drawing.name, []).append(placed)
    return [
        Thing(name, copies[0].drawing.colour, tuple(copy.centre for copy in copies)) for name, copies in kinds.items()
    ]


def holds(relation: str, first: Thing, second: Thing, margin: float) -> bool:
    """Whether every copy of the first thing stands in the relation to every copy of the second.

    Args:
        relation: One of ``RELATIONS``.
        first: The thing that stands there.
        second: The thing it is compared with.
        margin: How far apart the centres must be in that direction, in pixels; in the other one they must be no further
            apart than that, so that a caption says what is most plainly seen.
    """
    for x, y in first.centres:
        for other_x, other_y in second.centres:
            right, down = x - other_x, y - other_y
            along, aside = (right, down) if relation in (LEFT, RIGHT) else (down, right)
            if relation in (LEFT, ABOVE):
                along = -along
            if along < margin or along < abs(aside):
                return False
    return True


def captions(random: Random, shown: Sequence[Thing], number: int, margin: float) -> tuple[str, ...]:
    """Different captions of one scene, each naming all that is in it and nothing else.

    Args:
        random: Where every choice comes from.
        shown: What stands in the scene.
        number: How many captions.
        margin: How far apart centres must be for a relation, in pixels.
    """
    made: dict[str, None] = {}
    while len(made) < number:
        order = list(shown)
        random.shuffle(order)
        made[_caption(random, order, margin)] = None
    return tuple(made)


def _caption(random: Random, order: list[Thing], margin: float) -> str:
    if len(order) == 1:
        return _alone(random, order[0])
    related = _related(random, order, margin) if random.random() < _RELATED_SHARE else None
    return related or _listed(random, order)


def _alone(random: Random, thing: Thing) -> str:
    copies = len(thing.centres)
    if copies == 1:
        return random.choice(_ALONE).format(_phrase(random, thing))
    counted = f"{_phrase(random, thing, counted=False)}, {_COUNTS[copies]} of them"
    return random.choice(("here is {}", "there is {}", "{}")).format(counted)


def _listed(random: Random, order: list[Thing]) -> str:
    texts = [_phrase(random, thing) for thing in order]
    joined = ", ".join(texts[:-1]) + random.choice(_JOINS) + texts[-1]
    if random.random() < 0.2 and all(len(thing.centres) == 1 for thing in order):
        return f"here are {_COUNTS[len(order)]}: {joined}"
    return random.choice(_TOGETHER).format(joined)


def _related(random: Random, order: list[Thing], margin: float) -> str | None:
    """One relation between the first and the others, or the others and the last; None where none holds."""
    splits = [(order[:1], order[1:]), (order[:-1], order[-1:])]
    for relation in random.sample(RELATIONS, len(RELATIONS)):
        for subjects, others in splits:
            if all(holds(relation, subject, other, margin) for subject in subjects for other in others):
                return _relation(random, relation, subjects, others)
    return None


def _relation(random: Random, relation: str, subjects: list[Thing], others: list[Thing]) -> str:
    who = " and ".join(_phrase(random, thing) for thing in subjects)
    where = f"{relation} {' and '.join(_phrase(random, thing) for thing in others)}"
    # "a key left of a dog" is often tagged as if the dog had been left: that relation always comes first.
    if relation in (ABOVE, BELOW) and random.random() < 0.5:
        return f"{who} {where}"
    return f"{where} {'is' if len(subjects) == 1 else 'are'} {who}"


def _phrase(random: Random, thing: Thing, counted: bool = True) -> str:
    coloured = thing.colour is not None and random.random() < _COLOUR_SHARE
    words = f"{thing.colour} {thing.name}" if coloured else thing.name
    copies = len(thing.centres)
    article = random.choice(("a", "a", "the" if not coloured else "a", "one" if copies == 1 else "a"))
    if article == "a" and words[0] in "aeiou":
        article = "an"
    # Three copies fill a scene, and are counted in another way: in company a thing stands twice at most.
    times = " twice" if counted and copies > 1 else ""
    return f"{article} {words}{times}"
