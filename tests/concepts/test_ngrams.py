"""Concept sets of sequences of words: which they are, where they end, and where they hold."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from sklearn.feature_extraction.text import CountVectorizer

from wordsight.concepts.ngrams import NgramsSettings, apply_ngrams, build_ngrams
from wordsight.corpus import Corpus
from wordsight.errors import InputError

MakeCorpus = Callable[..., Corpus]
CAPTIONS = [["A black dog runs.", "The Black Dog!"], ["a black cat, a dog"], ["a black-dog house"]]


def test_sequences_of_each_length_are_counted_and_end_at_punctuation(make_corpus: MakeCorpus) -> None:
    found = build_ngrams(make_corpus(CAPTIONS), NgramsSettings(size=8), "all")
    assert found.names == ["a", "black", "dog", "a black", "black dog", "a dog", "black cat", "cat"]
    assert found.occurrences is None  # a sequence of words can't be masked
    rows = [[1, 1, 1, 1, 1, 0, 0, 0], [1, 1, 1, 1, 0, 1, 1, 1], [1, 1, 1, 1, 1, 0, 0, 0]]
    np.testing.assert_array_equal(found.matrix.toarray(), rows)


def test_the_lengths_can_be_chosen(make_corpus: MakeCorpus) -> None:
    corpus = make_corpus(CAPTIONS)
    found = build_ngrams(corpus, NgramsSettings(size=2, shortest=3, longest=4), "all")
    assert found.names == ["a black dog", "a black cat"]
    with pytest.raises(InputError, match="3 to 2 words are given"):
        build_ngrams(corpus, NgramsSettings(shortest=3, longest=2), "all")


def test_the_same_as_scikit_learn_on_real_captions(real_captions: list[list[str]], make_corpus: MakeCorpus) -> None:
    plain = [[caption for caption in captions if "'" not in caption] for captions in real_captions]
    corpus = make_corpus([[caption.replace(".", "").replace(",", "") for caption in each] for each in plain])
    found = build_ngrams(corpus, NgramsSettings(size=400, shortest=2, longest=3), "all")
    counter = CountVectorizer(token_pattern="[a-z0-9]+", ngram_range=(2, 3))
    texts = [(i, text) for i, _, text in corpus.caption_iter(corpus.indices(None))]
    theirs = counter.fit_transform([text for _, text in texts]).tocsc()
    known = counter.vocabulary_
    counts = np.asarray(theirs.sum(axis=0)).ravel()
    assert [counts[known[name]] for name in found.names] == sorted(counts.tolist(), reverse=True)[:400]
    for k, name in enumerate(found.names[::40]):
        where = {texts[row][0] for row in theirs[:, known[name]].nonzero()[0]}
        assert set(found.matrix[:, 40 * k].nonzero()[0].tolist()) == where


def test_sequences_of_a_set_are_found_in_other_texts(make_corpus: MakeCorpus) -> None:
    corpus = make_corpus(CAPTIONS)
    found = build_ngrams(corpus, NgramsSettings(size=8), "all")
    again = apply_ngrams(found, [corpus.captions(i) for i in range(3)])
    np.testing.assert_array_equal(again.toarray(), found.matrix.toarray())
    assert apply_ngrams(found, [["BLACK DOG"], []]).toarray().sum(axis=1).tolist() == [3, 0]


def test_too_few_sequences_and_too_little_room_are_said(
    make_corpus: MakeCorpus, capsys: pytest.CaptureFixture[str]
) -> None:
    corpus = make_corpus(CAPTIONS)
    with pytest.raises(InputError, match="hold 14 sequences of words; give size=14 or less"):
        build_ngrams(corpus, NgramsSettings(size=15), "all")
    found = build_ngrams(corpus, NgramsSettings(size=2, capacity=6), "all")
    assert found.names == ["a", "black"]
    assert found.settings["counts_too_low_by_at_most"] == 3
    assert "rare ones were forgotten" in capsys.readouterr().err
