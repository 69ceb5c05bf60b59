"""Every value of the training of a language model."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from wordsight.errors import InputError


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

    layers: int = 4
    width: int = 240
    heads: int = 6
    vocabulary: int = 8000
    max_tokens: int = 64
    lowercase: bool = True
    strip_accents: bool = False
    mask_share: float = 0.15
    whole_words: bool = False
    epochs: int = 10
    batch_tokens: int = 1024
    lr: float = 1e-3
    schedule: Literal["linear", "cosine"] = "linear"
    warmup_share: float = 0.1
    weight_decay: float = 0.01
    clip_norm: float = 1.0
    dropout: float = 0.0
    held_out_share: float = 0.02
    precision: Literal["auto", "bf16", "fp32"] = "auto"
    device: Literal["auto", "cpu", "cuda"] = "auto"
    seed: int = 0
    checkpoint_minutes: float = 3.0

    def __post_init__(self) -> None:
        least = {"layers": 1, "width": 1, "heads": 1, "vocabulary": 50, "max_tokens": 8, "epochs": 1}
        for name, smallest in least.items():
            if getattr(self, name) < smallest:
                raise InputError(f"{name} is {getattr(self, name)}", expected=f"{smallest} or more")
        for name in ("mask_share", "held_out_share"):
            if not 0 < getattr(self, name) < 1:
                raise InputError(f"{name} is {getattr(self, name)}", expected="a share between 0 and 1")
        for name in ("warmup_share", "dropout"):
            if not 0 <= getattr(self, name) < 1:
                raise InputError(f"{name} is {getattr(self, name)}", expected="a share from 0 up to 1")
        if self.width % self.heads:
            raise InputError(f"width {self.width} does not divide among {self.heads} heads", where="--heads")
        if self.batch_tokens < self.max_tokens:
            raise InputError(
                f"{self.batch_tokens} tokens of a step hold no sentence of {self.max_tokens}",
                where="--batch-tokens",
                mend="give more of them, or fewer --max-tokens",
            )
        if self.lr <= 0:
            raise InputError(f"lr is {self.lr}", expected="a positive learning rate")
