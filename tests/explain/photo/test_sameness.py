"""Attention that tells nothing of the words is recognised, and attention that does is not."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from wordsight.explain.photo.sameness import sameness


def peak(row: int, column: int, sharpness: float = 1.0) -> NDArray[np.float32]:
    """A map over 7 x 7 cells around one of them."""
    rows, columns = np.mgrid[:7, :7]
    heat = np.exp(-sharpness * ((rows - row) ** 2 + (columns - column) ** 2) / 4)
    return np.asarray(heat / heat.sum(), dtype=np.float32)


def test_the_same_corner_for_every_word_is_told() -> None:
    noise = np.random.default_rng(0).normal(1, 0.03, (4, 7, 7))
    maps = [np.asarray(peak(6, 0) * each / (peak(6, 0) * each).sum(), dtype=np.float32) for each in noise]
    assert "nearly the same for all 4 words" in sameness(maps, ["dog", "ball", "red", "beach"])


def test_attention_spread_evenly_is_told_even_of_one_word() -> None:
    assert "evenly" in sameness([np.full((7, 7), 1 / 49, np.float32)], ["dog"])
    assert "evenly" in sameness([peak(3, 3, 0.01)], ["dog"])


@pytest.mark.parametrize("other", [(6, 1), (3, 3), (0, 6)])
def test_words_that_are_looked_for_in_different_places_are_not_remarked_on(other: tuple[int, int]) -> None:
    assert sameness([peak(6, 0), peak(6, 0), peak(*other)], ["dog", "puppy", "ball"]) == ""


def test_one_word_or_the_same_word_twice_may_have_one_map() -> None:
    assert sameness([peak(6, 0)], ["dog"]) == ""
    assert sameness([peak(6, 0)] * 2, ["dog", "Dog"]) == ""
    assert sameness([peak(6, 0)] * 2, ["dog", "ball"]) != ""


def test_of_words_that_are_read_nothing_is_said_to_be_hidden() -> None:
    alike, even = [peak(6, 0)] * 2, [np.full((7, 7), 1 / 49, np.float32)]
    for maps, words in ((alike, ["dog", "ball"]), (even, ["dog"])):
        assert "hidden" not in sameness(maps, words, hidden=False) != ""
    assert "tell no word from another" in sameness(alike, ["dog", "ball"], hidden=False)
