"""Counted trigrams are a distribution, by the formula; what was said often is likelier."""

from __future__ import annotations

import math

import pytest

from wordsight.language.trigrams import Trigrams

SENTENCES = ["a dog runs", "A dog runs!", "a cat sleeps", "the dog sleeps"]


def test_probabilities_are_those_of_absolute_discounting_by_hand() -> None:
    model = Trigrams(["a b", "a c"])
    # Words after nothing: a 2, b 1, c 1, the end 2; of 6, each less 0.75, which four kinds and the unknown share.
    alone = (1 - 0.75 + 0.75 * 4 / 5) / 6
    # After "a": b 1, c 1. After "<s> a" the same.
    after_a = (1 - 0.75 + 0.75 * 2 * alone) / 2
    after_both = (1 - 0.75 + 0.75 * 2 * after_a) / 2
    assert math.exp(model.log_probability("a b") - model.log_probability("a c")) == pytest.approx(1)
    assert model._probability(("<s>", "a"), "b") == pytest.approx(after_both)


@pytest.mark.parametrize("context", [(), ("dog",), ("a", "dog"), ("never", "dog"), ("never", "said")])
def test_they_sum_to_one_over_all_words_and_the_unknown(context: tuple[str, ...]) -> None:
    model = Trigrams(SENTENCES)
    words = {"a", "dog", "runs", "cat", "sleeps", "the", "</s>", "unheard"}
    assert sum(model._probability(context, word) for word in words) == pytest.approx(1)


def test_what_was_said_is_likelier_than_the_same_words_in_another_order() -> None:
    model = Trigrams(SENTENCES)
    assert model.log_probability("a dog runs") > model.log_probability("dog a runs")
    assert math.isfinite(model.log_probability("nobody said this"))
    assert model.log_probability("A DOG, runs.") == model.log_probability("a dog runs")
