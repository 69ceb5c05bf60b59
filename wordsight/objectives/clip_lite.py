"""CLIP-Lite (Shrivastava et al. 2023, https://arxiv.org/abs/2112.07133): does this caption belong, or that other one?

The Jensen-Shannon lower bound on what images and captions tell of each other, with one negative a pair, in place of one
for each other caption of the batch: the mean of softplus(-f(x, y)) over pairs that belong together, and of
softplus(f(x, y')) with another's caption y'. The critic f is theirs, as their published code has it: on each side a
block of a nonlinear branch and a shortcut that begins as a copy, layer norm, unit length; f is the dot product over a
learned temperature.

What of their whole loss is not here: the prior matching of image and text features (a tenth of the total in their
settings), the terms within one modality, and negatives from clusters of captions late in training. Their negative is
the batch's next caption; here it is the next one that is a negative: of another image, and unlike the image's own.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

from wordsight.batching.batch import Batch
from wordsight.batching.fields.texts import Texts
from wordsight.objectives.objective import Chance, Facts, Losses, Plot
from wordsight.objectives.seen import Seen
from wordsight.objectives.two_towers import TEMPERATURE, Pairs, PairTowers, TwoTowerSettings, in_places, unit
from wordsight.ranges import Temperature
from wordsight.vision.backbones import Backbone

# How far the shortcut's weights are from a copy when training begins.
_NOISE = 0.01


@dataclass(frozen=True)
class ClipLiteSettings(TwoTowerSettings):
    """Values of CLIP-Lite, besides those of the towers.

    Args:
        temperature: What cosines are divided by when training begins; learned from there.
    """

    temperature: Temperature = 0.07


class CriticBlock(nn.Module):
    """One side of the critic: a nonlinear branch and a shortcut that begins as a noisy copy, added and normed.

    Args:
        channels: Width of what comes in.
        width: Width of what goes out.
    """

    def __init__(self, channels: int, width: int) -> None:
        super().__init__()
        self.nonlinear = nn.Sequential(
            nn.Linear(channels, width, bias=False), nn.BatchNorm1d(width), nn.ReLU(), nn.Linear(width, width)
        )
        self.shortcut = nn.Linear(channels, width)
        self.norm = nn.LayerNorm(width)
        with torch.no_grad():
            self.shortcut.weight.uniform_(-_NOISE, _NOISE).fill_diagonal_(1.0)

    def forward(self, rows_BC: Tensor) -> Tensor:
        """Rows ``[B, channels]`` to rows ``[B, width]``."""
        normed_BZ: Tensor = self.norm(self.nonlinear(rows_BC) + self.shortcut(rows_BC))
        return normed_BZ


class ClipLite(PairTowers):
    """Two towers with a critic on top, and for each pair one more caption that does not belong to its image.

    Args:
        backbone: The backbone.
        facts: How captions are tokenised.
        settings: Its values.
    """

    asks = "to tell the caption of a picture from that of one other picture"

    def __init__(self, backbone: Backbone, facts: Facts, settings: ClipLiteSettings) -> None:
        super().__init__(backbone, facts, settings)
        self.image_projection = CriticBlock(backbone.out_channels, settings.width)
        self.text_block = CriticBlock(settings.width, settings.width)
        self.log_scale = nn.Parameter(torch.tensor(-math.log(settings.temperature)))

    @classmethod
    def plots(cls, settings: Any) -> Mapping[str, Plot]:
        """Accuracy and temperature."""
        says = "share of captions that fit their picture better than the one other caption does, in percent"
        return {"accuracy": Plot("accuracy", "share", says), "temperature": TEMPERATURE}

    @classmethod
    def chance(cls, settings: Any, batch_size: int) -> Chance | None:
        """That of a critic which finds every pair as good as any other, whatever the batch."""
        return Chance(2 * math.log(2), "2 ln 2")

    def embed(self, seen: Seen, batch: Batch) -> dict[str, Tensor]:
        """Unit vectors: ``images`` ``[B, Z]`` and ``texts`` ``[B, c, Z]``, zeros where there is no caption."""
        texts = batch.of(Texts)
        real_n = texts.weight_Bc.flatten() > 0
        # What is no caption has no part in the statistics of batch norm.
        kept_TD = None if texts.vectors_BcD is None else texts.vectors_BcD.flatten(0, 1)[real_n]
        pooled_TZ = self.text_tower.pooled(
            texts.ids_BcT.flatten(0, 1)[real_n], texts.present_BcT.flatten(0, 1)[real_n], kept_TD
        )
        texts_nZ = in_places(unit(self.text_block(pooled_TZ)), real_n)
        return {
            "images": unit(self.embed_grid(seen.grid())),
            "texts": texts_nZ.unflatten(0, texts.weight_Bc.shape),
        }

    def loss(self, pairs: Pairs) -> Losses:
        """Gives ``accuracy`` of telling a caption from the one other, and ``temperature``."""
        scale = self.log_scale.exp()
        image_T = pairs.matching.image_T
        other_T, has_T = other_captions(pairs.matching.negative_BT[image_T])
        images_TZ = pairs.images_BZ[image_T]
        own_T = scale * (images_TZ * pairs.texts_TZ).sum(1)
        others_T = scale * (images_TZ * pairs.texts_TZ[other_T]).sum(1)
        # Where no caption of the step is a negative, the pair has its own half alone.
        count = has_T.sum().clamp_min(1)
        total = functional.softplus(-own_T).mean() + (functional.softplus(others_T) * has_T).sum() / count
        accuracy = ((own_T > others_T) & has_T).sum() / count
        return Losses(total, {"accuracy": accuracy.detach(), "temperature": 1 / scale.detach()})

    def embed_texts(self, texts: Sequence[str]) -> Tensor:
        """Texts to embeddings ``[B, Z]``."""
        embedded_BZ: Tensor = self.text_block(super().embed_texts(texts))
        return embedded_BZ


def other_captions(negative_TT: Tensor) -> tuple[Tensor, Tensor]:
    """For each pair of the step the next caption that is a negative of its image; after the last comes the first.

    Args:
        negative_TT: Whether a caption (column) is a negative of a pair's image (row); pairs are in the captions' order.

    Returns:
        The place of that caption, and whether there is one, ``[T]`` each.
    """
    count = len(negative_TT)
    places_T = torch.arange(count, device=negative_TT.device)
    following_TT = (places_T[:, None] + 1 + places_T[None]) % count
    is_negative_TT = negative_TT.gather(1, following_TT)
    # The first of equal largest values.
    first_T = is_negative_TT.int().argmax(1, keepdim=True)
    return following_TT.gather(1, first_T)[:, 0], is_negative_TT.any(1)
