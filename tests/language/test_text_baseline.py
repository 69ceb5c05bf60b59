"""The text-only baseline: what captions alone tell of masked words."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from wordsight.corpus import Corpus
from wordsight.errors import InputError
from wordsight.heads.token_classifier import TokenClassifier
from wordsight.heads.vocabulary import Vocabulary
from wordsight.language.features import MaskedCaptions, masked_captions
from wordsight.language.model import LanguageModel
from wordsight.language.text_baseline import (
    TextBaselineSettings,
    frequency_scores,
    masked_features,
    text_baseline,
    train_text_baseline,
    word_scores,
)

WORDS = ["dog", "cat", "grass", "sofa", "man", "woman"]
QUICK = TextBaselineSettings(epochs=30, batch_size=16, patience=30)


@pytest.fixture
def halves(
    make_corpus: Callable[..., Corpus], spans_of: Callable[..., Any], minilm: LanguageModel, tmp_path: Path
) -> tuple[MaskedCaptions, MaskedCaptions]:
    """Captions in which the place tells the animal, but nothing tells the person."""
    captions = [
        [f"a {person} sees a {animal} on the {place} near {number} trees"]
        for number in ("two", "three", "four", "five", "six", "seven", "eight", "nine", "ten", "twenty")
        for person in ("man", "woman")
        for animal, place in (("dog", "grass"), ("cat", "sofa"))
    ]
    corpus = make_corpus(captions, ["train" if k % 3 else "test" for k in range(len(captions))])
    spans = spans_of(corpus, WORDS)
    train, test = (
        masked_captions(corpus, spans, minilm, corpus.indices(split), tmp_path / "cache") for split in ("train", "test")
    )
    return train, test


def test_it_learns_what_text_tells_and_no_more(
    halves: tuple[MaskedCaptions, MaskedCaptions], minilm: LanguageModel
) -> None:
    found = text_baseline(*halves, minilm, settings=QUICK)
    assert 75 < found.trained.top1 < 95  # two thirds are certain, one third is a coin
    assert found.trained.top5 == 100
    assert found.untrained is None
    assert found.frequency.top1 < 25
    assert found.scored == len(halves[1])


def test_the_same_seed_gives_the_same_head(
    halves: tuple[MaskedCaptions, MaskedCaptions], minilm: LanguageModel
) -> None:
    first, second = (train_text_baseline(halves[0], minilm, settings=QUICK).state_dict() for _ in range(2))
    assert all(torch.equal(first[name], second[name]) for name in first)


def test_training_leaves_the_random_state_as_it_was(
    halves: tuple[MaskedCaptions, MaskedCaptions], minilm: LanguageModel
) -> None:
    before = torch.get_rng_state()
    train_text_baseline(halves[0], minilm, settings=QUICK)
    assert torch.equal(before, torch.get_rng_state())


def test_candidates_limit_what_is_chosen_among(
    halves: tuple[MaskedCaptions, MaskedCaptions], minilm: LanguageModel
) -> None:
    animals = np.array(minilm.tokenizer.convert_tokens_to_ids(["dog", "cat"]))
    head = train_text_baseline(halves[0], minilm, animals, QUICK)
    assert head.vocabulary.ids.tolist() == sorted(animals.tolist())


def test_features_at_the_mask_are_the_same_kept_and_computed_anew(
    halves: tuple[MaskedCaptions, MaskedCaptions], minilm: LanguageModel, monkeypatch: pytest.MonkeyPatch
) -> None:
    rows = np.array([5, 0, 3])
    kept = masked_features(halves[1], minilm, rows)
    monkeypatch.setattr(halves[1], "live", True)
    halves[1].__dict__.pop("flat_features")
    torch.testing.assert_close(masked_features(halves[1], minilm, rows), kept, atol=0.02, rtol=0.02)


def test_scores_by_hand() -> None:
    """V is the identity, so a feature's largest entry is the guess, once the head is made to pass it on."""
    head = TokenClassifier(Vocabulary(torch.eye(6)))
    with torch.no_grad():
        head.dense.weight.copy_(torch.eye(6))
        head.dense.bias.zero_()
    features = torch.tensor([[6.0, 5, 4, 3, 2, 1], [6.0, 5, 4, 3, 2, 1], [1.0, 2, 3, 4, 5, 6], [1.0, 2, 3, 4, 5, 6]])
    scores = word_scores(head, features, torch.tensor([0, 5, 4, 5]))
    assert (scores.top1, scores.top5) == (50, 75)


def test_frequency_by_hand() -> None:
    train = np.array([7, 7, 7, 2, 2, 9, 4, 5, 6, 1], dtype=np.int32)
    scores = frequency_scores(train, np.array([7, 7, 2, 1, 3], dtype=np.int32))
    assert (scores.top1, scores.top5) == (40, 80)


def test_nothing_to_learn_from_is_said(halves: tuple[MaskedCaptions, MaskedCaptions], minilm: LanguageModel) -> None:
    with pytest.raises(InputError, match="no masked word"):
        train_text_baseline(halves[0], minilm, np.array([5]), QUICK)
    with pytest.raises(InputError, match="to score"):
        word_scores(TokenClassifier(Vocabulary(torch.eye(6))), torch.empty(0, 6), torch.empty(0, dtype=torch.long))
