"""Which captions of a corpus a concept set is asked about: those in the languages that it was made from."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator

from wordsight.concepts.concept_set import ConceptSet
from wordsight.concepts.english import TAGGED, english_languages
from wordsight.concepts.matrix_writer import Caption
from wordsight.corpus.store import Corpus
from wordsight.errors import InputError, listed


def languages_to_read(concepts: ConceptSet, corpus: Corpus) -> tuple[str, ...]:
    """The languages whose captions are read; none for all captions.

    Args:
        concepts: The set. What it was built with says its language, or else the corpus that it was built from.
        corpus: Any corpus; where it does not say its captions' languages, all captions are read.

    Raises:
        InputError: When all that the corpus says are others.
    """
    if not corpus.language_names:
        return ()
    language = concepts.settings.get("language", "")
    wanted = (language,) if language else concepts.languages
    if not wanted and concepts.kind in TAGGED:
        # The corpus that it was made from said no languages, and the tagger speaks one.
        wanted = english_languages(corpus)
    if not wanted:
        return ()
    unsaid = corpus.info["counts"]["captions"] > sum(corpus.language_names.values())
    known = [*corpus.language_names, ""] if unsaid else corpus.language_names
    if found := tuple(name for name in known if name in wanted):
        return found
    made_from = listed([name for name in wanted if name]) or "English"
    raise InputError(
        f"the captions are in {listed(corpus.language_names)}, the concept set {concepts.path or concepts.kind} was "
        f"made from captions in {made_from}",
        where=corpus.path,
        mend="give a corpus with captions in that language, or a concept set made from captions like these",
    )


def captions_to_read(concepts: ConceptSet, corpus: Corpus, indices: Iterable[int]) -> Iterator[Caption]:
    """Yield (example, number of the caption in it, text) for the captions that a set is asked about.

    Args:
        concepts: The set.
        corpus: Any corpus.
        indices: The examples.

    Raises:
        InputError: When the corpus has no captions in the set's languages.
    """
    return captions_in(corpus, indices, languages_to_read(concepts, corpus))


def captions_in(corpus: Corpus, indices: Iterable[int], languages: Collection[str]) -> Iterator[Caption]:
    """Yield (example, number of the caption in it, text) for the captions in some languages.

    Args:
        corpus: The captions.
        indices: The examples.
        languages: The languages, "" being that of captions whose language is not said; none for all captions.
    """
    if not languages:
        yield from corpus.caption_iter(indices)
        return
    for i in map(int, indices):
        for number, (text, language) in enumerate(zip(corpus.captions(i), corpus.languages(i), strict=True)):
            if language in languages:
                yield i, number, text
