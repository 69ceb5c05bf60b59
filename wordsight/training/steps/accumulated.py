"""The accumulated step: a batch in pieces, one after another, so that a step needs the memory of a piece."""

from __future__ import annotations

from contextlib import nullcontext

from torch import Tensor

from wordsight.batching.batch import Batch
from wordsight.errors import InputError
from wordsight.objectives import Objective
from wordsight.training.learner import Learner
from wordsight.training.pretrain_settings import PretrainSettings
from wordsight.training.steps.step import Step


class AccumulatedStep(Step):
    """The gradients of pieces of equal size, added up: those of the whole batch.

    Every item (an image, a masked word) counts as in the whole batch, however many of them a piece holds. Batch norm
    and dropout look at each piece by itself, and an accuracy is the mean of the pieces'.

    Args:
        learner: What is trained.
        settings: The run's settings; ``accumulate`` says how many pieces.
        total: Steps of the whole run.

    Raises:
        InputError: When the objective compares images of a batch with each other.
    """

    def __init__(self, learner: Learner, settings: PretrainSettings, total: int) -> None:
        super().__init__(learner, settings, total)
        if not _divisible(learner.objective):
            raise InputError(
                f"the objective {settings.objective!r} needs the whole batch at once",
                where="accumulate",
                expected="1",
                mend="give a smaller batch_size instead",
            )

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


def _divisible(objective: Objective) -> bool:
    """Whether all objectives of a sum can learn from a batch in pieces."""
    inner = objective.inner()
    return all(_divisible(one) for one in inner) if inner else objective.divisible
