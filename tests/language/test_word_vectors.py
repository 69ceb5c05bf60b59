"""Vectors of words: unit vectors of the language model, or of its vocabulary."""

from __future__ import annotations

import pytest
import torch

from wordsight.language.model import LanguageModel
from wordsight.language.word_vectors import WordVectors


def test_a_word_of_the_vocabulary_has_its_row_and_a_text_the_mean_of_its_tokens(minilm: LanguageModel) -> None:
    vectors = WordVectors(minilm, "vocabulary").of(["dog", "a dog", ""])
    ids = minilm.tokenizer(["dog", "a"], add_special_tokens=False)["input_ids"]
    dog, article = (minilm.vocabulary_matrix()[one[0]] for one in ids)
    torch.testing.assert_close(vectors[0], dog / dog.norm())
    mean = (dog + article) / 2
    torch.testing.assert_close(vectors[1], mean / mean.norm())
    assert not vectors[2].any(), "of no word there is no vector"


@pytest.mark.parametrize("kind", ["contextual", "vocabulary"])
def test_words_of_like_meaning_are_near(minilm: LanguageModel, kind: str) -> None:
    words = WordVectors(minilm, "contextual" if kind == "contextual" else "vocabulary")
    vectors = words.of(["puppy", "lorry", "dog", "truck"])
    torch.testing.assert_close(vectors.norm(dim=1), torch.ones(4))
    cosine = vectors[:2] @ vectors[2:].T
    assert cosine.argmax(1).tolist() == [0, 1]


def test_words_of_which_no_part_is_known_are_named(minilm: LanguageModel) -> None:
    assert WordVectors(minilm, "contextual").unknown(["dog", "\u2d63", "\u2d63\u2d63"]) == ["\u2d63", "\u2d63\u2d63"]
