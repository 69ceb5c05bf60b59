"""`words`: the K most frequent words of the captions are the concepts (Joulin et al. 2016), in any language.

https://arxiv.org/abs/1511.02251
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from itertools import chain

import scipy.sparse

from wordsight.concepts.concept_set import ConceptSet, Occurrences
from wordsight.concepts.counting import Choice, CountedSettings, captions_of, count_captions
from wordsight.concepts.languages import captions_to_read
from wordsight.concepts.matrix_writer import Caption, Found, numbered, shown, write_rows
from wordsight.concepts.splitters import normal, splitter
from wordsight.corpus.store import Corpus
from wordsight.errors import setting
from wordsight.progress import say

# How many different spellings ("Dog", "DOG") are remembered with their concept.
_REMEMBERED = 1 << 19


@dataclass(frozen=True)
class WordsSettings(CountedSettings):
    """What makes a word a concept."""


def build_words(corpus: Corpus, settings: WordsSettings, split: str) -> ConceptSet:
    """Make a concept set from the most frequent words of captions, in any language, without a tagger.

    Words are told apart in lower case, ties are in the order of their letters. A concept holds for an example where any
    of its captions has the word, in held-out examples too. Memory is bounded: it does not grow with the captions.

    Args:
        corpus: Where the captions are.
        settings: K and what a word is.
        split: The captions that are counted ("all" for every one).

    Raises:
        InputError: When there are no captions, fewer than K words, no such language, or the splitter is not installed.
    """
    cut = splitter(settings.splitter)
    choice = Choice(settings.size, settings.min_count, settings.stop, "words")
    captions = captions_of(corpus, split, settings.language)
    counted = count_captions(
        shown(captions, "counting words", len(corpus)),
        lambda texts: chain.from_iterable(map(cut.words, texts)),
        settings.capacity,
    )
    counts: Counter[str] = Counter()
    for word, count in counted.counts.items():
        counts[normal(word)] += count
    names = choice.of(counts, corpus, split)
    if counted.too_low_by:
        say(f"{counted.said('spellings of words')}; a higher {setting('capacity')} counts them all")
    everything = corpus.caption_iter(corpus.indices(None), settings.language or None)
    matrix, occurrences = write_rows(
        _found(shown(everything, "finding words", len(corpus)), names, settings.splitter),
        len(corpus),
        len(names),
        places=True,
        folder=corpus.path,
    )
    return ConceptSet(
        kind="words",
        names=names,
        matrix=matrix,
        target="labels",
        corpus_fingerprint=corpus.fingerprint,
        settings={**asdict(settings), "split": split, "counts_too_low_by_at_most": counted.too_low_by},
        occurrences=occurrences,
    )


def apply_words(concepts: ConceptSet, texts: Sequence[Sequence[str]]) -> scipy.sparse.csr_matrix:
    """Which words of a set stand in other texts.

    Args:
        concepts: A set that :func:`build_words` made.
        texts: The captions of each example.
    """
    found = _found(numbered(texts), concepts.names, concepts.settings["splitter"])
    return write_rows(found, len(texts), len(concepts))[0]


def places_of_words(concepts: ConceptSet, corpus: Corpus) -> Occurrences:
    """Where the words of a set stand in the captions of any corpus.

    Args:
        concepts: A set that :func:`build_words` made.
        corpus: The corpus. Where it says the languages of its captions, those in other ones are left out.

    Raises:
        InputError: When all its captions are in others.
    """
    captions = captions_to_read(concepts, corpus, corpus.indices(None))
    found = _found(captions, concepts.names, concepts.settings["splitter"])
    places = write_rows(found, len(corpus), len(concepts), places=True, folder=corpus.path)[1]
    assert places is not None
    return places


def _found(captions: Iterable[Caption], names: Sequence[str], splitter_name: str) -> Iterator[Found]:
    """Number and place of every word of every caption."""
    places = splitter(splitter_name).places
    number = _Numbers({name: k for k, name in enumerate(names)})
    for example, caption, text in captions:
        words, starts, ends = places(text)
        yield example, caption, list(map(number.__getitem__, words)), starts, ends


class _Numbers(dict[str, int]):
    """From a word as it is written to the number of its concept, -1 for none; a look-up each, but for new spellings."""

    def __init__(self, of_name: Mapping[str, int]) -> None:
        super().__init__()
        self._of_name = of_name

    def __missing__(self, word: str) -> int:
        if len(self) >= _REMEMBERED:
            self.clear()
        self[word] = number = self._of_name.get(normal(word), -1)
        return number
