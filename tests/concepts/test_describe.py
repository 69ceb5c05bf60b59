"""What `concepts show` says: counts, shares, the rarest, examples with their captions."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import scipy.sparse

from wordsight import api
from wordsight.concepts.concept_set import ConceptSet
from wordsight.concepts.describe import describe_concepts
from wordsight.corpus import Corpus
from wordsight.errors import InputError

MakeCorpus = Callable[..., Corpus]
CAPTIONS = [["A dog and a cat", "the dog again"], ["a dog in snow"], ["... !!! ..."], ["a zebra there"]]
SPLITS = ["train", "train", "train", "test"]


@pytest.fixture
def built(make_corpus: MakeCorpus, tmp_path: Path) -> ConceptSet:
    """Three words of four examples."""
    corpus = make_corpus(CAPTIONS, SPLITS)
    settings = {"size": 4, "stop": 1, "min_count": 1}
    return api.build_concepts("words", settings, corpus=corpus.path, out=tmp_path / "set")


def test_counts_and_shares_are_those_of_the_matrix(built: ConceptSet) -> None:
    found = describe_concepts(built)
    assert found.counts == [("dog", 2), ("again", 1), ("and", 1), ("cat", 1)]
    assert found.without == {"all": 0.5, "train": pytest.approx(1 / 3), "test": 1.0}
    assert found.per_example == 2.5
    assert found.examples == 4


def test_a_set_anywhere_shows_the_captions_of_its_corpus(built: ConceptSet) -> None:
    text = api.describe_concepts(built.path or "").text()
    assert text.startswith("4 concepts (words)")
    assert "  example 0       0.png\n    A dog and a cat\n    the dog again\n    -> dog, again, and, cat" in text
    assert "33.3% of train" in text


def test_a_set_without_its_corpus_shows_its_concepts_alone(built: ConceptSet, tmp_path: Path) -> None:
    (tmp_path / "corpus").rename(tmp_path / "moved")
    text = describe_concepts(built).text()
    assert "-> dog, again, and, cat" in text
    assert "A dog and a cat" not in text
    assert "A dog and a cat" in describe_concepts(built, Corpus.open(tmp_path / "moved")).text()


def test_another_corpus_is_refused_or_passed_over(built: ConceptSet, make_corpus: MakeCorpus, tmp_path: Path) -> None:
    other = make_corpus([["quite another caption"]], name="other")
    with pytest.raises(InputError, match="this corpus .* is not that of the concept set"):
        describe_concepts(built, other)
    shutil.rmtree(tmp_path / "corpus")
    (tmp_path / "other").rename(tmp_path / "corpus")
    assert describe_concepts(built).shown[0].captions == []


def test_probabilities_are_counted_where_they_are_the_likeliest() -> None:
    matrix = scipy.sparse.csr_matrix(np.array([[0.9, 0.1], [0.2, 0.8], [0.6, 0.4], [0, 0]], dtype=np.float32))
    found = describe_concepts(ConceptSet("topics", ["dog grass", "car road"], matrix, "probabilities", "abc"))
    assert found.counts == [("dog grass", 2), ("car road", 1)]
    assert "in how many examples each is the likeliest" in found.text()
    assert "-> dog grass 0.90, car road 0.10" in found.text()


def test_a_topic_that_is_never_the_likeliest_is_still_one_that_examples_have() -> None:
    matrix = scipy.sparse.csr_matrix(np.array([[0.9, 0.1, 0], [0.8, 0.2, 0]], dtype=np.float32))
    found = describe_concepts(ConceptSet("topics", ["dog grass", "car road", "sea"], matrix, "probabilities", "abc"))
    assert found.counts == [("dog grass", 2), ("car road", 0), ("sea", 0)]
    assert "no example has  1 of the concepts" in found.text()


def test_concepts_that_no_example_has_are_said(built: ConceptSet) -> None:
    text = describe_concepts(replace(built, matrix=scipy.sparse.csr_matrix((4, 4), dtype=np.float32))).text()
    assert "no example has  4 of the concepts" in text
