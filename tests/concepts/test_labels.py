"""Concept sets of annotated labels, whole and as random subsets."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from wordsight.concepts.apply import concepts_of
from wordsight.concepts.labels import LabelsSettings, build_labels
from wordsight.corpus import Corpus
from wordsight.errors import InputError

MakeCorpus = Callable[..., Corpus]
LABELS = [["cat"], ["dog"], ["dog", "cat"], [], ["zebra"]] + [["cat"], ["dog"], ["horse"]] * 5
SPLITS = ["train"] * 4 + ["test"] + ["train"] * 15


@pytest.fixture
def corpus(make_corpus: MakeCorpus) -> Corpus:
    """Twenty examples with up to two labels; only a test example is a zebra."""
    ignored: list[list[str]] = [[] for _ in LABELS]
    ignored[1] = ["cat"]
    return make_corpus([[]] * len(LABELS), SPLITS, labels=LABELS, ignored=ignored)


def test_labels_are_concepts_and_those_without_an_example_are_left_out(
    corpus: Corpus, capsys: pytest.CaptureFixture[str]
) -> None:
    found = build_labels(corpus, LabelsSettings(), "train")
    assert found.names == ["cat", "dog", "horse"]
    np.testing.assert_array_equal(found.matrix[:5].toarray(), [[1, 0, 0], [0, 1, 0], [1, 1, 0], [0, 0, 0], [0, 0, 0]])
    assert "1 classes have no example in the split 'train': they are left out" in capsys.readouterr().err
    assert found.settings["classes_without_examples"] == 1
    assert build_labels(corpus, LabelsSettings(), "all").names == ["cat", "dog", "horse", "zebra"]


def test_a_subset_has_so_many_of_each_class_and_no_concepts_elsewhere(corpus: Corpus) -> None:
    found = build_labels(corpus, LabelsSettings(per_class=2), "train")
    counts = found.matrix[corpus.indices("train")].getnnz(axis=0)
    assert (counts >= 2).all()
    assert counts.sum() <= 8
    whole = build_labels(corpus, LabelsSettings(), "train").matrix
    held = np.diff(found.matrix.indptr) > 0
    np.testing.assert_array_equal(found.matrix[held].toarray(), whole[held].toarray())
    assert held[corpus.indices("train")].sum() <= 6


def test_fewer_are_always_among_more_and_the_seed_chooses(corpus: Corpus) -> None:
    def drawn(per_class: int, seed: int) -> set[int]:
        found = build_labels(corpus, LabelsSettings(per_class=per_class, seed=seed), "train")
        return set(np.flatnonzero(np.diff(found.matrix.indptr)).tolist())

    assert drawn(2, 0) < drawn(4, 0)
    assert drawn(2, 0) == drawn(2, 0)
    assert len({frozenset(drawn(2, seed)) for seed in range(5)}) > 1
    assert drawn(100, 0) == drawn(0, 0)


def test_examples_of_other_splits_keep_their_labels(corpus: Corpus) -> None:
    found = build_labels(corpus, LabelsSettings(per_class=1), "test")
    assert found.names == ["zebra"]
    corpus_names = build_labels(corpus, LabelsSettings(classes=4, per_class=1), "all")
    assert corpus_names.names == ["cat", "dog", "horse", "zebra"]


def test_classes_are_drawn_at_random_and_keep_their_order(corpus: Corpus) -> None:
    drawn = [build_labels(corpus, LabelsSettings(classes=2, seed=seed), "train").names for seed in range(8)]
    assert all(names == sorted(names) and len(names) == 2 for names in drawn)
    assert len(set(map(tuple, drawn))) > 1


def test_labels_of_another_corpus_are_read_from_it(corpus: Corpus, make_corpus: MakeCorpus) -> None:
    found = build_labels(corpus, LabelsSettings(), "train")
    other = make_corpus([[], []], name="other", labels=[["horse", "yak"], ["cat"]])
    np.testing.assert_array_equal(concepts_of(found, other, other.indices(None)).toarray(), [[0, 0, 1], [1, 0, 0]])


def test_what_can_not_be_is_said_in_a_line(corpus: Corpus, make_corpus: MakeCorpus) -> None:
    with pytest.raises(InputError, match="5 classes are asked for, .* have 3; give classes=3 or less"):
        build_labels(corpus, LabelsSettings(classes=5), "train")
    with pytest.raises(InputError, match=r"no example of the split 'all' has a label; .* build it with `labels`"):
        build_labels(make_corpus([["a dog runs"]], name="unlabelled"), LabelsSettings(), "all")
    with pytest.raises(InputError, match="per_class is -1; expected a number from 0"):
        build_labels(corpus, LabelsSettings(per_class=-1), "train")
