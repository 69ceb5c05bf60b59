"""The plain step: one forward pass, one backward pass."""

from __future__ import annotations

from torch import Tensor

from wordsight.batching.batch import Batch
from wordsight.training.steps.step import Step


class PlainStep(Step):
    """The whole batch at once."""

    def gradients(self, batch: Batch) -> dict[str, Tensor]:
        losses = self.learner.losses(batch)
        self.learner.backward(losses["loss"])
        return losses
