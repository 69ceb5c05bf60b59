"""SigLIP (Zhai et al. 2023, https://arxiv.org/abs/2303.15343): does this caption belong to this image, pair by pair?

The sigmoid loss of their Equation 1 and Algorithm 1, with a learned temperature and a learned bias. No pair needs to
know of another, so that the pairs of all processes are never in one place (their Section 3.3): each process holds its
own images against the captions of one process after another. There a block of pairs is computed anew in the backward
pass instead of being kept, which bounds memory by one block.

A pair is positive where the caption was drawn for the image. A caption of the same example that was drawn for another
place of the step, and one that reads like the image's own, are neither positive nor negative, and are left out: each
caption then has one positive, as in the paper.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional
from torch.utils.checkpoint import checkpoint

from wordsight.batching.batch import Batch
from wordsight.batching.fields.texts import Texts
from wordsight.objectives.gather import gathered, summed
from wordsight.objectives.objective import Chance, Facts, Losses, Plot
from wordsight.objectives.processes import processes
from wordsight.objectives.two_towers import TEMPERATURE, TwoTowers, TwoTowerSettings, negatives
from wordsight.ranges import Logit, Temperature
from wordsight.vision.backbones import Backbone


@dataclass(frozen=True)
class SigLipSettings(TwoTowerSettings):
    """Values of SigLIP, besides those of the towers.

    Args:
        temperature: What cosines are divided by when training begins; learned from there.
        bias: What is added to every pair's score when training begins; learned from there.
    """

    temperature: Temperature = 0.1
    bias: Logit = -10.0


class SigLip(TwoTowers):
    """Two towers, and a sigmoid for each pair of an image and a caption of the step.

    Args:
        backbone: The backbone.
        facts: How captions are tokenised.
        settings: Its values.
    """

    asks = "to say of a picture and a caption whether they belong together"

    def __init__(self, backbone: Backbone, facts: Facts, settings: SigLipSettings) -> None:
        super().__init__(backbone, facts, settings)
        self.log_scale = nn.Parameter(torch.tensor(-math.log(settings.temperature)))
        self.bias = nn.Parameter(torch.tensor(settings.bias))

    @classmethod
    def plots(cls, settings: Any) -> Mapping[str, Plot]:
        """Accuracy, temperature and bias."""
        says = "share of pictures whose nearest caption of the step's is theirs, or reads like it, in percent"
        return {
            "accuracy": Plot("accuracy", "share", says),
            "temperature": TEMPERATURE,
            "bias": Plot("bias", "value", "what is added to every pair's score; it is learned"),
        }

    @classmethod
    def chance(cls, settings: Any, batch_size: int) -> Chance | None:
        """The entropy of one pair in B being right, for the B pairs of a caption: what the best bias alone reaches."""
        if batch_size < 2:
            return None
        others = batch_size - 1
        loss = math.log(batch_size) + others * math.log(batch_size / others)
        return Chance(loss, f"one pair in {batch_size} is right")

    def compare(self, embedded: Mapping[str, Tensor], batch: Batch) -> Losses:
        """The sum over all pairs, divided by the captions; gives ``accuracy``, ``temperature`` and ``bias``."""
        drawn = batch.of(Texts)
        example_B, text_Bc, weight_Bc = map(gathered, (batch.examples_B, drawn.text_Bc, drawn.weight_Bc))
        images_bZ, texts_BcZ = embedded["images"], gathered(embedded["texts"])
        rank, world = processes()
        total, nearest_b = images_bZ.new_zeros(()), images_bZ.new_full((len(images_bZ),), -math.inf)
        right_b = torch.zeros(len(images_bZ), dtype=torch.bool, device=images_bZ.device)
        for turn in range(world):
            # One process after another, this one's captions first.
            theirs = slice((rank + turn) % world, None, world)
            real_n = weight_Bc[theirs].flatten() > 0
            place_T = torch.arange(len(real_n), device=real_n.device)[real_n] // weight_Bc.shape[1]
            example_T, text_T = example_B[theirs][place_T], text_Bc[theirs].flatten()[real_n]
            negative_bT = negatives(batch.examples_B, drawn.text_Bc, example_T, text_T)
            positive_bT = torch.zeros_like(negative_bT)
            if turn == 0:
                positive_bT = torch.arange(len(images_bZ), device=place_T.device)[:, None] == place_T[None]
            texts_TZ = texts_BcZ[theirs].flatten(0, 1)[real_n]
            given = (images_bZ, texts_TZ, self.log_scale, self.bias, positive_bT, negative_bT)
            total = total + (pairs_loss(*given) if world == 1 else _kept_small(*given))
            with torch.no_grad():
                best_b, which_b = (images_bZ @ texts_TZ.T).max(1)
                # Captions that read alike are equally near: whose of them is found does not matter.
                right_b = torch.where(best_b > nearest_b, ~negative_bT.gather(1, which_b[:, None])[:, 0], right_b)
                nearest_b = torch.maximum(nearest_b, best_b)
        accuracy = summed(right_b.float().sum()) / len(example_B)
        numbers = {
            "accuracy": accuracy,
            "temperature": 1 / self.log_scale.detach().exp(),
            "bias": self.bias.detach(),
        }
        return Losses(summed(total / weight_Bc.sum()), numbers)


def pairs_loss(
    images_BZ: Tensor, texts_TZ: Tensor, log_scale: Tensor, bias: Tensor, positive_BT: Tensor, negative_BT: Tensor
) -> Tensor:
    """The sum over pairs of -log sigmoid(z (t x.y + b)), z being 1 of positive and -1 of negative pairs.

    Args:
        images_BZ: Unit vectors x.
        texts_TZ: Unit vectors y.
        log_scale: The logarithm of t.
        bias: b.
        positive_BT: Which pairs belong together.
        negative_BT: Which do not; pairs that are neither are left out.
    """
    logits_BT = log_scale.exp() * images_BZ @ texts_TZ.T + bias
    sign_BT = positive_BT.to(logits_BT.dtype) - negative_BT.to(logits_BT.dtype)
    return -(functional.logsigmoid(sign_BT * logits_BT) * sign_BT.abs()).sum()


def _kept_small(*given: Tensor) -> Tensor:
    """The loss of a block, of which nothing is kept for the backward pass."""
    loss: Tensor = checkpoint(pairs_loss, *given, use_reentrant=False, preserve_rng_state=False)
    return loss
