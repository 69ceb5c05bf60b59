"""Topics of captions (TP_LDA): planted ones are found, probabilities are scikit-learn's, and bad input has its line."""

from __future__ import annotations

from collections.abc import Callable
from itertools import product
from pathlib import Path

import numpy as np
import pytest
import scipy.sparse
from sklearn.decomposition import LatentDirichletAllocation

from wordsight.concepts import lda
from wordsight.concepts.apply import concepts_of
from wordsight.concepts.cached import concept_set_for
from wordsight.concepts.concept_set import ConceptSet
from wordsight.concepts.documents import Limits, Preparation, bags_of, vocabulary_of
from wordsight.concepts.lda import Fit, Topics, fit_topics
from wordsight.concepts.topics import TopicsSettings, _in_some_text, apply_topics, build_topics
from wordsight.corpus import Corpus
from wordsight.errors import InputError

pytest.importorskip("spacy")
MakeCorpus = Callable[..., Corpus]
SEA = [("surfer", "sailor"), ("wave", "boat"), ("ocean", "harbour")]
SNOW = [("skier", "climber"), ("slope", "glacier"), ("mountain", "valley")]
CAPTIONS = [[f"the {a} with the {b} .", f"a {b} of the {c} ."] for theme in (SEA, SNOW) for a, b, c in product(*theme)]
SMALL = TopicsSettings(size=2, min_count=2, passes=20)


def test_planted_topics_are_found_and_named_by_their_words(make_corpus: MakeCorpus) -> None:
    found = build_topics(make_corpus(CAPTIONS * 3), SMALL, "all")
    dense = found.matrix.toarray()
    assert found.target == "probabilities"
    assert len(set(dense[:8].argmax(1))) == len(set(dense[8:16].argmax(1))) == 1
    assert dense[0].argmax() != dense[8].argmax()
    assert dense.max(1).min() > 0.8
    sea = {word for words in SEA for word in words}
    assert set(found.names[dense[0].argmax()].split()) <= sea
    assert not set(found.names[dense[8].argmax()].split()) & sea


def test_probabilities_are_those_of_scikit_learn_s_own_fit() -> None:
    texts = ["\n".join(captions) for captions in CAPTIONS * 3]
    preparation = Preparation("unicode", "en", True, 3)
    vocabulary = vocabulary_of(texts, preparation, Limits(2, 0.5))
    bags = bags_of(texts, vocabulary, preparation)
    topics = fit_topics(bags, vocabulary, Fit(3, 5, 1, 7))
    theirs = LatentDirichletAllocation(3, learning_method="online", batch_size=8, max_iter=5, random_state=7)
    expected = theirs.fit(bags[np.random.default_rng(7).permutation(48)]).transform(bags)
    np.testing.assert_allclose(topics.components, theirs.components_, rtol=1e-5)
    np.testing.assert_allclose(topics.of_bags(bags).toarray(), np.where(expected < 0.01, 0, expected), atol=1e-5)


def test_a_text_has_no_probability_below_one_percent_and_they_sum_to_about_one(
    real_captions: list[list[str]], make_corpus: MakeCorpus
) -> None:
    found = build_topics(make_corpus(real_captions), TopicsSettings(size=10, min_count=5), "all")
    assert found.matrix.data.min() >= lda.LEAST
    sums = np.asarray(found.matrix.sum(1)).ravel()
    assert sums.max() <= 1.0001
    assert sums.min() > 0.9
    assert found.matrix.dtype == np.float32
    assert any("dog" in name for name in found.names)


def test_an_example_without_a_known_word_has_no_topics_and_that_is_said(
    make_corpus: MakeCorpus, capsys: pytest.CaptureFixture[str]
) -> None:
    corpus = make_corpus([*CAPTIONS, ["something else stands here ."], []])
    found = build_topics(corpus, SMALL, "all")
    assert np.diff(found.matrix.indptr)[-2:].tolist() == [0, 0]
    assert (found.settings["examples_without_captions"], found.settings["examples_without_known_words"]) == (1, 1)
    assert "examples without captions: 1 of 18" in capsys.readouterr().err


def test_other_texts_have_the_topics_that_the_same_texts_have_in_the_set(
    make_corpus: MakeCorpus, tmp_path: Path
) -> None:
    corpus = make_corpus(CAPTIONS)
    build_topics(corpus, SMALL, "all").save(tmp_path / "set")
    opened = ConceptSet.open(tmp_path / "set")
    found = apply_topics(opened, [*CAPTIONS, []])
    np.testing.assert_allclose(found[:-1].toarray(), opened.matrix.toarray(), atol=1e-6)
    assert found[-1].nnz == 0
    assert apply_topics(opened, []).shape == (0, 2)
    another = make_corpus(CAPTIONS[::2], name="another")
    rows = concepts_of(opened, another, another.indices(None))
    np.testing.assert_allclose(rows.toarray(), opened.matrix.toarray()[::2], atol=1e-6)


def test_held_out_captions_are_not_fitted_on_but_have_their_topics(make_corpus: MakeCorpus) -> None:
    other = [["the juggler with the unicycle .", "a surfer of the ocean ."]] * 1
    corpus = make_corpus([*CAPTIONS, *other], ["train"] * 16 + ["test"])
    found = build_topics(corpus, SMALL, "train")
    assert "juggler" not in found.arrays["vocabulary"]
    assert found.matrix[16].nnz > 0


def test_the_same_seed_gives_the_same_topics(make_corpus: MakeCorpus) -> None:
    first, second, other = (make_corpus(CAPTIONS, name=name) for name in ("first", "second", "other"))
    assert build_topics(first, SMALL, "all").fingerprint == build_topics(second, SMALL, "all").fingerprint
    reseeded = TopicsSettings(size=2, min_count=2, passes=20, seed=1)
    assert build_topics(other, reseeded, "all").fingerprint != build_topics(first, SMALL, "all").fingerprint


def test_a_topic_that_no_example_has_is_left_out(make_corpus: MakeCorpus, monkeypatch: pytest.MonkeyPatch) -> None:
    fitted = lda.fit_topics

    def with_a_dead_one(*given: object) -> Topics:
        topics = fitted(*given)  # type: ignore[arg-type]
        dead = np.full((1, len(topics.vocabulary)), 1e-3)
        return Topics(np.vstack([dead, topics.components]), topics.vocabulary, topics.prior / 100)

    monkeypatch.setattr(lda, "fit_topics", with_a_dead_one)
    found = build_topics(make_corpus(CAPTIONS), SMALL, "all")
    assert len(found) == found.matrix.shape[1] == len(found.arrays["topics"]) == 2
    assert found.matrix.getnnz(axis=0).min() > 0


SHORT = [["a red kite above a green hill"], ["an old tram in a narrow street"]] * 40


@pytest.mark.parametrize("size", [4, 6, 8])
def test_few_topics_of_short_texts_that_no_text_is_about_are_left_out(
    make_corpus: MakeCorpus, capsys: pytest.CaptureFixture[str], size: int
) -> None:
    # Of a text of five words a topic that has none of them has a share of 1 / (6 * size), above the least of 0.01.
    found = build_topics(make_corpus(SHORT), TopicsSettings(size=size, min_count=2), "all")
    assert len(found) == 2
    assert sorted(np.bincount(found.matrix.toarray().argmax(1)).tolist()) == [40, 40]
    assert found.settings["topics_left_out"] == size - 2
    assert f"topics that are in no text, left out: {size - 2} of {size}" in capsys.readouterr().err


def test_a_topic_is_kept_for_one_word_of_one_text_or_as_the_likeliest_of_one() -> None:
    prior, words = 0.25, np.array([4, 4, 1], np.float32)
    of_topic = np.array([[4, 0, 0, 0], [3, 1, 0, 0], [0.3, 0, 0.4, 0.3]]) + prior
    share = scipy.sparse.csr_matrix(of_topic / of_topic.sum(1, keepdims=True))
    assert _in_some_text(share, words, prior).tolist() == [True, True, True, False]


def test_two_topics_of_the_same_first_words_have_longer_names() -> None:
    components = np.array([[5.0, 4, 3, 2, 1], [5, 4, 3, 1, 2]])
    assert Topics(components, list("abcde"), 0.5).names() == ["a b c d", "a b c e"]


def test_bad_input_has_a_line(make_corpus: MakeCorpus) -> None:
    corpus = make_corpus(CAPTIONS)
    with pytest.raises(InputError, match="'all' holds no captions"):
        build_topics(make_corpus([[], []], name="empty"), SMALL, "all")
    with pytest.raises(InputError, match="fewer than 200 of 16 texts; give min_count="):
        build_topics(corpus, TopicsSettings(size=2, min_count=200), "all")
    with pytest.raises(InputError, match="40 topics are asked for.*their words 12; give size=12 or less"):
        build_topics(corpus, TopicsSettings(size=40, min_count=2), "all")
    with pytest.raises(InputError, match="size is 1; expected a number from 2"):
        build_topics(corpus, TopicsSettings(size=1), "all")
    with pytest.raises(InputError, match="passes is 0"):
        build_topics(corpus, TopicsSettings(passes=0), "all")
    with pytest.raises(InputError, match="'min_count'"):
        concept_set_for(corpus, "topics", {"mincount": 2}, "all")
    with pytest.raises(InputError, match="language"):
        build_topics(corpus, TopicsSettings(language="de"), "all")


def test_a_damaged_fit_is_made_again(make_corpus: MakeCorpus) -> None:
    corpus = make_corpus(CAPTIONS)
    before = build_topics(corpus, SMALL, "all").fingerprint
    for file in corpus.path.glob("concepts/lda-*/components.npy"):
        file.write_bytes(file.read_bytes()[:100])
    assert build_topics(corpus, SMALL, "all").fingerprint == before
