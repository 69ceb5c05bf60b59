"""Lemmas and stop words by tables: what WordNet's rules for nouns give, and what is said of an unknown language."""

from __future__ import annotations

from importlib import import_module

import pytest

from wordsight.errors import InputError
from wordsight.language.lemmas import NounLemmas, noun_lemmas, stop_words
from wordsight.language.tagger import tagger_name

pytest.importorskip("spacy")


def test_an_ending_is_exchanged_only_where_that_gives_a_noun() -> None:
    lemma = NounLemmas(frozenset({"dog", "glass", "man"}), {"men": ["man"]}, [["s", ""], ["ses", "s"]])
    assert [lemma(word) for word in ("dogs", "glass", "glasses", "men", "runs")] == [
        "dog",
        "glass",
        "glass",
        "man",
        "runs",
    ]


def test_english_nouns_are_lowered_and_other_words_stay() -> None:
    lemma = noun_lemmas()
    pairs = {"dogs": "dog", "children": "child", "wolves": "wolf", "boxes": "box", "cities": "city", "women": "woman"}
    assert {word: lemma(word) for word in pairs} == pairs
    assert [lemma(word) for word in ("running", "grass", "people", "zzyzxs")] == [
        "running",
        "grass",
        "people",
        "zzyzxs",
    ]


def test_the_tables_are_those_of_spacy_s_lemmatizer() -> None:
    spacy = pytest.importorskip("spacy")
    others = ["tok2vec", "tagger", "attribute_ruler", "parser", "senter", "ner"]
    theirs = spacy.load(tagger_name().split()[0], exclude=others).get_pipe("lemmatizer").lookups
    ours = noun_lemmas()
    assert ours.nouns == frozenset(theirs.get_table("lemma_index")["noun"])
    assert ours.exceptions == theirs.get_table("lemma_exc")["noun"]
    assert ours.endings == theirs.get_table("lemma_rules")["noun"]


def test_stop_words_are_those_of_the_language() -> None:
    assert {"the", "is", "with"} <= stop_words("en")
    assert {"der", "ist", "mit"} <= stop_words("de")
    assert "dog" not in stop_words("en")
    assert stop_words("fr") == import_module("spacy.lang.fr.stop_words").STOP_WORDS
    assert stop_words("") == frozenset()


@pytest.mark.parametrize("language", ["zz", "en.tokenizer_exceptions", "../en", "English"])
def test_an_unknown_language_of_stop_words_is_refused(language: str) -> None:
    with pytest.raises(InputError, match="no stop words are known"):
        stop_words(language)
