"""Topics of articles (Patel et al. 2019): one fit for both heads, and what is said where articles are missing."""

from __future__ import annotations

from collections.abc import Callable
from itertools import product

import numpy as np
import pytest

from wordsight.concepts import lda
from wordsight.concepts.apply import concepts_of
from wordsight.concepts.article_topics import ArticleTopicsSettings, build_article_topics
from wordsight.concepts.cached import concept_set_for
from wordsight.corpus import Corpus
from wordsight.errors import InputError

pytest.importorskip("spacy")
MakeCorpus = Callable[..., Corpus]
SEA = [("surfer", "sailor"), ("wave", "boat"), ("ocean", "harbour")]
SNOW = [("skier", "climber"), ("slope", "glacier"), ("mountain", "valley")]
WORDS = [words for theme in (SEA, SNOW) for words in product(*theme)]
ARTICLES = [f"The {a} and the {b} . Every {c} has a {b} , and a {a} ." for a, b, c in WORDS]
# The last two captions tell of the other theme than their articles.
CAPTIONS = [[f"a {a} on the {b} ."] for a, b, _ in [*WORDS[:-2], *WORDS[:2]]]
SETTINGS = {"size": 2, "min_count": 2, "passes": 20}


def test_captions_and_articles_have_topics_of_one_fit(make_corpus: MakeCorpus, monkeypatch: pytest.MonkeyPatch) -> None:
    corpus = make_corpus(CAPTIONS, articles=ARTICLES)
    of_articles = concept_set_for(corpus, "article-topics", {"of": "articles", **SETTINGS}, "all")
    monkeypatch.setattr(lda, "fit_topics", None)  # nothing is fitted twice
    of_captions = concept_set_for(corpus, "article-topics", {"of": "captions", **SETTINGS}, "all")
    assert of_articles.names == of_captions.names
    np.testing.assert_array_equal(of_articles.arrays["topics"], of_captions.arrays["topics"])
    articles, captions = of_articles.matrix.toarray().argmax(1), of_captions.matrix.toarray().argmax(1)
    assert articles[0] == captions[0] == captions[-1]
    assert articles[-1] == 1 - articles[0]
    assert of_articles.fingerprint != of_captions.fingerprint


def test_rows_without_an_article_are_empty_and_counted(
    make_corpus: MakeCorpus, capsys: pytest.CaptureFixture[str]
) -> None:
    some = [None if k % 4 == 0 else article for k, article in enumerate(ARTICLES)]
    corpus = make_corpus(CAPTIONS, articles=some)
    found = build_article_topics(corpus, ArticleTopicsSettings(2, min_count=2, of="articles"), "all")
    assert np.flatnonzero(np.diff(found.matrix.indptr) == 0).tolist() == [0, 4, 8, 12]
    assert found.settings["examples_without_articles"] == 4
    assert "examples without articles: 4 of 16" in capsys.readouterr().err
    told = build_article_topics(corpus, ArticleTopicsSettings(2, min_count=2, of="captions"), "all")
    assert np.diff(told.matrix.indptr).min() > 0


def test_another_corpus_is_read_where_the_set_reads(make_corpus: MakeCorpus) -> None:
    corpus = make_corpus(CAPTIONS, articles=ARTICLES)
    another = make_corpus(CAPTIONS[::-1], articles=ARTICLES[::-1], name="another")
    for of in ("articles", "captions"):
        found = concept_set_for(corpus, "article-topics", {"of": of, **SETTINGS}, "all")
        rows = concepts_of(found, another, another.indices(None))
        np.testing.assert_allclose(rows.toarray(), found.matrix.toarray()[::-1], atol=1e-6)


def test_a_corpus_without_articles_has_a_line(make_corpus: MakeCorpus) -> None:
    with pytest.raises(InputError, match=r"none of the 16 examples of the split 'all' has an article.*'topics'"):
        build_article_topics(make_corpus(CAPTIONS), ArticleTopicsSettings(), "all")


def test_fewer_articles_than_topics_have_a_line(make_corpus: MakeCorpus) -> None:
    corpus = make_corpus(CAPTIONS, articles=[ARTICLES[0], *[None] * 15])
    settings = ArticleTopicsSettings(2, min_count=1, max_share=1)
    with pytest.raises(InputError, match="2 topics .* the texts that have any are 1, .*; give more texts, or loosen"):
        build_article_topics(corpus, settings, "all")


def test_articles_of_another_split_are_none(make_corpus: MakeCorpus) -> None:
    corpus = make_corpus(CAPTIONS, ["train"] * 8 + ["test"] * 8, articles=[None] * 8 + ARTICLES[8:])
    with pytest.raises(InputError, match="none of the 8 examples of the split 'train'"):
        build_article_topics(corpus, ArticleTopicsSettings(), "train")
