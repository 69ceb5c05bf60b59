"""Tag prediction (ICMLM, Section 3.1): which concepts of the captions does the image show?"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from wordsight.batching.batch import Batch, Tags
from wordsight.heads.tp import TagHead, TagHeadKind
from wordsight.objectives.objective import Facts, Objective
from wordsight.vision.backbones import Backbone


@dataclass(frozen=True)
class TagPredictionSettings:
    """Values of tag prediction.

    Args:
        tag_head: ``linear``, ``mlp`` (the paper's with ResNet50) or ``cnn`` (with VGG16).
        tag_hidden: Width of the tag head's hidden layers; 0 takes the backbone's.
    """

    tag_head: TagHeadKind = "linear"
    tag_hidden: int = 0


class TagPrediction(Objective):
    """Softmax cross-entropy against the image's tags, normalised to sum to one (Eq. 2).

    Args:
        backbone: The backbone.
        facts: Number of concepts.
        settings: Its values.
    """

    needs = frozenset({"tags"})

    def __init__(self, backbone: Backbone, facts: Facts, settings: TagPredictionSettings) -> None:
        super().__init__(backbone)
        self.tp = TagHead(backbone.out_channels, facts.concepts, settings.tag_head, settings.tag_hidden)

    def forward(self, batch: Batch) -> dict[str, Tensor]:
        """Gives ``loss`` (Eq. 2) and ``tag``, the same."""
        assert batch.tags is not None, "batching fills what `needs` names"
        loss = tag_loss(self.tp(self.grid(batch)), batch.tags)
        return {"loss": loss, "tag": loss.detach()}


def tag_loss(logits_BK: Tensor, tags: Tags) -> Tensor:
    """Categorical cross-entropy against tags normalised to sum to one, mean over images that have tags (Eq. 2).

    With labels y that sum to one, -sum_k y_k log p_k = logsumexp(z) - sum_k y_k z_k: no dense label matrix is needed.

    Args:
        logits_BK: Scores of all concepts.
        tags: Concepts of each image.
    """
    logits_BK = logits_BK.float()
    total_B = torch.zeros(len(logits_BK), device=logits_BK.device).index_add_(0, tags.image_P, tags.value_P)
    share_P = tags.value_P / total_B[tags.image_P]
    wanted_P = share_P * logits_BK[tags.image_P, tags.concept_P]
    wanted_B = torch.zeros_like(total_B).index_add_(0, tags.image_P, wanted_P)
    tagged_B = (total_B > 0).float()
    loss_B = (logits_BK.logsumexp(-1) - wanted_B) * tagged_B
    # Every image of a batch has tags in training, so that means over processes weigh images alike.
    return loss_B.sum() / tagged_B.sum().clamp_min(1)
