"""The objective ``random``: the network as it is before any training, which every other is compared with.

With ``pretrained: true`` it is a published network, with ``weights: FILE`` one from a file: its run folder is evaluated
by the same commands as any other.
"""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor

from wordsight.batching.batch import Batch
from wordsight.objectives.objective import Facts, Objective
from wordsight.vision.backbones import Backbone


@dataclass(frozen=True)
class UntouchedSettings:
    """It has no values."""


class Untouched(Objective):
    """Nothing is learned: runs of it have no epochs.

    Args:
        backbone: The backbone.
        facts: Not read.
        settings: None.
    """

    learns = False

    def __init__(self, backbone: Backbone, facts: Facts, settings: UntouchedSettings) -> None:
        super().__init__(backbone)

    def forward(self, batch: Batch) -> dict[str, Tensor]:
        """Gives a ``loss`` of zero: any network is as good as another."""
        return {"loss": self.grid(batch).sum() * 0}
