"""Images held out: the same for ever, of every class its share, copies together."""

from __future__ import annotations

import numpy as np
import pytest

from wordsight.evaluation.tasks.holdout import dealt_in_order, held_out, strata_of


def _hashes(count: int) -> list[str]:
    return [f"{i:032x}" for i in range(count)]


def test_the_split_is_the_same_in_any_order() -> None:
    hashes, strata = _hashes(200), np.arange(200) % 7
    order = np.random.default_rng(0).permutation(200)
    straight = held_out(hashes, strata, 0.2, "test")
    shuffled = held_out([hashes[i] for i in order], strata[order], 0.2, "test")
    np.testing.assert_array_equal(straight[order], shuffled)


def test_the_split_is_this_one_for_ever() -> None:
    chosen = held_out(_hashes(20), np.zeros(20, dtype=np.int64), 0.2, "validation")
    assert np.flatnonzero(chosen).tolist() == [1, 3, 13, 18]


def test_every_class_gives_its_share() -> None:
    strata = np.repeat(np.arange(10), 50)
    chosen = held_out(_hashes(500), strata, 0.2, "test")
    assert np.bincount(strata[chosen]).tolist() == [10] * 10


def test_many_small_classes_keep_the_share_of_the_whole() -> None:
    strata = np.repeat(np.arange(100), 2)
    assert held_out(_hashes(200), strata, 0.2, "test").sum() == pytest.approx(40, abs=1)


def test_a_class_is_never_given_away_whole() -> None:
    strata = np.arange(30)
    assert not held_out(_hashes(30), strata, 0.9, "test").any()


def test_classes_of_one_image_take_nothing_from_others() -> None:
    strata = np.r_[np.arange(100), np.repeat([100, 101, 102], 25)]
    chosen = held_out(_hashes(175), strata, 0.2, "test")
    assert np.bincount(strata[chosen], minlength=103)[100:].tolist() == pytest.approx([5, 5, 5], abs=1)


def test_copies_of_an_image_stay_together() -> None:
    hashes = _hashes(50) * 2
    chosen = held_out(hashes, np.arange(100) % 3, 0.3, "test")
    np.testing.assert_array_equal(chosen[:50], chosen[50:])


def test_choices_for_two_purposes_are_independent() -> None:
    strata = np.zeros(1000, dtype=np.int64)
    both = held_out(_hashes(1000), strata, 0.2, "test") & held_out(_hashes(1000), strata, 0.2, "validation")
    assert both.sum() == pytest.approx(40, abs=20)


def test_the_stratum_of_several_labels_is_the_rarest() -> None:
    targets = np.array([[1, 1, 0], [1, 0, 0], [1, 0, -1], [0, 0, 0]], dtype=np.int8)
    assert strata_of(targets).tolist() == [1, 0, 0, 3]


def test_folds_in_order_hold_each_label_s_share() -> None:
    labels = np.array([1, 0, 0, 1, 0, 0, 1, 0, 0])
    held = dealt_in_order(labels, 3)
    assert held.sum(0).tolist() == [1] * 9
    assert [np.flatnonzero(fold).tolist() for fold in held] == [[0, 1, 2], [3, 4, 5], [6, 7, 8]]


def test_too_few_examples_for_folds_give_none() -> None:
    assert not dealt_in_order(np.array([0, 1]), 3).any()
    # One positive: it is in one fold, and the others say nothing of it.
    assert dealt_in_order(np.array([1, 0, 0, 0]), 3)[:, 0].sum() == 1
