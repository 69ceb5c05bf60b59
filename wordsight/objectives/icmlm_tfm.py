"""ICMLM tfm (Section 3.2): a transformer encoder over grid and caption, read at the masked token.

https://arxiv.org/abs/2008.01392
"""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor

from wordsight.batching.fields.masked import MaskedFacts
from wordsight.batching.masks import MaskedWords
from wordsight.heads.tfm import FusionTransformer
from wordsight.heads.token_classifier import TokenClassifier
from wordsight.objectives.icmlm import (
    ICMLM,
    ICMLMSettings,
    Located,
    MaskedWordPrediction,
    MaskedWordSettings,
    words_present,
)
from wordsight.objectives.objective import Facts, cells_of
from wordsight.ranges import Heads, Layers, UnitFromZero
from wordsight.vision.backbones import Backbone


@dataclass(frozen=True)
class TfmWordSettings(MaskedWordSettings):
    """Values of ICMLM tfm, besides those of both flavours.

    Args:
        heads: Attention heads (the paper: 12).
        layers: Encoder layers (the paper: 1).
        dropout: Dropout in the encoder layers.
    """

    heads: Heads = 12
    layers: Layers = 1
    dropout: UnitFromZero = 0.1


@dataclass(frozen=True)
class TfmSettings(ICMLMSettings, TfmWordSettings):
    """Values of the flavour with tags beside it."""


class TfmWords(MaskedWordPrediction):
    """tfm over the backbone, then the language model's token classifier.

    A language model without a masked-token classifier of its own gets a new one, trained along.

    Args:
        backbone: The backbone.
        facts: What it is trained on.
        settings: Its values.
    """

    def __init__(self, backbone: Backbone, facts: Facts, settings: TfmWordSettings) -> None:
        super().__init__(backbone, facts, settings)
        width = self.vocabulary.width
        self.tfm = FusionTransformer(backbone.out_channels, width, settings.heads, settings.layers, settings.dropout)
        self.classifier = TokenClassifier(self.vocabulary, facts.of(MaskedFacts).classifier)

    @property
    def word_bias(self) -> Tensor:
        """Bias of each candidate, from the token classifier."""
        return self.classifier.bias

    def locate(self, grid_BCHW: Tensor, words: MaskedWords) -> Located:
        """Fuse grid and caption, and transform the masked token as the token classifier does before its vocabulary."""
        out = self.tfm(cells_of(grid_BCHW), words_present(words), words.present_BmT, words.position_Bm)
        return Located(self.classifier.transform(out.features_BmD), out.attention_BmL)


class Tfm(ICMLM):
    """The flavour and tag prediction (Eq. 8)."""

    words = TfmWords
