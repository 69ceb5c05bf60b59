"""Two languages in one space of what images show: is the nearest word of the other language the translation?

Nothing tells a run which words translate each other: a word is near another only because the same images have both
(Joulin et al. 2016, Section 4.3, on English and French). Some words, such as articles and prepositions, are near all
others; nearness is measured against that (CSLS, Conneau et al. 2018).

https://arxiv.org/abs/1511.02251
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from wordsight.concepts.splitters import normal
from wordsight.errors import InputError
from wordsight.explain.words.word_space import Neighbour, WordSpace

RANKS = (1, 5)


@dataclass(frozen=True)
class TranslatedWord:
    """A word of the dictionary, what should be near it, and what is.

    Args:
        word: The word.
        wanted: Its translations in the dictionary that the run knows.
        nearest: The nearest words of the other language, the nearest first.
        rank: At which place the first of its translations comes, from 1.
    """

    word: str
    wanted: tuple[str, ...]
    nearest: list[Neighbour]
    rank: int


@dataclass(frozen=True)
class Translation:
    """How often the nearest words of the other language hold a translation, in percent.

    Args:
        source: Space of the words that are asked for.
        target: Space of the answers.
        words: The words that were asked for.
        pairs: Pairs of the dictionary.
        known: Pairs whose words the run knows both.
        candidates: How many words there are to choose among.
        precision: Share of the words with a translation among the k nearest, by k.
        chance: The same for k words drawn at random.
    """

    source: str
    target: str
    words: list[TranslatedWord]
    pairs: int
    known: int
    candidates: int
    precision: dict[int, float]
    chance: dict[int, float]


def translate(
    spaces: Sequence[WordSpace],
    dictionary: Sequence[tuple[str, str]],
    most: int = 5,
    where: str = "dictionary",
    *,
    csls: bool = True,
) -> list[Translation]:
    """Hold the nearest words across two languages against a dictionary, in both directions.

    The languages are those of the two spaces that know most of the dictionary's words. A single space whose words have
    no known language (one joint vocabulary) is parted by the dictionary's columns: only its words are candidates then.

    Args:
        spaces: The words of a run.
        dictionary: Pairs: a word of the one language, a word of the other. A first pair of names of the spaces, or of
            their languages, is a heading.
        most: How many nearest words are told of each word.
        where: The dictionary's name in errors.
        csls: Whether words that are near everything are the less near for it; otherwise cosines alone count.

    Raises:
        InputError: When the run knows words of one language alone or no pair, or the two languages have heads that
            can't be compared.
    """
    names = {name for space in spaces for name in (space.name, space.language)}
    dictionary = dictionary[1:] if set(dictionary[0]) <= names else dictionary
    source, target = _sides(spaces, dictionary)
    known = [pair for pair in dictionary if _knows(source, target, *pair)]
    if not known:
        first = sum(source.number(pair[0]) is not None for pair in dictionary)
        second = sum(target.number(pair[1]) is not None for pair in dictionary)
        raise InputError(
            f"the run knows {first} of its first words ({source.name}) and {second} of its second ({target.name}), "
            "and no pair of both",
            where=where,
            expected="words of two languages that the run has learned, the one before the other",
        )
    if not source.shares_space(target):
        raise InputError(
            f"the heads of {source.name} and {target.name} have hidden layers of their own, rows can't be compared",
            where=where,
            mend="train with tag_head: linear, or with the words of both languages in one concept set",
        )
    pairs = len(dictionary)
    return [
        _one_way(source, target, known, pairs, most, csls=csls),
        _one_way(target, source, [(second, first) for first, second in known], pairs, most, csls=csls),
    ]


def _knows(source: WordSpace, target: WordSpace, first: str, second: str) -> bool:
    """Whether both words are known, with rows of their own: "ball" in both columns of one vocabulary is one row."""
    if source.number(first) is None or target.number(second) is None:
        return False
    return source.head != target.head or normal(first) != normal(second)


def _sides(spaces: Sequence[WordSpace], dictionary: Sequence[tuple[str, str]]) -> tuple[WordSpace, WordSpace]:
    """The spaces of the dictionary's first and second words: those that know most of its pairs, then of its words."""

    def known(order: tuple[WordSpace, WordSpace]) -> tuple[int, int]:
        has = [[space.number(pair[k]) is not None for pair in dictionary] for k, space in enumerate(order)]
        return sum(map(all, zip(*has, strict=True))), sum(map(sum, has))

    orders = [(first, second) for first in spaces for second in spaces if first is not second]
    orders += [(_column(one, dictionary, 0), _column(one, dictionary, 1)) for one in spaces if not one.language]
    if not orders:
        raise InputError(
            f"the run knows words of one language alone: {spaces[0].name} ({spaces[0].language})",
            setting="dictionary",
            expected="a run that has learned the words of two languages",
        )
    return max(orders, key=known)


def _column(space: WordSpace, dictionary: Sequence[tuple[str, str]], column: int) -> WordSpace:
    apart = [pair for pair in dictionary if normal(pair[0]) != normal(pair[1])]
    numbers = sorted({number for pair in apart if (number := space.number(pair[column])) is not None})
    # Both columns are of one space: by its name alone nobody would know them apart.
    name = f"{space.name} ({('first', 'second')[column]} column)"
    return replace(space.some(np.array(numbers, dtype=np.int64)), name=name)


def _one_way(
    source: WordSpace, target: WordSpace, known: Sequence[tuple[str, str]], pairs: int, most: int, *, csls: bool
) -> Translation:
    wanted: dict[int, list[int]] = {}
    for pair in known:
        asked, answer = source.number(pair[0]), target.number(pair[1])
        assert asked is not None, "the pairs are known"
        assert answer is not None, "the pairs are known"
        if answer not in wanted.setdefault(asked, []):
            wanted[asked].append(answer)
    crowding_K = target.crowding(source) if csls else np.zeros(len(target.words), dtype=np.float32)
    words = [_translated(source, target, crowding_K, asked, answers, most) for asked, answers in wanted.items()]
    rank = np.array([word.rank for word in words])
    # Of one vocabulary, the word that is asked for is no candidate.
    itself = source.places_in(target, np.array(list(wanted), dtype=np.int64)) >= 0
    candidates = [len(target.words) - int(one) for one in itself]
    chances = {
        k: [_chance(count, len(answers), k) for count, answers in zip(candidates, wanted.values(), strict=True)]
        for k in RANKS
    }
    return Translation(
        source.language or source.name,
        target.language or target.name,
        words,
        pairs,
        len(known),
        len(target.words),
        {k: 100 * float((rank <= k).mean()) for k in RANKS},
        {k: 100 * float(np.mean(chance)) for k, chance in chances.items()},
    )


def _translated(
    source: WordSpace,
    target: WordSpace,
    crowding_K: NDArray[np.float32],
    asked: int,
    answers: list[int],
    most: int,
) -> TranslatedWord:
    # CSLS without the term of the word that is asked for, which is the same for all answers.
    near_K = 2 * target.cosines(source.unit_KD[asked : asked + 1])[0] - crowding_K
    itself = int(source.places_in(target, np.array([asked]))[0])
    if itself >= 0:
        near_K[itself] = -np.inf
    # Equal scores count against the run.
    rank = int((near_K >= near_K[answers].max()).sum())
    # Other translations that are as near or nearer are no mistakes; the best of them is the first by definition.
    rank -= int((near_K[answers] >= near_K[answers].max()).sum()) - 1
    return TranslatedWord(
        source.words[asked],
        tuple(target.words[k] for k in answers),
        source.nearest(asked, most, target, crowding_K),
        rank,
    )


def _chance(candidates: int, translations: int, drawn: int) -> float:
    """Chance that of some words, drawn at random without putting any back, one is a translation."""
    if drawn > candidates - translations:
        return 1.0
    return 1 - math.comb(candidates - translations, drawn) / math.comb(candidates, drawn)
