"""A few answers that most images get are said to be, and not where they are right."""

from __future__ import annotations

import numpy as np
import torch

from wordsight.evaluation.image_text.few_guesses import few_classes, few_texts, guesses_of, no_difference
from wordsight.evaluation.image_text.similarity import StoredEmbeddings

NAMES = [f"class {k}" for k in range(21)]


def test_guesses_that_tie_are_shared() -> None:
    assert guesses_of(np.array([[1.0, 1, 0], [0, 2, 1]])).tolist() == [0.5, 1.5, 0]


def test_a_few_classes_that_take_most_guesses_are_named_with_their_shares() -> None:
    guesses = np.array([60.0, 37, *[3 / 19] * 19])
    (said,) = few_classes(guesses, np.full(21, 10), NAMES)
    assert said.startswith("2 of 21 classes take 97 % of the predictions and 10 % of the images")
    assert "(class 0 60 %, class 1 37 %)" in said
    (said,) = few_classes(np.array([100.0, 0, 0]), np.array([5, 5, 5]), NAMES[:3])
    assert said.startswith("1 of 3 classes takes 100 % of the predictions and 33 % of the images (class 0 100 %)")


def test_guesses_that_are_as_the_images_are_nothing_to_say() -> None:
    assert few_classes(np.full(21, 10.0), np.full(21, 10), NAMES) == []
    # Most images are of two classes, and so are most guesses.
    skewed = np.array([90, 60, *[1] * 19])
    assert few_classes(skewed.astype(np.float64), skewed, NAMES) == []
    assert few_classes(np.array([9.0, 1.0]), np.array([5, 5]), NAMES[:2]) == []


def test_a_few_texts_that_are_first_for_half_of_the_images_are_said() -> None:
    (said,) = few_texts(np.array([7] * 60 + list(range(100, 140))), 500)
    assert said.startswith("1 of 500 texts is the first answer of 60 % of the images")
    assert few_texts(np.arange(100), 500) == []
    assert few_texts(np.zeros(10, dtype=np.int64), 50) == []


def test_images_that_are_all_the_same_to_it_are_said_to_be() -> None:
    same = torch.ones(600, 3) * 7
    (said,) = no_difference(StoredEmbeddings(same))
    assert "it sees no difference between the images, so this is chance" in said
    # The last of many differs.
    other = same.clone()
    other[-1, 0] += 0.01
    assert no_difference(StoredEmbeddings(other)) == []
    assert no_difference(StoredEmbeddings(same[:1])) == []
