"""Masking is BERT's, every sentence has its turn, and a batch is a function of seed and step alone."""

from __future__ import annotations

import itertools
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from wordsight.language.masked_steps import MaskedSteps, MaskSettings, held_out_batches, mask_tokens
from wordsight.language.sentences import Sentences, tokenised
from wordsight.language.wordpiece import SPECIAL, bert_tokenizer, continues_word, train_wordpiece

TEXTS = [
    " ".join(("ein", who, how, "läuft", where, "und", "schläft")[:length])
    for who, how, where, length in itertools.product(
        ("hund", "mann", "kind", "vogel", "mädchen"),
        ("schnell", "langsam", "fröhlich", "heute"),
        ("draußen", "drinnen", "daheim", "überall"),
        (3, 5, 6, 7),
    )
]
MASK = SPECIAL.index("[MASK]")


def tokenizer_of(texts: list[str], size: int) -> tuple[Any, NDArray[np.bool_]]:
    vocabulary = train_wordpiece(texts, size)
    made = bert_tokenizer(vocabulary, lowercase=True, strip_accents=False, max_tokens=16)
    return made, np.array(continues_word(vocabulary))


@pytest.fixture(scope="module")
def text() -> tuple[Sentences, NDArray[np.bool_]]:
    """Sentences in whole words."""
    tokenizer, continues_V = tokenizer_of(TEXTS, 400)
    return tokenised(TEXTS, tokenizer, 16), continues_V


@pytest.fixture(scope="module")
def pieces() -> tuple[Sentences, NDArray[np.bool_]]:
    """Sentences whose words are of several pieces."""
    tokenizer, continues_V = tokenizer_of(TEXTS, 75)
    assert continues_V.sum() > 20
    return tokenised(TEXTS, tokenizer, 64), continues_V


def steps_of(text: tuple[Sentences, NDArray[np.bool_]], seed: int = 0, **masks: Any) -> MaskedSteps:
    sentences, continues_V = text
    rows = np.arange(len(sentences))
    return MaskedSteps(sentences, rows, continues_V, MaskSettings(**masks), batch_tokens=64, epochs=3, seed=seed)


def test_every_sentence_has_its_turn_once_an_epoch(text: tuple[Sentences, NDArray[np.bool_]]) -> None:
    sentences, _ = text
    steps = steps_of(text, masked=0.0, random=0.0)
    whole = sorted(tuple(sentences.ids[a:b].tolist()) for a, b in itertools.pairwise(sentences.offsets.tolist()))
    for epoch in range(2):
        seen = []
        for step in range(epoch * steps.steps_per_epoch, (epoch + 1) * steps.steps_per_epoch):
            batch = steps[step]
            assert batch.ids_BT.numel() <= 64
            seen += [tuple(token for token in row if token != 0) for row in batch.ids_BT.tolist()]
        assert sorted(seen) == whole
    assert len(steps) == 3 * steps.steps_per_epoch


def test_a_batch_depends_on_seed_and_step_alone(text: tuple[Sentences, NDArray[np.bool_]]) -> None:
    once, again, other = steps_of(text), steps_of(text), steps_of(text, seed=1)
    for step in (0, 5, len(once) - 1):
        assert torch.equal(once[step].ids_BT, again[step].ids_BT)
        assert torch.equal(once[step].places_M, again[step].places_M)
    assert not torch.equal(once[0].ids_BT, other[0].ids_BT)
    later = once[once.steps_per_epoch]
    assert once[0].ids_BT.shape != later.ids_BT.shape or not torch.equal(once[0].ids_BT, later.ids_BT)


def test_15_percent_are_asked_for_and_80_10_10_of_them_replaced(text: tuple[Sentences, NDArray[np.bool_]]) -> None:
    sentences, continues_V = text
    rows = np.flatnonzero(sentences.lengths == 9).repeat(200)
    batch = mask_tokens(sentences, rows, continues_V, MaskSettings(share=0.3), np.random.default_rng(0))
    original = torch.from_numpy(
        sentences.ids[sentences.offsets[rows][:, None] + np.arange(9)].astype(np.int64)
    ).flatten()
    assert batch.present_BT is None
    assert torch.equal(batch.targets_M, original[batch.places_M])
    assert (batch.targets_M >= len(SPECIAL)).all()
    assert len(batch.places_M) / (7 * len(rows)) == pytest.approx(0.3, abs=0.01)
    shown = batch.ids_BT.flatten()[batch.places_M]
    assert (shown == MASK).double().mean() == pytest.approx(0.8, abs=0.02)
    # One random token in so many is the right one.
    kept = 0.1 + 0.1 / (len(continues_V) - len(SPECIAL))
    assert (shown == batch.targets_M).double().mean() == pytest.approx(kept, abs=0.02)
    untouched = torch.ones(len(original), dtype=torch.bool)
    untouched[batch.places_M] = False
    assert torch.equal(batch.ids_BT.flatten()[untouched], original[untouched])


def test_a_short_sentence_is_asked_for_one_token_at_least(text: tuple[Sentences, NDArray[np.bool_]]) -> None:
    sentences, continues_V = text
    batch = mask_tokens(
        sentences, np.arange(40), continues_V, MaskSettings(share=0.01, masked=1.0), np.random.default_rng(0)
    )
    assert batch.present_BT is not None
    assert ((batch.ids_BT == MASK).sum(1) == 1).all()
    assert not ((batch.ids_BT == MASK) & ~batch.present_BT).any()


def test_whole_words_hide_all_pieces_of_a_word(pieces: tuple[Sentences, NDArray[np.bool_]]) -> None:
    sentences, continues_V = pieces
    rows = np.arange(len(sentences))
    masks = MaskSettings(whole_words=True, masked=1.0, random=0.0)
    batch = mask_tokens(sentences, rows, continues_V, masks, np.random.default_rng(0))
    asked = (batch.ids_BT == MASK).numpy()
    ids = batch.ids_BT.flatten().clone()
    ids[batch.places_M] = batch.targets_M
    continues_BT = continues_V[ids.view_as(batch.ids_BT).numpy()]
    several = 0
    for row in range(len(rows)):
        for place in np.flatnonzero(continues_BT[row]):
            assert asked[row, place] == asked[row, place - 1]
            several += int(asked[row, place])
    assert several > 50


def test_the_same_sentence_is_held_out_in_every_text() -> None:
    tokenizer, _ = tokenizer_of(TEXTS, 400)
    first, second = tokenised(TEXTS, tokenizer, 16), tokenised([*TEXTS[::-1], *TEXTS], tokenizer, 16)
    held = first.held_out(0.1)
    assert held.mean() == pytest.approx(0.1, abs=0.05)
    assert second.held_out(0.1).tolist() == [*held[::-1], *held]
    assert first.held_out(1e-12).sum() == 1
    assert first.fingerprint != second.fingerprint


def test_the_score_hides_all_that_it_asks_for_and_is_the_same_for_every_run(
    text: tuple[Sentences, NDArray[np.bool_]],
) -> None:
    sentences, continues_V = text
    rows = np.flatnonzero(sentences.held_out(0.2))
    once, again = (list(held_out_batches(sentences, rows, continues_V, 500, 128)) for _ in range(2))
    asked = sum(len(batch.targets_M) for batch in once)
    assert asked == pytest.approx(500, rel=0.3)
    for batch, same in zip(once, again, strict=True):
        assert (batch.ids_BT.flatten()[batch.places_M] == MASK).all()
        assert torch.equal(batch.ids_BT, same.ids_BT)


def test_long_sentences_are_cut_and_unknown_ones_left_out() -> None:
    tokenizer, _ = tokenizer_of(TEXTS, 400)
    found = tokenised(["ein hund " * 20, "你好", "ein hund"], tokenizer, 8)
    assert found.lengths.tolist() == [8, 4]
    assert found.cut == 1
    assert found.ids[7] == SPECIAL.index("[SEP]")
