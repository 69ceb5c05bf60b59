"""CLIP (Radford et al. 2021, https://arxiv.org/abs/2103.00020): which of the step's captions belongs to which image?

The symmetric cross-entropy of their Figure 3, with a learned temperature. An image may have several captions in a step;
another caption of the same image, and one that reads the same, is never a negative.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

import torch
from torch import Tensor, nn
from torch.nn import functional

from wordsight.objectives.objective import Chance, Facts, Losses, Plot
from wordsight.objectives.two_towers import TEMPERATURE, Matching, Pairs, PairTowers, TwoTowerSettings
from wordsight.ranges import Temperature
from wordsight.vision.backbones import Backbone

# Beyond it training was unstable (Section 2.5).
_LARGEST_SCALE = 100.0

Positives = Literal["apart", "together"]


@dataclass(frozen=True)
class ClipSettings(TwoTowerSettings):
    """Values of CLIP, besides those of the towers.

    Args:
        temperature: What cosines are divided by when training begins; learned from there, not below 0.01.
        positives: Where an image has several captions in a step, how it is held against them: ``apart``, each by
            itself against other images' captions, the image's own left out; ``together``, all in one softmax, of which
            each should have an equal share.
    """

    temperature: Temperature = 0.07
    positives: Positives = "apart"


class Clip(PairTowers):
    """Two towers, told apart by a softmax over the step's captions and one over its images.

    Args:
        backbone: The backbone.
        facts: How captions are tokenised.
        settings: Its values.
    """

    # What is spread evenly over all candidates; nothing, here.
    label_smoothing = 0.0

    def __init__(self, backbone: Backbone, facts: Facts, settings: ClipSettings) -> None:
        super().__init__(backbone, facts, settings)
        self.log_scale = nn.Parameter(torch.tensor(-math.log(settings.temperature)))
        self.positives = settings.positives

    @classmethod
    def plots(cls, settings: Any) -> Mapping[str, Plot]:
        """Accuracy and temperature."""
        says = "share of captions whose picture is the nearest of the step's, in percent"
        return {"accuracy": Plot("accuracy", "share", says), "temperature": TEMPERATURE}

    @classmethod
    def chance(cls, settings: Any, batch_size: int) -> Chance | None:
        """The mean of the logarithms of how many captions and how many images there are to choose from."""
        captions = settings.captions
        texts = captions * batch_size if settings.positives == "together" else captions * (batch_size - 1) + 1
        says = f"ln {batch_size}" if captions == 1 else f"the mean of ln {texts} and ln {batch_size}"
        return Chance((math.log(texts) + math.log(batch_size)) / 2, says)

    def loss(self, pairs: Pairs) -> Losses:
        """Gives ``accuracy`` of finding a caption's image among the step's, and ``temperature``."""
        scale = self.log_scale.exp()
        logits_BT = scale * pairs.cosine_BT
        total = contrastive_loss(
            logits_BT, pairs.matching, positives=self.positives, label_smoothing=self.label_smoothing
        )
        nearest_T = logits_BT.detach().argmax(0)
        accuracy = (nearest_T == pairs.matching.image_T).float().mean()
        return Losses(total, {"accuracy": accuracy, "temperature": 1 / scale.detach()})

    def after_update(self, step: int) -> None:
        """Keep the temperature from falling below a hundredth."""
        bound_scale(self.log_scale)


def bound_scale(log_scale: Tensor) -> None:
    """Keep a learned temperature from falling below a hundredth (Section 2.5).

    Args:
        log_scale: The logarithm of its inverse; changed in place.
    """
    with torch.no_grad():
        log_scale.clamp_(max=math.log(_LARGEST_SCALE))


def contrastive_loss(
    logits_BT: Tensor,
    matching: Matching,
    to_images_BT: Tensor | None = None,
    *,
    positives: Positives = "apart",
    label_smoothing: float = 0.0,
) -> Tensor:
    """The mean of two cross-entropies: images choose among captions, captions among images.

    With s_it the score of image i with caption t, N_i the captions that are negatives of i, P_i its own:

    - captions to images: the mean over captions t, of image i, of -log(exp s_it / (exp s_it + the sum of exp s_jt over
      the images j of which t is a negative));
    - images to captions, ``apart``: the mean over captions t, of image i, of -log(exp s_it / (exp s_it + the sum of
      exp s_in over n in N_i)); ``together``: the mean over images of the mean over p in P_i of -log(exp s_ip / the sum
      of exp s_ik over k in P_i and N_i), as in supervised contrast (Khosla et al. 2020, Eq. 2).

    Args:
        logits_BT: Scores of every image with every caption.
        matching: Which are whose.
        to_images_BT: The scores by which captions choose among images, where they are others.
        positives: How an image with several captions is held against them.
        label_smoothing: The share of each target that is spread evenly over all that it can be chosen among, the
            own caption or image among them.
    """
    image_T = matching.image_T
    of_images_BT = logits_BT if to_images_BT is None else to_images_BT
    candidates_BT = matching.negative_BT | matching.positive_BT
    to_image = _cross_entropy(of_images_BT.T, candidates_BT.T, image_T, label_smoothing)
    if positives == "together":
        return (_to_own(logits_BT, matching, label_smoothing) + to_image) / 2
    own_T = torch.arange(len(image_T), device=image_T.device)
    others_TT = matching.negative_BT[image_T] | (own_T[:, None] == own_T[None])
    return (_cross_entropy(logits_BT[image_T], others_TT, own_T, label_smoothing) + to_image) / 2


def _cross_entropy(logits_RC: Tensor, candidates_RC: Tensor, own_R: Tensor, smoothing: float) -> Tensor:
    """The mean over rows of the cross-entropy over their candidates."""
    among_RC = logits_RC.masked_fill(~candidates_RC, -math.inf)
    loss = functional.cross_entropy(among_RC, own_R)
    if not smoothing:
        return loss
    return (1 - smoothing) * loss + smoothing * _evenly(among_RC.log_softmax(1), candidates_RC).mean()


def _to_own(logits_BT: Tensor, matching: Matching, smoothing: float) -> Tensor:
    """The cross-entropy of each image over its own and others' captions; an image without captions is left out."""
    own_BT = matching.positive_BT
    candidates_BT = matching.negative_BT | own_BT
    log_share_BT = logits_BT.masked_fill(~candidates_BT, -math.inf).log_softmax(1)
    has_B = own_BT.any(1)
    loss_B = (1 - smoothing) * _evenly(log_share_BT[has_B], own_BT[has_B])
    if smoothing:
        loss_B = loss_B + smoothing * _evenly(log_share_BT[has_B], candidates_BT[has_B])
    return loss_B.mean()


def _evenly(log_share_RC: Tensor, which_RC: Tensor) -> Tensor:
    """Minus the mean logarithm over some of each row."""
    return -log_share_RC.masked_fill(~which_RC, 0).sum(1) / which_RC.sum(1)
