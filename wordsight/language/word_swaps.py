"""Captions with two words exchanged: the same words, another picture ("a dog on a horse", "a horse on a dog").

As in ARO (Yuksekgonul et al. 2023, https://arxiv.org/abs/2210.01936) and SugarCrepe's swaps (Hsieh et al. 2023,
https://arxiv.org/abs/2306.14610). Two nouns, two adjectives or two verbs change places, told by the tagger; which ones
is drawn from a seed and the caption's words alone. What comes out need not be fluent, and may say the same ("a man and
a woman"): that is why such captions are read beside a language model, and beside chance.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import combinations

import numpy as np

from wordsight.language.tagger import TaggedWord, tag_words

# Parts of speech whose words are exchanged, each with its own.
PARTS = ("noun", "adjective", "verb")


@dataclass(frozen=True)
class Swap:
    """A caption with two of its words exchanged.

    Args:
        text: The caption.
        part: The part of speech of both words.
    """

    text: str
    part: str


def swapped(captions: Iterable[str], most: int, seed: int = 0) -> Iterator[list[Swap]]:
    """The captions with two words exchanged, several ways each.

    Args:
        captions: English captions.
        most: How many ways at most.
        seed: Which of more than that.

    Yields:
        For each caption what differs from it and from each other, in any case of letters; none where there is no such
        exchange.

    Raises:
        InputError: When the tagger is not installed.

    Examples:
        >>> [swap.text for swap in next(swapped(["A dog on a horse."], 3))]
        ['A horse on a dog.']
    """
    texts = list(captions)
    for text, words in zip(texts, tag_words(texts), strict=True):
        yield _some(list(_all(text, words)), text, most, seed)


def _all(text: str, words: Sequence[TaggedWord]) -> Iterator[Swap]:
    seen = {_read(text)}
    for part in PARTS:
        for one, other in combinations([word for word in words if word.part == part], 2):
            made = _exchanged(text, one, other)
            if _read(made) not in seen:
                seen.add(_read(made))
                yield Swap(made, part)


def _some(swaps: list[Swap], text: str, most: int, seed: int) -> list[Swap]:
    """So many of them at most, drawn by the text: the same whatever stands beside it in a corpus."""
    if len(swaps) <= most:
        return swaps
    digest = hashlib.sha256(f"{seed} {text}".encode()).digest()
    chosen = np.random.default_rng(int.from_bytes(digest[:8], "big")).permutation(len(swaps))[:most]
    return [swaps[place] for place in sorted(chosen.tolist())]


def _exchanged(text: str, first: TaggedWord, second: TaggedWord) -> str:
    before, between, after = text[: first.start], text[first.end : second.start], text[second.end :]
    return f"{before}{_as(second.text, first.text)}{between}{_as(first.text, second.text)}{after}"


def _as(word: str, place: str) -> str:
    """A word with the capital of the place that it comes to: a sentence begins with one."""
    if place[:1].isupper() and not place.isupper():
        return word[:1].upper() + word[1:]
    return word.lower() if word.istitle() and place.islower() else word


def _read(text: str) -> str:
    return " ".join(text.lower().split())
