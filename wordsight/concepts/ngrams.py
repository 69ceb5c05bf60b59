"""`ngrams`: the K most frequent sequences of words in the captions are the concepts (Li et al. 2017).

https://arxiv.org/abs/1612.09161
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass
from itertools import chain, repeat

import scipy.sparse

from wordsight.concepts.concept_set import ConceptSet
from wordsight.concepts.counting import Choice, CountedSettings, captions_of, count_captions
from wordsight.concepts.matrix_writer import Caption, Found, numbered, shown, write_rows
from wordsight.concepts.splitters import normal, splitter
from wordsight.corpus.store import Corpus
from wordsight.errors import InputError, setting
from wordsight.progress import say
from wordsight.ranges import AtLeastOne

# What ends a phrase: "on the beach. A dog" holds no "beach a".
_ENDS = re.compile(r"[.,;:!?()\[\]{}\"\u3001\u3002\uff01\uff0c\uff1a\uff1b\uff1f\u061f\u060c\u0964]+")
# Whether a number is one of a concept: most sequences are none.
_known = (-1).__lt__
# How many different spellings of words are remembered with their normal form.
_REMEMBERED = 1 << 19


@dataclass(frozen=True)
class NgramsSettings(CountedSettings):
    """What makes a sequence of words a concept.

    Args:
        shortest: Words of the shortest sequences.
        longest: Words of the longest sequences.
    """

    shortest: AtLeastOne = 1
    longest: AtLeastOne = 2


def build_ngrams(corpus: Corpus, settings: NgramsSettings, split: str) -> ConceptSet:
    """Make a concept set from the most frequent sequences of words in captions, in any language.

    Words follow each other with nothing but blanks or hyphens between them; their names have one blank. Memory is
    bounded: it does not grow with the captions.

    Args:
        corpus: Where the captions are.
        settings: K and how long the sequences are.
        split: The captions that are counted ("all" for every one).

    Raises:
        InputError: When there are no captions, fewer than K sequences, no such language or no such splitter.
    """
    if not 1 <= settings.shortest <= settings.longest:
        raise InputError(
            f"{settings.shortest} to {settings.longest} words are given",
            where=f"{setting('shortest')} and {setting('longest')}",
            expected="at least 1, and no more for the shortest than for the longest",
        )
    grams = _grams_of(settings.splitter, settings.shortest, settings.longest)
    choice = Choice(settings.size, settings.min_count, settings.stop, "sequences of words")
    captions = captions_of(corpus, split, settings.language)
    counted = count_captions(
        shown(captions, "counting n-grams", len(corpus)),
        lambda texts: chain.from_iterable(map(grams, texts)),
        settings.capacity,
    )
    names = choice.of(counted.counts, corpus, split)
    if counted.too_low_by:
        say(f"{counted.said('sequences of words')}; a higher {setting('capacity')} counts them all")
    everything = corpus.caption_iter(corpus.indices(None), settings.language or None)
    found = _found(shown(everything, "finding n-grams", len(corpus)), names, grams)
    matrix, _ = write_rows(found, len(corpus), len(names), folder=corpus.path)
    return ConceptSet(
        kind="ngrams",
        names=names,
        matrix=matrix,
        target="labels",
        corpus_fingerprint=corpus.fingerprint,
        settings={**asdict(settings), "split": split, "counts_too_low_by_at_most": counted.too_low_by},
    )


def apply_ngrams(concepts: ConceptSet, texts: Sequence[Sequence[str]]) -> scipy.sparse.csr_matrix:
    """Which sequences of a set stand in other texts.

    Args:
        concepts: A set that :func:`build_ngrams` made.
        texts: The captions of each example.
    """
    grams = _grams_of(*(concepts.settings[name] for name in ("splitter", "shortest", "longest")))
    return write_rows(_found(numbered(texts), concepts.names, grams), len(texts), len(concepts))[0]


def _found(captions: Iterable[Caption], names: Sequence[str], grams: Callable[[str], list[str]]) -> Iterator[Found]:
    number = {name: k for k, name in enumerate(names)}
    for example, caption, text in captions:
        yield example, caption, list(filter(_known, map(number.get, grams(text), repeat(-1)))), (), ()


def _grams_of(splitter_name: str, shortest: int, longest: int) -> Callable[[str], list[str]]:
    """From a text to all its sequences of words."""
    words = splitter(splitter_name).words
    spelled = _Spellings()

    def grams(text: str) -> list[str]:
        found: list[str] = []
        for phrase in _ENDS.split(text):
            line = list(map(spelled.__getitem__, words(phrase)))
            for length in range(shortest, min(longest, len(line)) + 1):
                found += line if length == 1 else map(" ".join, zip(*(line[k:] for k in range(length)), strict=False))
        return found

    return grams


class _Spellings(dict[str, str]):
    """From a word as it is written to its normal form."""

    def __missing__(self, word: str) -> str:
        if len(self) >= _REMEMBERED:
            self.clear()
        self[word] = plain = normal(word)
        return plain
