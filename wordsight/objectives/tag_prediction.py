"""Tag prediction (ICMLM, Section 3.1): which concepts of the captions does the image show?

https://arxiv.org/abs/2008.01392
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from wordsight.batching.batch import Batch
from wordsight.batching.fields.tags import TagFacts
from wordsight.batching.needs import Needs
from wordsight.objectives.capabilities import TagObjective
from wordsight.objectives.objective import Facts, Losses, Plot
from wordsight.objectives.seen import Seen
from wordsight.objectives.tag_heads import TagHeads, TagSettings
from wordsight.vision.backbones import Backbone


@dataclass(frozen=True)
class TagPredictionSettings(TagSettings):
    """Values of tag prediction: those of its heads."""


class TagPrediction(TagObjective):
    """Learn the concepts of an image's captions, by Eq. 2 or another loss, for one concept set or several.

    Args:
        backbone: The backbone.
        facts: The concept sets.
        settings: Its values.
    """

    asks = "to predict which concepts a picture has"
    divisible = True

    def __init__(self, backbone: Backbone, facts: Facts, settings: TagSettings) -> None:
        super().__init__(backbone)
        self.tag_heads = TagHeads(backbone.out_channels, facts.of(TagFacts).concepts, settings)

    @classmethod
    def needs(cls, settings: TagSettings) -> Needs:
        """Tags."""
        return Needs({"tags": settings.tags_need})

    @classmethod
    def plots(cls, settings: TagSettings) -> Mapping[str, Plot]:
        """The loss of all sets, and of each."""
        return {"tag": Plot("tags", "loss"), "tag_*": Plot("", "loss")}

    def losses(self, seen: Seen, batch: Batch) -> Losses:
        """Gives ``tag``, and ``tag_NAME`` for each of several sets."""
        assert batch.tags is not None, "batching fills what `needs` names"
        return Losses(*self.tag_heads.loss(seen.grid(), batch.tags))

    def current_name(self, name: str) -> str:
        """Earlier versions called the heads as the paper does."""
        return f"tag_heads.{name.removeprefix('tp.')}" if name.startswith("tp.") else name
