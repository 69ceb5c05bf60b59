"""A language model of one's own: a WordPiece vocabulary and a small BERT, from scratch, by masked language modelling.

What comes out is a folder in BERT's layout, which is read like any other language model.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from wordsight.device import chosen_device
from wordsight.errors import InputError, setting
from wordsight.language.masked_steps import MaskedBatch, MaskedSteps, MaskSettings, held_out_batches
from wordsight.language.sentences import Sentences, held_below, lot, tokenised
from wordsight.language.wordpiece import SPECIAL, bert_tokenizer, continues_word, read_vocabulary, train_wordpiece
from wordsight.progress import console, track
from wordsight.training.checkpoint import Position, load_checkpoint
from wordsight.training.language.language_settings import LanguageSettings
from wordsight.training.language.loop import LanguageLoop, score
from wordsight.training.language.saved_folder import (
    CHECKPOINT,
    VOCABULARY,
    Text,
    TrainedLanguageModel,
    begin,
    begun,
    finish,
)

# Fewer sentences teach no language; it is a wrong file or a wrong column.
_LEAST_SENTENCES = 100
# About how many tokens are asked for on the way, and at the end: one standard error is 1 and half a point.
_ASKED_ON_THE_WAY, _ASKED_AT_THE_END = 2500, 10000


def train_language_model(
    texts: Iterable[str],
    settings: LanguageSettings,
    out: Path,
    *,
    sources: Iterable[str] = (),
    resume: bool = False,
) -> TrainedLanguageModel:
    """Learn a vocabulary and train a BERT on sentences.

    Args:
        texts: The sentences; gone through three times. What is held out of them has no part in the vocabulary either.
        settings: Every value.
        out: The folder to make.
        sources: Where the sentences come from, to be noted.
        resume: Go on from the checkpoint in ``out``, to the same numbers as if it had never stopped. Without a
            checkpoint it starts at its beginning.

    Raises:
        InputError: When the folder exists, there is too little text, the settings or the text differ from those of the
            run to be resumed, or the loss is no longer a number.
        KeyboardInterrupt: When the person stopped it; a checkpoint is written first.
    """
    device = chosen_device(settings.device)
    before = begun(out, settings, resume=resume)
    vocabulary = _vocabulary(texts, settings) if before is None else read_vocabulary(out / VOCABULARY)
    tokenizer = _tokenizer(vocabulary, settings)
    sentences = tokenised(track(texts, "tokenising"), tokenizer, settings.max_tokens)
    text = Text(list(sources), sentences.fingerprint)
    if before is not None and before["text"] != text.fingerprint:
        raise InputError("was begun with other text", where=out, mend="resume with the same text")
    held = sentences.held_out(settings.held_out_share)
    _check_enough(sentences, held)
    steps = _steps(sentences, held, vocabulary, settings)
    info = TrainedLanguageModel(out, len(vocabulary), int((~held).sum()), int(held.sum()), len(steps))
    if before is None:
        begin(settings, text, vocabulary, info)
    _tell(info, sentences, settings)
    model = _model(len(vocabulary), settings, device)
    loop = LanguageLoop(model, steps, _scored(sentences, held, vocabulary, _ASKED_ON_THE_WAY, device), settings, out)
    checkpoint = out / CHECKPOINT
    at = load_checkpoint(checkpoint, model, loop.optimizer) if checkpoint.exists() else Position(0, 0.0, {})
    seconds = loop.run(at, checkpoint)
    asked = _scored(sentences, held, vocabulary, _ASKED_AT_THE_END, device)
    accuracy, loss = score(model, asked, loop.precision)
    often = torch.cat([batch.targets_M for batch in asked]) == _most_frequent(sentences, held)
    info = replace(
        info,
        accuracy=round(accuracy, 2),
        loss=round(loss, 4),
        most_frequent=round(100 * float(often.double().mean()), 2),
        seconds=round(seconds, 1),
    )
    finish(settings, text, model, tokenizer, info)
    return info


@dataclass(frozen=True)
class _Learned:
    """The sentences that are learned from, behind a progress bar, as often as they are gone through."""

    texts: Iterable[str]
    held_below: float
    what: str

    def __iter__(self) -> Iterator[str]:
        return (text for text in track(self.texts, self.what) if lot(text) >= self.held_below)


def _vocabulary(texts: Iterable[str], settings: LanguageSettings) -> list[str]:
    below = held_below(texts, settings.held_out_share)
    if any(True for _ in texts) and all(lot(text) < below for text in texts):
        raise _all_held_out()
    return train_wordpiece(
        _Learned(texts, below, "learning the vocabulary"),
        settings.vocabulary,
        lowercase=settings.lowercase,
        strip_accents=settings.strip_accents,
    )


def _all_held_out() -> InputError:
    return InputError(
        "all sentences are the same or held out", expected=f"a smaller {setting('held_out_share')}, or more text"
    )


def _check_count(sentences: int) -> None:
    if sentences < _LEAST_SENTENCES:
        raise InputError(
            f"the text holds {sentences or 'no'} sentence{'' if sentences == 1 else 's'}",
            expected=f"{_LEAST_SENTENCES} or more",
            mend=f"give another {setting('text')}, {setting('corpus')} or {setting('column')}",
        )


def _check_enough(sentences: Sentences, held: NDArray[np.bool_]) -> None:
    _check_count(len(sentences))
    if held.all():
        raise _all_held_out()


def _tokenizer(vocabulary: list[str], settings: LanguageSettings) -> Any:
    return bert_tokenizer(
        vocabulary,
        lowercase=settings.lowercase,
        strip_accents=settings.strip_accents,
        max_tokens=settings.max_tokens,
    )


def _model(vocabulary: int, settings: LanguageSettings, device: torch.device) -> Any:
    from transformers import BertConfig, BertForMaskedLM

    config = BertConfig(
        vocab_size=vocabulary,
        hidden_size=settings.width,
        num_hidden_layers=settings.layers,
        num_attention_heads=settings.heads,
        intermediate_size=4 * settings.width,
        max_position_embeddings=settings.max_tokens,
        hidden_dropout_prob=settings.dropout,
        attention_probs_dropout_prob=settings.dropout,
        pad_token_id=SPECIAL.index("[PAD]"),
    )
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(settings.seed)
        model: Any = BertForMaskedLM(config)
    if device.type == "cpu":
        # Sentences are too short for the fused attention: a step was measured a fifth slower with it.
        model.set_attn_implementation("eager")
    return model.to(device)


def _steps(
    sentences: Sentences, held: NDArray[np.bool_], vocabulary: list[str], settings: LanguageSettings
) -> MaskedSteps:
    return MaskedSteps(
        sentences,
        np.flatnonzero(~held),
        np.array(continues_word(vocabulary)),
        MaskSettings(settings.mask_share, settings.whole_words),
        settings.batch_tokens,
        settings.epochs,
        settings.seed,
    )


def _scored(
    sentences: Sentences, held: NDArray[np.bool_], vocabulary: list[str], wanted: int, device: torch.device
) -> list[MaskedBatch]:
    """Held-out batches that ask for about so many tokens."""
    rows, continues_V = np.flatnonzero(held), np.array(continues_word(vocabulary))
    return [batch.to(device) for batch in held_out_batches(sentences, rows, continues_V, wanted, 4096)]


def _most_frequent(sentences: Sentences, held: NDArray[np.bool_]) -> int:
    """The token that a model without any context would always tell."""
    learned = sentences.ids[np.repeat(~held, sentences.lengths)]
    return len(SPECIAL) + int(np.bincount(learned[learned >= len(SPECIAL)] - len(SPECIAL)).argmax())


def _tell(info: TrainedLanguageModel, sentences: Sentences, settings: LanguageSettings) -> None:
    """Say what there is to learn from, before minutes are spent on it."""
    lines = [
        f"{info.sentences:,} sentences to learn from, {info.held_out:,} held out; "
        f"{len(sentences.ids) / len(sentences):.1f} tokens each; {info.steps:,} steps"
    ]
    if info.vocabulary < settings.vocabulary:
        lines.append(
            f"the text gives {info.vocabulary:,} tokens that occur twice or more, not {settings.vocabulary:,}: "
            "the vocabulary is that small"
        )
    if sentences.cut:
        lines.append(f"{sentences.cut:,} sentences are longer than {settings.max_tokens} tokens and were cut there")
    for line in lines:
        console.print(line, markup=False, soft_wrap=True)
