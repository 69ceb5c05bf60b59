"""Captioning (VirTex, Desai and Johnson 2021, https://arxiv.org/abs/2006.06666): say the caption, token by token.

A small transformer decoder over the grid predicts the tokens of a caption, each from those before it (Section 3). Three
orders: ``left-to-right``; ``both``, a second decoder from right to left besides, sharing embeddings, projection and
output with the first (bicaptioning); ``parallel``, the captioner of CapPa (Tschannen et al. 2023, Section 3,
https://arxiv.org/abs/2306.07915), which predicts all tokens of most samples at once, from the image and masks alone.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from wordsight.batching.batch import Batch
from wordsight.batching.fields import Field
from wordsight.batching.fields.texts import TextFacts, Texts, TextsNeed
from wordsight.batching.needs import Needs
from wordsight.errors import InputError
from wordsight.heads.caption_decoder import CaptionDecoder, DecoderShape
from wordsight.heads.caption_search import NextTokens
from wordsight.language.wordpiece import MASK
from wordsight.objectives.capabilities import CaptionAttention, CaptioningObjective
from wordsight.objectives.caption_variety import refuse_one_caption
from wordsight.objectives.objective import Facts, Losses, Plot, cells_of
from wordsight.objectives.processes import global_mean_scale
from wordsight.objectives.seen import Seen
from wordsight.ranges import AtLeastOne, Fraction, Heads, Layers, Tokens, UnitFromZero, Vocabulary, Width, check_ranges
from wordsight.vision.backbones import Backbone

# What follows for a captioner where all captions read alike.
UNSEEN = "are said without a look at them"


@dataclass(frozen=True)
class DecoderSettings:
    """Values of a caption decoder and of the captions that it learns from.

    Args:
        width: Width of the decoder.
        layers: Its layers.
        heads: Its attention heads.
        dropout: Its dropout.
        captions: Captions of an image in a step.
        caption_language: Captions in this language alone; "" for all.
        max_tokens: Tokens that a caption is cut to, [CLS] and [SEP] among them; none that is written is longer.
        vocabulary: Most tokens of the vocabulary, which is made from the captions.
        lowercase: Whether capitals are made small.
    """

    width: Width = 256
    layers: Layers = 1
    heads: Heads = 4
    dropout: UnitFromZero = 0.1
    captions: AtLeastOne = 1
    caption_language: str = ""
    max_tokens: Tokens = 30
    vocabulary: Vocabulary = 5000
    lowercase: bool = True

    def __post_init__(self) -> None:
        check_ranges(self, "objective_settings")
        if self.width % self.heads:
            raise InputError(
                f"a width of {self.width} is not a multiple of {self.heads} heads",
                where="objective_settings",
                expected="a multiple",
            )

    def need(self, chance: bool = False) -> Needs:
        """Captions, as the decoder reads them.

        Args:
            chance: Whether random numbers are drawn for each token.
        """
        need = TextsNeed(
            self.captions,
            "captions",
            self.max_tokens,
            self.vocabulary,
            self.lowercase,
            self.caption_language,
            chance=chance,
        )
        return Needs({"texts": need})

    def shape(self, words: int, norm_first: bool = False) -> DecoderShape:
        """What the decoder is made of.

        Args:
            words: Tokens of the vocabulary.
            norm_first: Whether layer norm stands before each part of a layer.
        """
        return DecoderShape(words, self.width, self.layers, self.heads, self.dropout, self.max_tokens, norm_first)


@dataclass(frozen=True)
class CaptioningSettings(DecoderSettings):
    """Values of captioning, besides those of its decoder.

    Args:
        order: ``left-to-right``; ``both``, from right to left besides, by a second decoder; ``parallel``, from left to
            right for some samples, and all tokens at once from masks alone for the others.
        parallel_share: ``parallel``: the share of samples whose tokens are predicted at once.
    """

    order: Literal["left-to-right", "both", "parallel"] = "both"
    parallel_share: Fraction = 0.75


class Captioning(CaptioningObjective):
    """A captioner: the backbone, and a decoder that reads its grid.

    Args:
        backbone: The backbone.
        facts: How captions are tokenised.
        settings: Its values.
    """

    asks = "to say the caption of a picture word by word"
    divisible = True

    def __init__(self, backbone: Backbone, facts: Facts, settings: CaptioningSettings) -> None:
        super().__init__(backbone)
        self.tokenizer = facts.of(TextFacts).tokenizer
        self.order, self.parallel_share = settings.order, settings.parallel_share
        directions = 2 if settings.order == "both" else 1
        self.decoder = CaptionDecoder(backbone.out_channels, settings.shape(self.tokenizer.size), directions)

    @classmethod
    def needs(cls, settings: CaptioningSettings) -> Needs:
        """Captions, and for the order ``parallel`` chance."""
        return settings.need(chance=settings.order == "parallel")

    @classmethod
    def check_data(
        cls, settings: Any, fields: Mapping[str, Field[Any, Any]], examples: NDArray[np.int64], batch_size: int
    ) -> None:
        """Refuse captions that all read alike."""
        refuse_one_caption(fields, examples, UNSEEN)

    @classmethod
    def plots(cls, settings: CaptioningSettings) -> Mapping[str, Plot]:
        """The loss of each direction, and how many tokens are predicted right."""
        says = "share of tokens whose top prediction is right, in percent"
        plots = {"accuracy": Plot("accuracy", "share", says)}
        if settings.order == "both":
            plots |= {"forward": Plot("left to right", "loss"), "backward": Plot("right to left", "loss")}
        return plots

    def losses(self, seen: Seen, batch: Batch) -> Losses:
        """The mean over the tokens of a step; of two directions the sum. Gives ``accuracy`` from left to right."""
        texts, cells_BLC = batch.of(Texts), cells_of(seen.grid())
        scale = global_mean_scale(predicted_count(texts), cells_BLC.device, texts.mean_count(predicted_count))
        if self.order == "parallel":
            return self._parallel(cells_BLC, texts, scale)
        forward, accuracy = self._direction(cells_BLC, texts.ids_BcT, texts, 0)
        if self.order == "left-to-right":
            return Losses(forward * scale, {"accuracy": accuracy * scale})
        backward, _ = self._direction(cells_BLC, reversed_ids(texts), texts, 1)
        both = {"forward": forward.detach() * scale, "backward": backward.detach() * scale}
        return Losses((forward + backward) * scale, {"accuracy": accuracy * scale, **both})

    def _direction(self, cells_BLC: Tensor, ids_BcT: Tensor, texts: Texts, direction: int) -> tuple[Tensor, Tensor]:
        """Loss and accuracy over the real tokens alone: a softmax over the vocabulary is what costs."""
        image = self.decoder.read(cells_BLC, direction)
        known_BcTD = self.decoder(ids_BcT[..., :-1], image, direction=direction)
        wanted_BcT = predicted(texts)
        return self.decoder.embedding.loss(known_BcTD[wanted_BcT], ids_BcT[..., 1:][wanted_BcT])

    def _parallel(self, cells_BLC: Tensor, texts: Texts, scale: Tensor | float) -> Losses:
        """Some samples from left to right, the others at once; these know nothing of how long their captions are."""
        assert texts.chance_BcT3 is not None, "the need asks for chance"
        at_once_Bc = texts.chance_BcT3[:, :, 0, 0] < self.parallel_share
        places = self.tokenizer.max_tokens - 1
        wanted_BcT = predicted(texts)
        given_BcT = torch.nn.functional.pad(texts.ids_BcT[..., :-1], (0, places - wanted_BcT.shape[-1]))
        given_BcT = given_BcT.masked_fill(at_once_Bc[..., None], MASK)
        before_ST = torch.ones(places, places, dtype=torch.bool, device=cells_BLC.device).tril()
        known_BcTD = self.decoder(given_BcT, self.decoder.read(cells_BLC), before_ST | at_once_Bc[..., None, None])
        known_MD = known_BcTD[:, :, : wanted_BcT.shape[-1]][wanted_BcT]
        target_M = texts.ids_BcT[..., 1:][wanted_BcT]
        loss, accuracy = self.decoder.embedding.loss(known_MD, target_M)
        return Losses(loss * scale, {"accuracy": accuracy * scale})

    def writer(self, grid_BCHW: Tensor) -> NextTokens:
        """The decoder from left to right."""
        return self.decoder.writer(cells_of(grid_BCHW))

    def attend(self, grid_BCHW: Tensor, captions: Sequence[str]) -> CaptionAttention:
        """Where the last layer looks while it predicts each token from those before it."""
        ids_BT, present_BT = self.encoded(captions, grid_BCHW.device)
        image = self.decoder.read(cells_of(grid_BCHW))
        before_BTL = self.decoder.looks(ids_BT[:, None, :-1], image).squeeze(1)
        return CaptionAttention.after(before_BTL, ids_BT, present_BT, grid_BCHW)


def predicted(texts: Texts) -> Tensor:
    """Which tokens are predicted: all but the first, of captions that there are, bool ``[B, c, T - 1]``."""
    return texts.present_BcT[..., 1:] & (texts.weight_Bc > 0)[..., None]


def predicted_count(texts: Texts) -> Tensor:
    """How many tokens are predicted."""
    return predicted(texts).sum()


def reversed_ids(texts: Texts) -> Tensor:
    """The tokens of each caption from the last, [SEP], to the first, [CLS]; padding stays behind them."""
    places_T = torch.arange(texts.ids_BcT.shape[-1], device=texts.ids_BcT.device)
    length_Bc1 = texts.present_BcT.sum(-1, keepdim=True)
    return texts.ids_BcT.gather(-1, torch.where(places_T < length_Bc1, length_Bc1 - 1 - places_T, places_T))
