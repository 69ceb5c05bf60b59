"""Texts as bags of words: which words are left, and what is said when none is."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from wordsight.concepts import documents as module
from wordsight.concepts.documents import Limits, Preparation, bags_of, documents_of, vocabulary_of
from wordsight.corpus import Corpus
from wordsight.errors import InputError

pytest.importorskip("spacy")
MakeCorpus = Callable[..., Corpus]
PLAIN = Preparation("unicode", "", False, 1)
ENGLISH = Preparation("unicode", "en", True, 3)
TEXTS = ["Two dogs and a DOG run .", "The dog's ball is red .", "", "3 cats, 2nd cat ."]


def test_terms_are_lemmas_of_letters_longer_than_two_and_no_stop_words() -> None:
    term = ENGLISH.terms()
    assert [term(word) for word in ("Dogs", "the", "TV", "2nd", "don't", "children", "running", "Bälle")] == [
        "dog",
        "",
        "",
        "",
        "",
        "child",
        "running",
        "bälle",
    ]


def test_letters_with_marks_are_letters() -> None:
    assert [PLAIN.terms()(word) for word in ("हिन्दी", "cafe\u0301")] == ["हिन्दी", "café"]


def test_the_vocabulary_counts_texts_and_not_words() -> None:
    assert vocabulary_of(TEXTS, ENGLISH, Limits(1, 1.0)) == ["ball", "cat", "dog", "red", "run"]
    # "dog" stands in two of three texts that are not empty, "cat" twice in one.
    assert vocabulary_of(TEXTS, ENGLISH, Limits(2, 1.0)) == ["dog"]
    assert "dog" not in vocabulary_of(TEXTS, ENGLISH, Limits(1, 0.5))


def test_bags_count_words_by_hand() -> None:
    found = bags_of(TEXTS, ["ball", "cat", "dog"], ENGLISH)
    np.testing.assert_array_equal(found.toarray(), [[0, 0, 2], [1, 0, 1], [0, 0, 0], [0, 2, 0]])
    assert found.dtype == np.float32


def test_what_is_remembered_of_spellings_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    before = bags_of(TEXTS, ["ball", "cat", "dog"], ENGLISH).toarray()
    monkeypatch.setattr(module, "_REMEMBERED", 2)
    np.testing.assert_array_equal(bags_of(TEXTS, ["ball", "cat", "dog"], ENGLISH).toarray(), before)


def test_an_empty_vocabulary_says_which_filter_took_the_words() -> None:
    with pytest.raises(InputError, match=r"no word of 1 texts is left after stop words.*stop_words=''"):
        vocabulary_of(["the of a TV"], ENGLISH, Limits(1, 1.0))
    with pytest.raises(InputError, match=r"each of 5 words stands in fewer than 20 of 3 texts; give min_count="):
        vocabulary_of(TEXTS, ENGLISH, Limits(20, 0.5))
    with pytest.raises(InputError, match=r"each of 2 words stands in more than 50 % of 2 texts; give max_share=1"):
        vocabulary_of(["dog runs", "runs dog"], PLAIN, Limits(1, 0.5))


@pytest.mark.parametrize(("min_count", "max_share"), [(0, 0.5), (1, 0.0), (1, 1.1)])
def test_limits_that_make_no_sense_are_refused(min_count: int, max_share: float) -> None:
    with pytest.raises(InputError, match="expected"):
        Limits(min_count, max_share)


def test_a_document_is_all_captions_of_an_example_or_its_article(make_corpus: MakeCorpus) -> None:
    captions = [["a dog runs fast .", "ein Hund rennt schnell ."], ["eine Katze schläft hier ."], []]
    languages = [["en", "de"], ["de"], []]
    corpus = make_corpus(captions, languages=languages, articles=["All of dogs.", None, "Nothing."])
    everything = corpus.indices(None)
    assert next(documents_of(corpus, everything, "captions")) == "a dog runs fast .\nein Hund rennt schnell ."
    assert list(documents_of(corpus, everything, "captions", "en")) == ["a dog runs fast .", "", ""]
    assert list(documents_of(corpus, everything, "articles")) == ["All of dogs.", "", "Nothing."]
    with pytest.raises(InputError, match="'de'"):
        documents_of(corpus, everything, "captions", "dee")


def test_words_that_were_forgotten_while_counting_are_told(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(module, "_COUNTED", 4)
    assert vocabulary_of(["dog cat", "dog tree house river"], PLAIN, Limits(1, 1.0)) == ["dog"]
    assert "more than 4 different words" in " ".join(capsys.readouterr().err.split())
