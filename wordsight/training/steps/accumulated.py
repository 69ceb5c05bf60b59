"""The accumulated step: a batch in pieces, one after another, so that a step needs the memory of a piece."""

from __future__ import annotations

from contextlib import nullcontext

from torch import Tensor

from wordsight.batching.batch import Batch
from wordsight.training.steps.step import Step


class AccumulatedStep(Step):
    """The gradients of pieces of equal size, added up: those of the whole batch.

    Every item (an image, a masked word) counts as in the whole batch, however many of them a piece holds. Batch norm
    and dropout look at each piece by itself, and an accuracy is the mean of the pieces'.
    """

    def gradients(self, batch: Batch) -> dict[str, Tensor]:
        pieces = batch.split(self.settings.accumulate)
        means: dict[str, Tensor] = {}
        for piece in pieces:
            with nullcontext() if piece is pieces[-1] else self.learner.apart():
                losses = self.learner.losses(piece)
                self.learner.backward(losses["loss"] / len(pieces))
            for name, value in losses.items():
                share = value.detach() / len(pieces)
                means[name] = means[name] + share if name in means else share
        return means
