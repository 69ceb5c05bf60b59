"""Concept sets of what nouns mean, with a small lexicon of our own and with WordNet where it is installed."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from wordsight.concepts.synsets import SynsetsSettings, apply_synsets, build_synsets
from wordsight.corpus import Corpus
from wordsight.errors import InputError
from wordsight.language.wordnet import open_wordnet

pytest.importorskip("spacy")
MakeCorpus = Callable[..., Corpus]
CAPTIONS = [
    ["A dog is running on the bank .", "Two dogs are running ."],
    ["A puppy is sleeping on the sofa ."],
    ["A couch is near the bank ."],
]


class Fake:
    """A lexicon of five words."""

    meanings = {  # noqa: RUF012 (nothing changes it)
        "dog": ["dog.n.01", "frump.n.01"],
        "dogs": ["dog.n.01", "frump.n.01"],
        "sofa": ["sofa.n.01"],
        "couch": ["sofa.n.01"],
        "bank": ["bank.n.01", "depository.n.01"],
    }

    def synsets(self, noun: str) -> list[str]:
        return self.meanings.get(noun, [])


def test_words_of_one_meaning_are_one_concept(make_corpus: MakeCorpus) -> None:
    corpus = make_corpus(CAPTIONS)
    found = build_synsets(corpus, SynsetsSettings(size=0), "all", Fake())
    assert found.names == ["bank.n.01", "dog.n.01", "sofa.n.01"]
    np.testing.assert_array_equal(found.matrix.toarray(), [[1, 1, 0], [0, 0, 1], [1, 0, 1]])
    assert found.matrix.dtype == np.float32
    again = apply_synsets(found, [corpus.captions(i) for i in range(3)], Fake())
    np.testing.assert_array_equal(again.toarray(), found.matrix.toarray())


def test_a_noun_may_stand_for_all_its_meanings(make_corpus: MakeCorpus) -> None:
    corpus = make_corpus(CAPTIONS)
    found = build_synsets(corpus, SynsetsSettings(size=5, senses="all"), "all", Fake())
    assert found.names == ["bank.n.01", "depository.n.01", "dog.n.01", "frump.n.01", "sofa.n.01"]
    np.testing.assert_array_equal(found.matrix.toarray(), [[1, 1, 1, 1, 0], [0, 0, 0, 0, 1], [1, 1, 0, 0, 1]])
    np.testing.assert_array_equal(apply_synsets(found, [["the dogs"]], Fake()).toarray(), [[0, 0, 1, 1, 0]])


def test_the_split_chooses_the_most_frequent(make_corpus: MakeCorpus) -> None:
    corpus = make_corpus(CAPTIONS, ["train", "test", "train"])
    assert build_synsets(corpus, SynsetsSettings(size=2), "train", Fake()).names == ["bank.n.01", "dog.n.01"]
    with pytest.raises(InputError, match="4 concepts are asked for, .* 'train' hold 3 synsets; give size=3"):
        build_synsets(corpus, SynsetsSettings(size=4), "train", Fake())
    with pytest.raises(InputError, match="unknown senses 'frist'.*did you mean 'first'"):
        build_synsets(corpus, SynsetsSettings(senses="frist"), "train", Fake())  # type: ignore[arg-type]


def test_real_captions_mean_what_wordnet_says(real_captions: list[list[str]], make_corpus: MakeCorpus) -> None:
    try:
        known = open_wordnet()
    except InputError as absent:
        pytest.skip(str(absent))
    assert known.synsets("dogs")[0] == "dog.n.01"
    assert known.synsets("men")[0] == "man.n.01"
    assert len(known.synsets("dog")) == 7
    assert known.synsets("glasses")[0] == "spectacles.n.01"
    found = build_synsets(make_corpus(real_captions), SynsetsSettings(size=50), "all")
    assert {"dog.n.01", "man.n.01", "water.n.01"} <= set(found.names[:20])


def test_other_texts_have_words_of_the_same_kind_as_those_it_was_built_from(make_corpus: MakeCorpus) -> None:
    class OneLetter(Fake):
        meanings = {**Fake.meanings, "x": ["dog.n.01"]}  # noqa: RUF012 (nothing changes it)

    texts = [["The x is near the dog ."], ["The x is on the sofa ."]]
    found = build_synsets(make_corpus(texts), SynsetsSettings(size=0), "all", OneLetter())
    assert found.names == ["dog.n.01", "sofa.n.01"]
    np.testing.assert_array_equal(found.matrix.toarray(), [[1, 0], [0, 1]])
    np.testing.assert_array_equal(apply_synsets(found, texts, OneLetter()).toarray(), [[1, 0], [0, 1]])
