"""Tag prediction (ICMLM, Section 3.1): which concepts of the captions does the image show?

https://arxiv.org/abs/2008.01392
"""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor

from wordsight.batching.batch import Batch
from wordsight.batching.fields.tags import TagFacts
from wordsight.batching.needs import Needs
from wordsight.objectives.objective import Facts, Objective
from wordsight.objectives.tag_heads import TagHeads, TagSettings
from wordsight.vision.backbones import Backbone


@dataclass(frozen=True)
class TagPredictionSettings(TagSettings):
    """Values of tag prediction: those of its heads."""


class TagPrediction(Objective):
    """Learn the concepts of an image's captions, by Eq. 2 or another loss, for one concept set or several.

    Args:
        backbone: The backbone.
        facts: The concept sets.
        settings: Its values.
    """

    asks = "to predict which concepts a picture has"

    def __init__(self, backbone: Backbone, facts: Facts, settings: TagPredictionSettings) -> None:
        super().__init__(backbone)
        self.tp = TagHeads(backbone.out_channels, facts.of(TagFacts).concepts, settings)

    @classmethod
    def needs(cls, settings: TagPredictionSettings) -> Needs:
        """Tags."""
        return Needs({"tags": settings.tags_need})

    def forward(self, batch: Batch) -> dict[str, Tensor]:
        """Gives ``loss``, and its parts: ``tag``, and ``tag_NAME`` for each of several sets."""
        assert batch.tags is not None, "batching fills what `needs` names"
        loss, parts = self.tp.loss(self.grid(batch), batch.tags)
        return {"loss": loss, **parts}
