"""Every value of the training of a language model."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from wordsight.errors import InputError, setting
from wordsight.ranges import (
    AtLeastOne,
    ClipNorm,
    Heads,
    Layers,
    LearningRate,
    Minutes,
    OpenUnit,
    Passes,
    Seed,
    Tokens,
    UnitFromZero,
    Vocabulary,
    WeightDecay,
    Width,
    check_ranges,
)


@dataclass(frozen=True)
class LanguageSettings:
    """Every value of the training of a language model; the defaults fit 30,000 captions and a few minutes.

    Args:
        layers: Transformer layers.
        width: Width of the token features, D; the objective icmlm-tfm with its 12 heads wants a multiple of 12.
        heads: Attention heads of a layer.
        vocabulary: Most tokens that the vocabulary may have; a small text gives fewer.
        max_tokens: Longest sentence in tokens; longer ones are cut there.
        lowercase: Make capitals small.
        strip_accents: Take accents off letters, as BERT's uncased vocabularies do.
        mask_share: Share of a sentence's tokens that are asked for in a step.
        whole_words: Hide all pieces of a word together.
        epochs: Passes over the sentences.
        batch_tokens: Most tokens of a step.
        lr: Peak learning rate.
        schedule: How the learning rate falls after its peak, down to zero.
        warmup_share: Share of all steps over which the learning rate rises linearly from zero.
        weight_decay: Decay of matrices; biases and norms are never decayed.
        clip_norm: Gradients longer than this are shortened to it; 0 turns clipping off.
        dropout: Share of activations dropped in training.
        held_out_share: Share of the sentences that are only scored on, chosen by their letters.
        precision: bf16 autocast or fp32; auto is bf16 where the device gains from it.
        device: Where to compute.
        seed: Seeds everything that is random.
        checkpoint_minutes: A checkpoint is written this often.
    """

    layers: Layers = 4
    width: Width = 240
    heads: Heads = 6
    vocabulary: Vocabulary = 8000
    max_tokens: Tokens = 64
    lowercase: bool = True
    strip_accents: bool = False
    mask_share: OpenUnit = 0.15
    whole_words: bool = False
    epochs: Passes = 10
    batch_tokens: AtLeastOne = 1024
    lr: LearningRate = 1e-3
    schedule: Literal["linear", "cosine"] = "linear"
    warmup_share: UnitFromZero = 0.1
    weight_decay: WeightDecay = 0.01
    clip_norm: ClipNorm = 1.0
    dropout: UnitFromZero = 0.0
    held_out_share: OpenUnit = 0.02
    precision: Literal["auto", "bf16", "fp32"] = "auto"
    device: Literal["auto", "cpu", "cuda"] = "auto"
    seed: Seed = 0
    checkpoint_minutes: Minutes = 3.0

    def __post_init__(self) -> None:
        check_ranges(self)
        if self.width % self.heads:
            raise InputError(f"width {self.width} does not divide among {self.heads} heads", setting="heads")
        if self.batch_tokens < self.max_tokens:
            raise InputError(
                f"{self.batch_tokens} tokens of a step hold no sentence of {self.max_tokens}",
                setting="batch_tokens",
                mend=f"give more of them, or fewer {setting('max_tokens')}",
            )
