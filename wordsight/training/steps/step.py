"""A step of training: gradients of a batch, in whichever way, and one update of the weights."""

from __future__ import annotations

from abc import ABC, abstractmethod

import torch
from torch import Tensor

from wordsight.batching.batch import Batch
from wordsight.optim import set_rate
from wordsight.training.learner import Learner
from wordsight.training.pretrain_settings import PretrainSettings
from wordsight.training.sparse_optimizers import clip_gradients


class Step(ABC):
    """From a batch to updated weights; how its gradients are found is what the kinds of steps differ in.

    Args:
        learner: What is trained.
        settings: The run's settings.
        total: Steps of the whole run, which the learning rate's schedule spans.
    """

    def __init__(self, learner: Learner, settings: PretrainSettings, total: int) -> None:
        self.learner, self.settings, self.total = learner, settings, total

    def update(self, number: int, batch: Batch) -> dict[str, Tensor]:
        """Make one step.

        Args:
            number: Number of the step, from 0.
            batch: This process's share of the step's images.

        Returns:
            The losses of this process by name, and the gradients' length where they are clipped.
        """
        settings, optimizer = self.settings, self.learner.optimizer
        # Chance within the step (dropout) depends on the step alone, so that there is no generator state to resume.
        torch.manual_seed((settings.seed * 1_000_003 + number) * 1_009 + self.learner.fabric.global_rank)
        set_rate(optimizer, settings.lr * settings.optimizer.rates.rate(number, self.total))
        losses = self.gradients(batch)
        self.learner.average_tables()
        if settings.optimizer.clip_norm > 0:
            norm = clip_gradients(self.learner.objective.parameters(), settings.optimizer.clip_norm)
            losses = {**losses, "gradient_norm": norm}
        optimizer.step()
        optimizer.zero_grad(set_to_none=True)
        return losses

    @abstractmethod
    def gradients(self, batch: Batch) -> dict[str, Tensor]:
        """Leave the gradients of a batch's loss in the parameters; gives the losses by name."""
