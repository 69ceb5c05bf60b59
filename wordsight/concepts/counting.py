"""The most frequent words of a text of any length, counted in memory that does not grow with it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from itertools import islice

import numpy as np

from wordsight.concepts.matrix_writer import Caption
from wordsight.concepts.splitters import SplitterName
from wordsight.corpus.store import Corpus
from wordsight.errors import InputError, setting
from wordsight.ranges import AtLeastOne, Count, check_ranges

# Captions between two looks at how much is being counted.
_CHUNK = 2048


@dataclass
class BoundedCounter:
    """Counts of at most ``capacity`` things; exact as long as there are no more different ones.

    When there are more, the least frequent are forgotten, until half of the capacity is free. A thing that comes again
    then starts at zero, and so what it lacks is at most the sum over all such times of the highest count that was
    forgotten (lossy counting; Manku and Motwani, 2002, have the same bound). What is more frequent than that is found.

    Args:
        capacity: How many different things are counted at once.
    """

    capacity: int
    counts: Counter[str] = field(default_factory=Counter)
    too_low_by: int = 0

    def update(self, things: Iterable[str]) -> None:
        """Count things; memory holds what the capacity allows and the new ones among these."""
        self.counts.update(things)
        if len(self.counts) > self.capacity:
            self._forget()

    def said(self, what: str) -> str:
        """What a person should know when not all was counted; ``what`` was, in the plural."""
        return (
            f"there are more than {self.capacity:,} different {what}: rare ones were forgotten on the way, and the "
            f"count of each may be too low by up to {self.too_low_by:,}"
        )

    def _forget(self) -> None:
        bound = sorted(self.counts.values(), reverse=True)[self.capacity // 2]
        self.counts = Counter({thing: count for thing, count in self.counts.items() if count > bound})
        self.too_low_by += bound


def count_captions(
    captions: Iterable[Caption], things_of: Callable[[list[str]], Iterable[str]], capacity: int
) -> BoundedCounter:
    """Count what captions hold.

    Args:
        captions: (example, number of the caption in it, text).
        things_of: From some texts to all that is to be counted in them.
        capacity: How many different things are counted at once.
    """
    counter = BoundedCounter(capacity)
    texts = (text for _, _, text in captions)
    while chunk := list(islice(texts, _CHUNK)):
        counter.update(things_of(chunk))
    return counter


@dataclass(frozen=True)
class Choice:
    """Which of all that was counted are concepts.

    Args:
        size: K.
        min_count: What is rarer is none.
        stop: How many of the most frequent are none.
        what: What they are, in the plural.
    """

    size: AtLeastOne
    min_count: AtLeastOne
    stop: Count
    what: str

    def __post_init__(self) -> None:
        check_ranges(self)

    def of(self, counts: Mapping[str, int], corpus: Corpus, split: str) -> list[str]:
        """The K most frequent, ties in the order of the alphabet.

        Raises:
            InputError: When nothing was counted, or fewer than K are left.
        """
        if not counts:
            found = f"the captions of the split {split!r} hold no {self.what}"
            raise InputError(found, where=corpus.path, expected="captions")
        values = np.fromiter(counts.values(), np.int64, len(counts))
        left = max(0, int((values >= self.min_count).sum()) - self.stop)
        if left < self.size:
            limits = f" that come {self.min_count} times or more" if self.min_count > 1 else ""
            limits += f" after the {self.stop} most frequent" if self.stop else ""
            raise InputError(
                f"{self.size} concepts are asked for, the captions of the split {split!r} hold {left} "
                f"{self.what}{limits}",
                where=corpus.path,
                mend=f"give {setting('size', left)} or less"
                if left
                else f"give a lower {setting('min_count')} or {setting('stop')}",
            )
        # Of a million counts a thousand are wanted: those below the last of them need no sorting.
        last = np.partition(values, -(self.stop + self.size))[-(self.stop + self.size)]
        some = [thing for thing, count in counts.items() if count >= last]
        return sorted(some, key=lambda thing: (-counts[thing], thing))[self.stop : self.stop + self.size]


@dataclass(frozen=True)
class CountedSettings:
    """What the settings of concepts that are counted have in common.

    Args:
        size: K, how many concepts; more than the captions hold is an error that says how many they hold.
        min_count: What comes less often in the captions is none.
        stop: How many of the most frequent are left out: in any language those that say nothing of an image.
        splitter: What a word is: unicode (letters, their marks and digits; each letter of scripts without blanks, such
            as Chinese), characters (each letter), jieba (Chinese words), janome (Japanese words).
        language: Only captions in this language, where the corpus knows their languages; empty for all.
        capacity: How many different ones ("dog", "Dog") are counted at once. With more than that, rare ones are
            forgotten, and the set's settings say by how much the count of each may be too low.
    """

    size: AtLeastOne = 1000
    min_count: AtLeastOne = 1
    stop: Count = 0
    splitter: SplitterName = "unicode"
    language: str = ""
    capacity: AtLeastOne = 1_000_000

    def __post_init__(self) -> None:
        check_ranges(self)


def captions_of(corpus: Corpus, split: str, language: str) -> Iterable[Caption]:
    """The captions of a split in a language ("" for all).

    Raises:
        InputError: When the corpus holds no captions at all, or none in the language.
    """
    captions = corpus.caption_iter(corpus.indices(split), language or None)
    first = list(islice(captions, 1))
    if not first:
        in_language = f" in the language {language!r}" if language else ""
        raise InputError(
            f"the split {split!r} holds no captions{in_language}",
            where=corpus.path,
            expected="a corpus built from captioned images",
        )
    return _again(first, captions)


def _again(first: list[Caption], rest: Iterable[Caption]) -> Iterable[Caption]:
    yield from first
    yield from rest
