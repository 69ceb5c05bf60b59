"""Texts as bags of words, filtered as Gomez et al. (2017) and Patel et al. (2019) filter theirs before LDA.

Letters only, longer than two, lemmas of nouns, no stop words; words of fewer than 20 texts or of more than half of them
are left out. A document is all that an example has of one kind: its captions joined, or its article.

https://arxiv.org/abs/1705.08631
https://arxiv.org/abs/1902.00378
"""

from __future__ import annotations

import unicodedata
from array import array
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import chain, islice
from typing import Generic, Literal, TypeVar

import numpy as np
import scipy.sparse
from numpy.typing import NDArray

from wordsight.concepts.counting import BoundedCounter
from wordsight.concepts.splitters import SplitterName, normal, splitter
from wordsight.corpus.store import Corpus
from wordsight.errors import InputError, setting
from wordsight.language.lemmas import noun_lemmas, stop_words
from wordsight.progress import console
from wordsight.ranges import AtLeastOne, Fraction, check_ranges

T = TypeVar("T")
Source = Literal["captions", "articles"]
# How many spellings are remembered with their term, and how many terms are counted at once.
_REMEMBERED = 1 << 19
_COUNTED = 1 << 20
# Documents between two looks at how much is being counted.
_CHUNK = 1024


@dataclass(frozen=True)
class Preparation:
    """From a text to its terms.

    Args:
        splitter: What a word is.
        stop_words: The language whose stop words are left out; "" for none.
        lemmas: Whether English words become their lemma.
        min_length: Letters that a word has at least.
    """

    splitter: SplitterName
    stop_words: str
    lemmas: bool
    min_length: int

    def terms(self) -> Callable[[str], str]:
        """A function from a word as it is written to its term; "" for a word that is left out."""
        left_out = stop_words(self.stop_words)
        lemma = noun_lemmas() if self.lemmas else str

        def term(word: str) -> str:
            plain = normal(word)
            if plain in left_out or not all(unicodedata.category(letter)[0] in "LM" for letter in plain):
                return ""
            found = lemma(plain)
            return found if len(found) >= self.min_length else ""

        return term


@dataclass(frozen=True)
class Limits:
    """Which terms are the vocabulary.

    Args:
        min_count: Documents that a term stands in at least.
        max_share: Share of the documents that a term stands in at most.
    """

    min_count: AtLeastOne
    max_share: Fraction

    def __post_init__(self) -> None:
        check_ranges(self)


def documents_of(corpus: Corpus, indices: Iterable[int], source: Source, language: str = "") -> Iterator[str]:
    """Yield the document of each example; "" where it has none.

    Args:
        corpus: The texts.
        indices: The examples.
        source: Their captions, or their articles.
        language: Only captions in this language; "" for all.

    Raises:
        InputError: When the corpus has no captions in the language.
    """
    if source == "articles":
        return (corpus.article(int(i)) or "" for i in indices)
    corpus.caption_iter([], language or None)
    return ("\n".join(text for _, _, text in corpus.caption_iter([i], language or None)) for i in indices)


def vocabulary_of(documents: Iterable[str], preparation: Preparation, limits: Limits) -> list[str]:
    """The terms that a topic model knows, in the order of the alphabet.

    Args:
        documents: The texts that it is fitted on.
        preparation: From a text to its terms.
        limits: Which of the terms count.

    Raises:
        InputError: When nothing is left: says which filter took the last words, and how to loosen it.
    """
    counter, full = BoundedCounter(_COUNTED), 0
    words, term = splitter(preparation.splitter).words, _Memory(preparation.terms())
    remaining = iter(documents)
    while chunk := list(islice(remaining, _CHUNK)):
        bags = [{term[word] for word in words(document)} for document in chunk]
        full += sum(map(bool, bags))
        counter.update(chain.from_iterable(bags))
    if counter.too_low_by:
        console.print(counter.said("words"))
    counts = counter.counts
    del counts[""]
    highest = limits.max_share * full
    frequent = {one: count for one, count in counts.items() if count >= limits.min_count}
    kept = sorted(one for one, count in frequent.items() if count <= highest)
    if kept:
        return kept
    where = "the vocabulary of the topics"
    if not counts:
        what = f"no word of {full:,} texts is left after stop words, letters only and {setting('min_length')}"
        raise InputError(
            what,
            where=where,
            mend=f"give {setting('stop_words', '')}, or {setting('min_length', 1)}, or another {setting('splitter')}",
        )
    if not frequent:
        most = max(counts.values())
        what = f"each of {len(counts):,} words stands in fewer than {limits.min_count} of {full:,} texts"
        mend = f"give {setting('min_count', max(1, most // 10))} (the most frequent stands in {most})"
        raise InputError(what, where=where, mend=mend)
    what = f"each of {len(frequent):,} words stands in more than {100 * limits.max_share:g} % of {full:,} texts"
    raise InputError(what, where=where, mend=f"give {setting('max_share', 1)}")


def bags_of(documents: Iterable[str], vocabulary: Sequence[str], preparation: Preparation) -> scipy.sparse.csr_matrix:
    """How often each term stands in each document, float32 ``[documents, vocabulary]``.

    Args:
        documents: The texts.
        vocabulary: The terms.
        preparation: From a text to its terms.
    """
    number = {term: k for k, term in enumerate(vocabulary)}
    of_word = preparation.terms()
    words, number_of = splitter(preparation.splitter).words, _Memory(lambda word: number.get(of_word(word), -1))
    ends, indices = array("q", [0]), array("i")
    for document in documents:
        indices.extend([k for word in words(document) if (k := number_of[word]) >= 0])
        ends.append(len(indices))
    ones = np.ones(len(indices), np.float32)
    columns: NDArray[np.int32] = np.array(indices, dtype=np.int32)
    found = scipy.sparse.csr_matrix((ones, columns, np.array(ends)), shape=(len(ends) - 1, len(vocabulary)))
    found.sum_duplicates()
    return found


class _Memory(dict[str, T], Generic[T]):
    """What a function makes of a word, remembered: a look-up each, but for new spellings."""

    def __init__(self, made: Callable[[str], T]) -> None:
        super().__init__()
        self._made = made

    def __missing__(self, word: str) -> T:
        if len(self) >= _REMEMBERED:
            self.clear()
        self[word] = found = self._made(word)
        return found
