"""ICMLM tfm (Section 3.2): a transformer encoder over grid and caption, read at the masked token."""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor

from wordsight.batching.batch import MaskedWords
from wordsight.heads.tfm import FusionTransformer
from wordsight.heads.token_classifier import TokenClassifier
from wordsight.objectives.icmlm import ICMLM, ICMLMSettings, words_present
from wordsight.objectives.objective import Facts, MaskedPrediction, cells_of
from wordsight.vision.backbones import Backbone


@dataclass(frozen=True)
class TfmSettings(ICMLMSettings):
    """Values of ICMLM tfm, besides those of both flavours.

    Args:
        heads: Attention heads (the paper: 12).
        layers: Encoder layers (the paper: 1).
        dropout: Dropout in the encoder layers.
    """

    heads: int = 12
    layers: int = 1
    dropout: float = 0.1


class Tfm(ICMLM):
    """tfm over the backbone, then the language model's token classifier.

    A language model without a masked-token classifier of its own gets a new one, trained along.

    Args:
        backbone: The backbone.
        facts: What it is trained on.
        settings: Its values.
    """

    def __init__(self, backbone: Backbone, facts: Facts, settings: TfmSettings) -> None:
        super().__init__(backbone, facts, settings)
        width = self.vocabulary.width
        self.tfm = FusionTransformer(backbone.out_channels, width, settings.heads, settings.layers, settings.dropout)
        self.classifier = TokenClassifier(self.vocabulary, facts.classifier)

    def predict_masked(self, grid_BCHW: Tensor, words: MaskedWords) -> MaskedPrediction:
        """Predict the masked words of images whose grid is at hand."""
        out = self.tfm(cells_of(grid_BCHW), words_present(words), words.present_BmT, words.position_Bm)
        rows, columns = grid_BCHW.shape[-2:]
        return MaskedPrediction(self.classifier(out.features_BmD), out.attention_BmL, (rows, columns))
