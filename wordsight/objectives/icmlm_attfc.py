"""ICMLM att-fc (Section 3.2): find the masked word in the image, then name it from what is seen there alone.

https://arxiv.org/abs/2008.01392
"""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor

from wordsight.batching.masks import MaskedWords
from wordsight.heads.att import Attention, pool_attended
from wordsight.heads.fc import WordProjection
from wordsight.objectives.icmlm import (
    ICMLM,
    ICMLMSettings,
    Located,
    MaskedWordPrediction,
    MaskedWordSettings,
    words_present,
)
from wordsight.objectives.objective import Facts, cells_of
from wordsight.ranges import Heads, HiddenLayers, HiddenWidth, Width
from wordsight.vision.backbones import Backbone


@dataclass(frozen=True)
class AttFcWordSettings(MaskedWordSettings):
    """Values of ICMLM att-fc, besides those of both flavours.

    Args:
        heads: Attention heads (the paper: 12 with VGG16, 1 with ResNet50).
        joint_width: Width of each head's joint space, d_z.
        hidden_layers: Hidden layers of fc (the paper: 1).
        hidden_width: Their width; 0 takes the backbone's.
    """

    heads: Heads = 1
    joint_width: Width = 512
    hidden_layers: HiddenLayers = 1
    hidden_width: HiddenWidth = 0


@dataclass(frozen=True)
class AttFcSettings(ICMLMSettings, AttFcWordSettings):
    """Values of the flavour with tags beside it."""


class AttFcWords(MaskedWordPrediction):
    """att and fc over the backbone: Eqs. 3 to 6.

    Args:
        backbone: The backbone.
        facts: What it is trained on.
        settings: Its values.
    """

    def __init__(self, backbone: Backbone, facts: Facts, settings: AttFcWordSettings) -> None:
        super().__init__(backbone, facts, settings)
        channels, width = backbone.out_channels, self.vocabulary.width
        self.att = Attention(channels, width, settings.joint_width, settings.heads)
        self.fc = WordProjection(channels, width, settings.hidden_layers, settings.hidden_width)

    def locate(self, grid_BCHW: Tensor, words: MaskedWords) -> Located:
        """Attend to the masked word's place (Eqs. 3 to 5), and project what is seen there to the word vectors."""
        cells_BLC = cells_of(grid_BCHW)
        tokens_BmTD = words_present(words).to(cells_BLC.dtype)
        attention_BmL = self.att(cells_BLC, tokens_BmTD, words.present_BmT)
        return Located(self.fc(pool_attended(cells_BLC, attention_BmL)), attention_BmL)


class AttFc(ICMLM):
    """The flavour and tag prediction (Eq. 8)."""

    words = AttFcWords
