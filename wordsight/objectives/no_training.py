"""The objective ``none``: the network as it is before any training, which every other is compared with.

With ``pretrained: true`` it is a published network, with ``weights: FILE`` one from a file: its run folder is evaluated
by the same commands as any other.
"""

from __future__ import annotations

from dataclasses import dataclass

from wordsight.batching.batch import Batch
from wordsight.objectives.objective import Facts, Losses, Objective
from wordsight.objectives.seen import Seen
from wordsight.vision.backbones import Backbone


@dataclass(frozen=True)
class NoTrainingSettings:
    """It has no values."""


class NoTraining(Objective):
    """Nothing is learned: runs of it have no epochs.

    Args:
        backbone: The backbone.
        facts: Not read.
        settings: None.
    """

    learns = False

    def __init__(self, backbone: Backbone, facts: Facts, settings: NoTrainingSettings) -> None:
        super().__init__(backbone)

    def losses(self, seen: Seen, batch: Batch) -> Losses:
        """Zero: any network is as good as another."""
        return Losses(seen.grid().sum() * 0)
