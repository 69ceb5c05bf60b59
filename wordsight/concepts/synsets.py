"""`synsets`: what the nouns of the captions mean in WordNet is the concepts (CatLIP, Mehta et al. 2024).

https://arxiv.org/abs/2404.15653
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Literal

import numpy as np
import scipy.sparse
from numpy.typing import NDArray

from wordsight.concepts.concept_set import ConceptSet
from wordsight.concepts.matrix_writer import numbered, write_rows
from wordsight.concepts.tagged_words import PARTS, is_word, tagged_languages, words_of
from wordsight.corpus.store import Corpus
from wordsight.errors import InputError, setting, unknown
from wordsight.language.tagger import TaggedWord, tag_words
from wordsight.language.wordnet import Lexicon, open_wordnet
from wordsight.ranges import Limit, check_ranges

_SENSES = ("first", "all")
_NOUN = PARTS.index("noun")


@dataclass(frozen=True)
class SynsetsSettings:
    """Which meanings are concepts.

    Args:
        size: K, how many concepts: the most frequent ones; 0 for all that the captions hold.
        senses: Whether a noun stands for its most frequent meaning alone (first) or for all it may have (all).
        language: Only captions in this language, where the corpus knows their languages. The tagger speaks English
            alone: by default captions in other languages are left out.
        lexicon: A folder with WordNet's files (index.noun, data.noun, noun.exc); by default where they are installed.
    """

    size: Limit = 1000
    senses: Literal["first", "all"] = "first"
    language: str = ""
    lexicon: str = ""

    def __post_init__(self) -> None:
        check_ranges(self)


def build_synsets(corpus: Corpus, settings: SynsetsSettings, split: str, lexicon: Lexicon | None = None) -> ConceptSet:
    """Make a concept set from the WordNet synsets of the nouns in captions: "bikes" and "bicycle" are one concept.

    Nouns are what the tagger says; those that WordNet does not know are left out. The K most frequent synsets of the
    split's captions are taken, ties in alphabetical order. What holds where is read from all captions.

    Args:
        corpus: Where the captions are.
        settings: K and which meanings.
        split: The captions that are counted ("all" for every one).
        lexicon: What knows the meanings of nouns; WordNet by default.

    Raises:
        InputError: When there are no captions, fewer than K synsets, the captions are not English, or WordNet is not
            installed.
    """
    if settings.senses not in _SENSES:
        raise unknown("senses", settings.senses, _SENSES)
    if settings.size < 0:
        raise InputError(f"{settings.size} concepts are asked for", setting="size", expected="0 for all, or more")
    lexicon = lexicon or open_wordnet(settings.lexicon)
    words = words_of(corpus, settings.language)
    nouns = words.part == _NOUN
    names, senses_WS = _senses(words.names, words.word[nouns], lexicon, settings.senses)
    in_split = np.zeros(len(corpus), dtype=bool)
    in_split[corpus.indices(split)] = True
    counted = np.bincount(words.word[nouns & in_split[words.example]], minlength=len(words.names))
    counts: NDArray[np.int64] = np.asarray(senses_WS.T @ counted).astype(np.int64)
    present = int((counts > 0).sum())
    if present == 0 or settings.size > present:
        raise InputError(
            f"{settings.size or 'all'} concepts are asked for, "
            f"the captions of the split {split!r} hold {present} synsets",
            where=corpus.path,
            mend=f"give {setting('size', present)} or less" if present else None,
        )
    ranked = sorted(np.flatnonzero(counts).tolist(), key=lambda k: (-int(counts[k]), names[k]))
    chosen = ranked[: settings.size or present]
    ones = np.ones(int(nouns.sum()), np.float32)
    shape = (len(corpus), len(words.names))
    words_NW = scipy.sparse.csr_matrix((ones, (words.example[nouns], words.word[nouns])), shape=shape)
    matrix = scipy.sparse.csr_matrix(words_NW @ senses_WS[:, chosen], dtype=np.float32)
    matrix.sort_indices()
    matrix.data[:] = 1
    return ConceptSet(
        kind="synsets",
        names=[names[k] for k in chosen],
        matrix=matrix,
        target="labels",
        corpus_fingerprint=corpus.fingerprint,
        settings={**asdict(settings), "split": split},
        languages=tagged_languages(corpus, settings.language),
    )


def apply_synsets(
    concepts: ConceptSet, texts: Sequence[Sequence[str]], lexicon: Lexicon | None = None
) -> scipy.sparse.csr_matrix:
    """Which synsets of a set other texts have nouns of.

    Args:
        concepts: A set that :func:`build_synsets` made.
        texts: The captions of each example.
        lexicon: What knows the meanings of nouns; WordNet by default.

    Raises:
        InputError: When WordNet or the tagger is not installed.
    """
    lexicon = lexicon or open_wordnet(concepts.settings["lexicon"])
    number = {name: k for k, name in enumerate(concepts.names)}
    taken = 1 if concepts.settings["senses"] == "first" else None
    of_noun: dict[str, list[int]] = {}

    def meant(noun: str) -> list[int]:
        if noun not in of_noun:
            of_noun[noun] = [number[name] for name in lexicon.synsets(noun)[:taken] if name in number]
        return of_noun[noun]

    tagged = tag_words(text for _, _, text in numbered(texts))
    found = (
        (i, j, [k for word in words if _is_noun(word) for k in meant(word.text.lower())], (), ())
        for (i, j, _), words in zip(numbered(texts), tagged, strict=True)
    )
    return write_rows(found, len(texts), len(concepts))[0]


def _is_noun(word: TaggedWord) -> bool:
    return word.part == "noun" and is_word(word.text)


def _senses(
    words: list[str], used: NDArray[np.int32], lexicon: Lexicon, senses: str
) -> tuple[list[str], scipy.sparse.csr_matrix]:
    """Names of all synsets of the words that are used, and which word has which, ``[words, synsets]``."""
    number: dict[str, int] = {}
    pairs: list[tuple[int, int]] = []
    for word in np.unique(used).tolist():
        found = lexicon.synsets(words[word])
        for name in found[:1] if senses == "first" else found:
            pairs.append((word, number.setdefault(name, len(number))))
    rows, columns = np.array(pairs, dtype=np.int64).reshape(-1, 2).T
    shape = (len(words), len(number))
    return list(number), scipy.sparse.csr_matrix((np.ones(len(rows), np.float32), (rows, columns)), shape=shape)
