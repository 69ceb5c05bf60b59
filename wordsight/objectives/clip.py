"""CLIP (Radford et al. 2021, https://arxiv.org/abs/2103.00020): which of the step's captions belongs to which image?

The symmetric cross-entropy of their Figure 3, with a learned temperature. An image may have several captions in a step;
another caption of the same image, and one that reads the same, is never a negative.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional

from wordsight.objectives.objective import Facts, Losses, Plot
from wordsight.objectives.two_towers import Matching, Pairs, TwoTowers, TwoTowerSettings
from wordsight.ranges import Temperature
from wordsight.vision.backbones import Backbone

# Beyond it training was unstable (Section 2.5).
_LARGEST_SCALE = 100.0


@dataclass(frozen=True)
class ClipSettings(TwoTowerSettings):
    """Values of CLIP, besides those of the towers.

    Args:
        temperature: What cosines are divided by when training begins; learned from there, not below 0.01.
    """

    temperature: Temperature = 0.07


class Clip(TwoTowers):
    """Two towers, told apart by a softmax over the step's captions and one over its images.

    Args:
        backbone: The backbone.
        facts: How captions are tokenised.
        settings: Its values.
    """

    def __init__(self, backbone: Backbone, facts: Facts, settings: ClipSettings) -> None:
        super().__init__(backbone, facts, settings)
        self.log_scale = nn.Parameter(torch.tensor(-math.log(settings.temperature)))

    @classmethod
    def plots(cls, settings: TwoTowerSettings) -> Mapping[str, Plot]:
        """Accuracy and temperature."""
        says = "share of captions whose picture is the nearest of the step's, in percent"
        return {
            "accuracy": Plot("accuracy", "share", says),
            "temperature": Plot("temperature", "value", "what similarities are divided by; it is learned"),
        }

    def loss(self, pairs: Pairs) -> Losses:
        """Gives ``accuracy`` of finding a caption's image among the step's, and ``temperature``."""
        scale = self.log_scale.exp()
        logits_BT = scale * pairs.cosine_BT
        total = contrastive_loss(logits_BT, pairs.matching)
        nearest_T = logits_BT.detach().argmax(0)
        accuracy = (nearest_T == pairs.matching.image_T).float().mean()
        return Losses(total, {"accuracy": accuracy, "temperature": 1 / scale.detach()})

    def after_update(self, step: int) -> None:
        """Keep the temperature from falling below a hundredth."""
        with torch.no_grad():
            self.log_scale.clamp_(max=math.log(_LARGEST_SCALE))


def contrastive_loss(logits_BT: Tensor, matching: Matching) -> Tensor:
    """The mean of two cross-entropies: a caption against the negatives of its image, its image against its negatives.

    Args:
        logits_BT: Scores of every image with every caption.
        matching: Which are whose.
    """
    image_T = matching.image_T
    own_TT = torch.eye(len(image_T), dtype=torch.bool, device=image_T.device)
    of_texts_TT = logits_BT[image_T].masked_fill(~(matching.negative_BT[image_T] | own_TT), -math.inf)
    of_images_TB = logits_BT.T.masked_fill(~(matching.negative_BT | matching.positive_BT).T, -math.inf)
    to_text = functional.cross_entropy(of_texts_TT, torch.arange(len(image_T), device=image_T.device))
    return (to_text + functional.cross_entropy(of_images_TB, image_T)) / 2
