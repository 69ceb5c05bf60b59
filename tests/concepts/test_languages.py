"""A concept set is asked about captions in the languages that it was made from."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from wordsight.concepts.apply import concepts_of
from wordsight.concepts.concept_set import ConceptSet
from wordsight.concepts.frequent_words import WordsSettings, build_words, places_of_words
from wordsight.concepts.topics import TopicsSettings, build_topics
from wordsight.corpus import Corpus
from wordsight.errors import InputError

MakeCorpus = Callable[..., Corpus]
ENGLISH = [["a dog hat runs"], ["a cat hat sleeps"]]
BOTH = [["a dog runs", "der Mann hat es"], ["der Hund hat es"]]
LANGUAGES = [["en", "de"], ["de"]]


def words_of(corpus: Corpus, **settings: object) -> ConceptSet:
    return build_words(corpus, WordsSettings(size=6, **settings), "all").made_from(corpus)  # type: ignore[arg-type]


def test_captions_in_other_languages_are_passed_over(make_corpus: MakeCorpus) -> None:
    both = make_corpus(BOTH, languages=LANGUAGES, name="both")
    from_one = make_corpus(ENGLISH, languages=[["en"], ["en"]])
    for concepts in (words_of(from_one), words_of(from_one, language="en")):
        # "hat" is a German word too.
        assert concepts_of(concepts, both, both.indices()).toarray()[:, concepts.names.index("hat")].tolist() == [0, 0]
        assert places_of_words(concepts, both).caption.tolist() == [0, 0, 0]


def test_topics_too(make_corpus: MakeCorpus) -> None:
    corpus = make_corpus(ENGLISH * 3, languages=[["en"], ["en"]] * 3)
    settings = TopicsSettings(size=2, min_count=1, max_share=1, lemmas=False, stop_words="")
    concepts = build_topics(corpus, settings, "all").made_from(corpus)
    both = make_corpus(BOTH, languages=LANGUAGES, name="both")
    assert concepts_of(concepts, both, both.indices()).getnnz(axis=1).astype(bool).tolist() == [True, False]


def test_a_set_of_two_languages_reads_both_and_no_third(make_corpus: MakeCorpus) -> None:
    concepts = words_of(make_corpus(BOTH, languages=LANGUAGES))
    three = make_corpus(
        [["il hat es", "der dog hier"], ["der hat runs"]], languages=[["it", "de"], ["en"]], name="three"
    )
    found = concepts_of(concepts, three, three.indices()).toarray()
    assert found[:, concepts.names.index("hat")].tolist() == [0, 1]
    assert found[:, concepts.names.index("der")].tolist() == [1, 1]


def test_where_languages_are_not_said_all_captions_are_read(make_corpus: MakeCorpus) -> None:
    concepts = words_of(make_corpus(ENGLISH, languages=[["en"], ["en"]]))
    silent = make_corpus(BOTH, name="silent")
    hat = concepts.names.index("hat")
    assert concepts_of(concepts, silent, silent.indices()).toarray()[:, hat].tolist() == [1, 1]


def test_a_corpus_in_other_languages_is_refused(make_corpus: MakeCorpus, tmp_path: Path) -> None:
    words_of(make_corpus(ENGLISH, languages=[["en"], ["en"]])).save(tmp_path / "set")
    german = make_corpus([["der Hund hat"]], languages=[["de"]], name="german")
    with pytest.raises(InputError, match="captions are in de, the concept set .*set was made from captions in en"):
        concepts_of(ConceptSet.open(tmp_path / "set"), german, german.indices())
