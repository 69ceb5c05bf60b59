"""CoCa (Yu et al. 2022, https://arxiv.org/abs/2205.01917): contrast and captioning in one pass of a decoder.

Equation 4: the contrastive loss of images and captions, plus twice the loss of saying each caption token by token. A
pooler with many queries gives the decoder what it reads of the image, one with a single query on top of it the image's
embedding (Section 3.2: poolers in a cascade). The decoder's first layers read the text alone; a [CLS] token at its end
gives the caption's embedding (`contrastive_decoder.py`).
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from wordsight.batching.batch import Batch
from wordsight.batching.fields import Field
from wordsight.batching.fields.texts import TextFacts, Texts
from wordsight.batching.needs import Needs
from wordsight.heads.attentional_pooler import AttentionalPooler
from wordsight.heads.caption_search import NextTokens
from wordsight.heads.contrastive_decoder import ContrastiveDecoder
from wordsight.objectives.capabilities import CaptionAttention, CaptioningObjective, GridTextObjective
from wordsight.objectives.captioning import DecoderSettings, predicted, predicted_count
from wordsight.objectives.clip import bound_scale, contrastive_loss
from wordsight.objectives.comparing import ComparingObjective
from wordsight.objectives.gather import gathered
from wordsight.objectives.objective import Chance, Facts, Losses, Plot, cells_of
from wordsight.objectives.processes import global_mean_scale
from wordsight.objectives.seen import Seen
from wordsight.objectives.two_towers import TEMPERATURE, Pairs, TwoTowers, matching, unit
from wordsight.ranges import AtLeastOne, Layers, LossWeight, Temperature, UnitFromZero, Width
from wordsight.vision.backbones import Backbone


@dataclass(frozen=True)
class CoCaSettings(DecoderSettings):
    """Values of CoCa, besides those of its decoder, whose ``layers`` are those that see the image.

    Args:
        dropout: Dropout of the decoder.
        text_layers: Layers of the decoder before these, which read the text alone.
        queries: Queries of the pooler that the decoder reads from.
        joint_width: Width of the space in which images and captions are compared.
        temperature: What cosines are divided by when training begins; learned from there, not below 0.01.
        contrast_weight: Weight of the contrastive loss.
        caption_weight: Weight of captioning.
    """

    dropout: UnitFromZero = 0.0
    layers: Layers = 2
    text_layers: Layers = 2
    queries: AtLeastOne = 32
    joint_width: Width = 256
    temperature: Temperature = 0.07
    contrast_weight: LossWeight = 1.0
    caption_weight: LossWeight = 2.0


class CoCa(ComparingObjective, GridTextObjective, CaptioningObjective):
    """A backbone, two poolers, and a decoder that embeds captions and says them.

    Args:
        backbone: The backbone.
        facts: How captions are tokenised.
        settings: Its values.
    """

    asks = "to tell the captions of a picture from those of other pictures, and to say them word by word"
    protocol = GridTextObjective.protocol

    def __init__(self, backbone: Backbone, facts: Facts, settings: CoCaSettings) -> None:
        super().__init__(backbone)
        self.tokenizer = facts.of(TextFacts).tokenizer
        self.weights = (settings.contrast_weight, settings.caption_weight)
        width, heads = settings.width, settings.heads
        self.caption_pooler = AttentionalPooler(backbone.out_channels, width, settings.queries, heads)
        self.contrast_pooler = AttentionalPooler(width, width, 1, heads)
        self.decoder = ContrastiveDecoder(settings.shape(self.tokenizer.size, norm_first=True), settings.text_layers)
        self.image_projection = nn.Linear(width, settings.joint_width, bias=False)
        self.text_projection = nn.Linear(width, settings.joint_width, bias=False)
        self.log_scale = nn.Parameter(torch.tensor(-math.log(settings.temperature)))

    @classmethod
    def needs(cls, settings: CoCaSettings) -> Needs:
        """Captions."""
        return settings.need()

    @classmethod
    def plots(cls, settings: CoCaSettings) -> Mapping[str, Plot]:
        """Both losses, both accuracies, and the temperature."""
        says = "share of captions whose picture is the nearest of the step's, in percent"
        said = "share of tokens whose top prediction from what stands before them is right, in percent"
        return {
            "contrast": Plot("contrast", "loss"),
            "caption": Plot("captions", "loss"),
            "accuracy": Plot("accuracy", "share", says),
            "token_accuracy": Plot("accuracy of tokens", "share", said),
            "temperature": TEMPERATURE,
        }

    @classmethod
    def chance(cls, settings: CoCaSettings, batch_size: int) -> Chance | None:
        """That of contrast: an image's own further captions are left out."""
        texts = settings.captions * (batch_size - 1) + 1
        says = f"ln {batch_size}" if settings.captions == 1 else f"the mean of ln {texts} and ln {batch_size}"
        return Chance((math.log(texts) + math.log(batch_size)) / 2, says, number="contrast")

    @classmethod
    def check_data(
        cls, settings: Any, fields: Mapping[str, Field[Any, Any]], examples: NDArray[np.int64], batch_size: int
    ) -> None:
        """As for two towers: captions that all read alike teach no contrast."""
        TwoTowers.check_data(settings, fields, examples, batch_size)

    def embed(self, seen: Seen, batch: Batch) -> dict[str, Tensor]:
        """Unit vectors ``images`` ``[B, Z]`` and ``texts`` ``[B, c, Z]``; ``words`` ``[B, c, T - 1, D]``, what each
        token is predicted from."""
        texts = batch.of(Texts)
        pooled_BqD = self.caption_pooler(cells_of(seen.grid()))
        read = self.decoder.read_texts(texts.ids_BcT, texts.present_BcT)
        # Nothing is predicted from the last token.
        words_BcTD = self.decoder(read.tokens_BcTD[:, :, :-1], self.decoder.read_image(pooled_BqD))
        return {
            "images": unit(self._embedded(pooled_BqD)),
            "texts": unit(self.text_projection(read.whole_BcD).flatten(0, 1)).view(*texts.weight_Bc.shape, -1),
            "words": words_BcTD,
        }

    def compare(self, embedded: Mapping[str, Tensor], batch: Batch) -> Losses:
        """Gives ``contrast`` and ``caption``, ``accuracy`` of finding a caption's image, ``token_accuracy``, and
        ``temperature``. Captioning is a mean over the tokens of all processes, of which each has its own."""
        texts, found = batch.of(Texts), matching(batch)
        texts_nZ = gathered(embedded["texts"]).flatten(0, 1)
        pairs = Pairs(gathered(embedded["images"]), texts_nZ[found.real_n], found)
        scale = self.log_scale.exp()
        logits_BT = scale * pairs.cosine_BT
        contrast = contrastive_loss(logits_BT, found)
        wanted_BcT = predicted(texts)
        caption, right = self.decoder.embedding.loss(embedded["words"][wanted_BcT], texts.ids_BcT[..., 1:][wanted_BcT])
        share = global_mean_scale(predicted_count(texts), caption.device, texts.mean_count(predicted_count))
        contrast_weight, caption_weight = self.weights
        parts = {
            "contrast": contrast.detach(),
            "caption": caption.detach() * share,
            "accuracy": (logits_BT.detach().argmax(0) == found.image_T).float().mean(),
            "token_accuracy": right * share,
            "temperature": 1 / scale.detach(),
        }
        return Losses(contrast_weight * contrast + caption_weight * caption * share, parts)

    def after_update(self, step: int) -> None:
        """Keep the temperature from falling below a hundredth."""
        bound_scale(self.log_scale)

    def embed_grid(self, grid_BCHW: Tensor) -> Tensor:
        """Grids to embeddings ``[B, Z]``."""
        return self._embedded(self.caption_pooler(cells_of(grid_BCHW)))

    def embed_texts(self, texts: Sequence[str]) -> Tensor:
        """Texts to embeddings ``[B, Z]``."""
        ids_BT, present_BT = self.encoded(texts, self.log_scale.device)
        embedded_BZ: Tensor = self.text_projection(
            self.decoder.read_texts(ids_BT[:, None], present_BT[:, None])[1][:, 0]
        )
        return embedded_BZ

    def writer(self, grid_BCHW: Tensor) -> NextTokens:
        """The decoder, all of its layers."""
        return self.decoder.writer(self.caption_pooler(cells_of(grid_BCHW)))

    def attend(self, grid_BCHW: Tensor, captions: Sequence[str]) -> CaptionAttention:
        """Where it looks while it says each token: at what was pooled, and that at the grid's cells."""
        ids_BT, present_BT = self.encoded(captions, grid_BCHW.device)
        cells_BLC = cells_of(grid_BCHW)
        image = self.decoder.read_image(self.caption_pooler(cells_BLC))
        read = self.decoder.read_texts(ids_BT[:, None], present_BT[:, None])
        before_BTq = self.decoder.looks(read.tokens_BcTD[:, :, :-1], image).squeeze(1)
        before_BTL = before_BTq @ self.caption_pooler.weights(cells_BLC)
        return CaptionAttention.after(before_BTL, ids_BT, present_BT, grid_BCHW)

    def _embedded(self, pooled_BqD: Tensor) -> Tensor:
        embedded_BZ: Tensor = self.image_projection(self.contrast_pooler(pooled_BqD).squeeze(1))
        return embedded_BZ
