"""ALIGN (Jia et al. 2021, https://arxiv.org/abs/2102.05918): CLIP's question, asked of raw and noisy texts.

The normalised softmax in both directions of their Equations 1 and 2, with a learned temperature that begins at one and
smoothed labels (Section 5): of texts that were never checked, some do not belong to their image. How a corpus of such
texts is built stands in ``docs/corpora.md``.
"""

from __future__ import annotations

from dataclasses import dataclass

from wordsight.objectives.clip import Clip, ClipSettings
from wordsight.objectives.objective import Facts
from wordsight.ranges import Temperature, UnitFromZero
from wordsight.vision.backbones import Backbone


@dataclass(frozen=True)
class AlignSettings(ClipSettings):
    """Values of ALIGN: those of CLIP, and one more.

    Args:
        label_smoothing: The share of each target that is spread evenly over all candidates.
    """

    temperature: Temperature = 1.0
    label_smoothing: UnitFromZero = 0.1


class Align(Clip):
    """CLIP with smoothed labels.

    Args:
        backbone: The backbone.
        facts: How captions are tokenised.
        settings: Its values.
    """

    asks = "to tell the raw text of a picture from those of other pictures"

    def __init__(self, backbone: Backbone, facts: Facts, settings: AlignSettings) -> None:
        super().__init__(backbone, facts, settings)
        self.label_smoothing = settings.label_smoothing
