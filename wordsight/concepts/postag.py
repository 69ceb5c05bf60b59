"""TP_Postag (Section 3.1): the K most frequent nouns, adjectives and verbs of the captions are the concepts.

https://arxiv.org/abs/2008.01392
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Literal

import numpy as np
import scipy.sparse
from numpy.typing import NDArray

from wordsight.concepts.concept_set import ConceptSet, Occurrences
from wordsight.concepts.languages import languages_to_read
from wordsight.concepts.tagged_words import PARTS, Words, tagged_languages, words_of
from wordsight.corpus.store import Corpus
from wordsight.errors import InputError, setting, unknown
from wordsight.language.tagger import tag_words
from wordsight.ranges import AtLeastOne, check_ranges

# How many of PARTS each setting takes.
_TAKEN = {"nouns": 1, "nouns+adjectives": 2, "nouns+adjectives+verbs": 3}


@dataclass(frozen=True)
class PostagSettings:
    """What makes a word a concept.

    Args:
        size: K, how many concepts; more than the captions hold is an error that says how many they hold.
        parts: The parts of speech that count. Proper nouns are nouns, auxiliaries are not verbs.
        language: Only captions in this language, where the corpus knows their languages. The tagger speaks English
            alone: by default captions in other languages are left out.
    """

    size: AtLeastOne = 1000
    parts: Literal["nouns", "nouns+adjectives", "nouns+adjectives+verbs"] = "nouns+adjectives+verbs"
    language: str = ""

    def __post_init__(self) -> None:
        check_ranges(self)


def build_postag(corpus: Corpus, settings: PostagSettings, split: str) -> ConceptSet:
    """Make a concept set from the parts of speech of caption words.

    A concept is a word as it stands in the captions, in lower case (no lemma: the language model's tokens have none).
    The K most frequent of the split's captions are taken, ties in alphabetical order; its part of speech is the one
    that it has most often there. What holds where is then read from all captions of the corpus, so that held-out
    examples have their labels too; a word counts where it stands as one of the parts asked for ("can" the noun does,
    the auxiliary does not).

    Args:
        corpus: Where the captions are.
        settings: K and the parts of speech.
        split: The captions that are counted ("all" for every one).

    Raises:
        InputError: When there are no captions, no such words, fewer than K, or the captions are not English.
    """
    if settings.parts not in _TAKEN:
        raise unknown("parts of speech", settings.parts, _TAKEN)
    words = words_of(corpus, settings.language)
    in_split = np.zeros(len(corpus), dtype=bool)
    in_split[corpus.indices(split)] = True
    wanted = words.part < _TAKEN[settings.parts]
    counted = wanted & in_split[words.example]
    counts = np.zeros((len(words.names), len(PARTS)), dtype=np.int64)
    np.add.at(counts, (words.word[counted], words.part[counted]), 1)
    chosen = _most_frequent(words.names, counts.sum(axis=1), settings.size, corpus, split)
    number = np.full(len(words.names), -1, dtype=np.int32)
    number[chosen] = np.arange(len(chosen))
    occurrences = _occurrences(words, wanted, number)
    return ConceptSet(
        kind="postag",
        names=[words.names[k] for k in chosen],
        matrix=_matrix(occurrences, len(corpus), len(chosen)),
        target="labels",
        corpus_fingerprint=corpus.fingerprint,
        settings={**asdict(settings), "split": split},
        languages=tagged_languages(corpus, settings.language),
        occurrences=occurrences,
        parts=[PARTS[k] for k in counts[chosen].argmax(axis=1)],
    )


def apply_postag(concepts: ConceptSet, texts: Sequence[Sequence[str]]) -> scipy.sparse.csr_matrix:
    """Which concepts stand in other texts, as one of the parts of speech that the set was asked for.

    Args:
        concepts: A set that :func:`build_postag` made.
        texts: The captions of each example.
    """
    wanted = PARTS[: _TAKEN[concepts.settings["parts"]]]
    number = {name: k for k, name in enumerate(concepts.names)}
    example = np.repeat(np.arange(len(texts)), [len(captions) for captions in texts])
    tagged = tag_words(text for captions in texts for text in captions)
    found = {
        (row, number[word.text.lower()])
        for row, words in zip(example.tolist(), tagged, strict=True)
        for word in words
        if word.part in wanted and word.text.lower() in number
    }
    rows, columns = np.array(sorted(found), dtype=np.int64).reshape(-1, 2).T
    ones = np.ones(len(rows), np.float32)
    return scipy.sparse.csr_matrix((ones, (rows, columns)), shape=(len(texts), len(concepts)))


def places_of_postag(concepts: ConceptSet, corpus: Corpus) -> Occurrences:
    """Where the words of a set stand in the captions of any corpus, as one of the parts that the set was asked for.

    Args:
        concepts: A set that :func:`build_postag` made.
        corpus: The corpus. Where it says the languages of its captions, those in other ones are left out.

    Raises:
        InputError: When the captions are not English, or not in the set's language, or the tagger is not installed.
    """
    languages = languages_to_read(concepts, corpus)
    words = words_of(corpus, languages[0] if len(languages) == 1 else "")
    numbers = {name: k for k, name in enumerate(concepts.names)}
    number = np.array([numbers.get(name, -1) for name in words.names], dtype=np.int32)
    return _occurrences(words, words.part < _TAKEN[concepts.settings["parts"]], number)


def _most_frequent(names: list[str], totals: NDArray[np.int64], size: int, corpus: Corpus, split: str) -> list[int]:
    """Numbers of the most frequent words, ties in alphabetical order."""
    present = np.flatnonzero(totals)
    if len(present) == 0:
        raise InputError(
            f"the captions of the split {split!r} hold no words of these parts of speech",
            where=corpus.path,
            expected="English captions",
        )
    if size > len(present):
        raise InputError(
            f"{size} concepts are asked for, the captions of the split {split!r} hold {len(present)}",
            where=corpus.path,
            mend=f"give {setting('size', len(present))} or less",
        )
    return sorted(present.tolist(), key=lambda k: (-int(totals[k]), names[k]))[:size]


def _occurrences(words: Words, wanted: NDArray[np.bool_], number: NDArray[np.int32]) -> Occurrences:
    rows = np.flatnonzero(wanted & (number[words.word] >= 0))
    return Occurrences(
        words.example[rows], words.caption[rows], words.start[rows], words.end[rows], number[words.word[rows]]
    )


def _matrix(occurrences: Occurrences, examples: int, size: int) -> scipy.sparse.csr_matrix:
    """1 where any caption of the example has the concept: y of Section 3."""
    ones = np.ones(len(occurrences), np.float32)
    matrix = scipy.sparse.csr_matrix((ones, (occurrences.example, occurrences.concept)), shape=(examples, size))
    matrix.sum_duplicates()
    matrix.data[:] = 1
    return matrix
