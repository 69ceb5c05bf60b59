"""Masked language modelling (VirTex's ablation, https://arxiv.org/abs/2006.06666): which words of a caption are hidden?

Captioning's ablation: the same decoder without the causal mask predicts 15 % of the tokens from the image and the rest.
Tokens are chosen and hidden as in BERT (Devlin et al. 2019, Section 3.1, https://arxiv.org/abs/1810.04805).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from wordsight.batching.batch import Batch
from wordsight.batching.fields import Field
from wordsight.batching.fields.texts import TextFacts, Texts
from wordsight.batching.needs import Needs
from wordsight.heads.caption_decoder import CaptionDecoder
from wordsight.language.wordpiece import MASK, SPECIAL
from wordsight.objectives.capabilities import CaptionAttention, CaptionAttentionObjective
from wordsight.objectives.caption_variety import refuse_one_caption
from wordsight.objectives.captioning import UNSEEN, DecoderSettings
from wordsight.objectives.objective import Facts, Losses, Plot, cells_of
from wordsight.objectives.processes import global_mean_scale
from wordsight.objectives.seen import Seen
from wordsight.ranges import Fraction
from wordsight.vision.backbones import Backbone

# BERT's: of ten hidden tokens eight are [MASK], one is any other token, and one stays as it is.
_MASKED, _MASKED_OR_OTHER = 0.8, 0.9


@dataclass(frozen=True)
class MaskedLmSettings(DecoderSettings):
    """Values of masked language modelling, besides those of its decoder.

    Args:
        masked_share: Share of a caption's tokens that are predicted; rounded up, so that it is one at least.
    """

    masked_share: Fraction = 0.15


class MaskedLm(CaptionAttentionObjective):
    """The backbone, and a decoder that predicts hidden tokens from its grid and the tokens on both sides.

    Args:
        backbone: The backbone.
        facts: How captions are tokenised.
        settings: Its values.
    """

    asks = "to predict hidden words of a caption from the picture and the other words"
    divisible = True

    def __init__(self, backbone: Backbone, facts: Facts, settings: MaskedLmSettings) -> None:
        super().__init__(backbone)
        self.tokenizer = facts.of(TextFacts).tokenizer
        self.masked_share = settings.masked_share
        self.decoder = CaptionDecoder(backbone.out_channels, settings.shape(self.tokenizer.size))

    @classmethod
    def needs(cls, settings: MaskedLmSettings) -> Needs:
        """Captions, and chance for what is hidden of them."""
        return settings.need(chance=True)

    @classmethod
    def check_data(
        cls, settings: Any, fields: Mapping[str, Field[Any, Any]], examples: NDArray[np.int64], batch_size: int
    ) -> None:
        """Refuse captions that all read alike."""
        refuse_one_caption(fields, examples, UNSEEN)

    @classmethod
    def plots(cls, settings: MaskedLmSettings) -> Mapping[str, Plot]:
        """How many tokens are predicted right."""
        return {
            "accuracy": Plot("accuracy", "share", "share of hidden tokens whose top prediction is right, in percent")
        }

    def losses(self, seen: Seen, batch: Batch) -> Losses:
        """The mean over the hidden tokens of a step. Gives ``accuracy``."""
        texts = batch.of(Texts)
        hidden_BcT = hidden_tokens(texts, self.masked_share)
        given_BcT = with_hidden(texts, hidden_BcT, self.tokenizer.size)
        image = self.decoder.read(cells_of(seen.grid()))
        known_BcTD = self.decoder(given_BcT, image, texts.present_BcT.unsqueeze(2))
        loss, accuracy = self.decoder.embedding.loss(known_BcTD[hidden_BcT], texts.ids_BcT[hidden_BcT])
        mean_count = texts.mean_count(lambda whole: hidden_tokens(whole, self.masked_share).sum())
        scale = global_mean_scale(hidden_BcT.sum(), loss.device, mean_count)
        return Losses(loss * scale, {"accuracy": accuracy * scale})

    def attend(self, grid_BCHW: Tensor, captions: Sequence[str]) -> CaptionAttention:
        """Where the last layer looks for each token of a caption while that alone is hidden; for [SEP], nowhere."""
        ids_BT, present_BT = self.encoded(captions, grid_BCHW.device)
        inner_BT = _inner(present_BT)
        # The caption once for each of its tokens.
        own_TT = torch.eye(ids_BT.shape[1], dtype=torch.bool, device=ids_BT.device)
        ids_BTT = torch.where(own_TT & inner_BT[:, None], MASK, ids_BT[:, None])
        allowed_BT1T = present_BT[:, None, None].expand(-1, ids_BT.shape[1], -1, -1)
        looks_BTTL = self.decoder.looks(ids_BTT, self.decoder.read(cells_of(grid_BCHW)), allowed_BT1T)
        attention_BTL = looks_BTTL.diagonal(dim1=1, dim2=2).transpose(1, 2) * inner_BT[..., None]
        rows, columns = grid_BCHW.shape[-2:]
        return CaptionAttention(ids_BT, attention_BTL, (rows, columns))


def hidden_tokens(texts: Texts, share: float) -> Tensor:
    """Which tokens are hidden: a share of each caption's, rounded up, drawn evenly; never [CLS] or [SEP].

    Args:
        texts: The captions.
        share: The share.
    """
    assert texts.chance_BcT3 is not None, "the need asks for chance"
    inner_BcT = _inner(texts.present_BcT) & (texts.weight_Bc > 0)[..., None]
    count_Bc1 = (inner_BcT.sum(-1, keepdim=True) * share - 1e-5).ceil()
    chance_BcT = texts.chance_BcT3[..., 0].masked_fill(~inner_BcT, 2.0)
    return (chance_BcT.argsort(-1).argsort(-1) < count_Bc1) & inner_BcT


def with_hidden(texts: Texts, hidden_BcT: Tensor, words: int, mask: int = MASK) -> Tensor:
    """The tokens as the decoder is given them: of the hidden ones most are [MASK], some are any other, some stay.

    Args:
        texts: The captions.
        hidden_BcT: Which are hidden.
        words: Tokens of the vocabulary.
        mask: Which of them is [MASK].
    """
    assert texts.chance_BcT3 is not None, "the need asks for chance"
    _, how_BcT, which_BcT = texts.chance_BcT3.unbind(-1)
    others_BcT = len(SPECIAL) + (which_BcT * (words - len(SPECIAL))).long()
    given_BcT = torch.where(how_BcT < _MASKED, mask, others_BcT)
    return torch.where(hidden_BcT & (how_BcT < _MASKED_OR_OTHER), given_BcT, texts.ids_BcT)


def _inner(present_nT: Tensor) -> Tensor:
    """Tokens that are neither the first of their caption, [CLS], nor the last, [SEP]."""
    inner_nT = present_nT & torch.nn.functional.pad(present_nT[..., 1:], (0, 1))
    inner_nT[..., 0] = False
    return inner_nT
