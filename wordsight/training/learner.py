"""What learns: an objective as the processes of a run train it, and its optimiser."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager
from typing import Any, cast

import torch
from lightning.fabric import Fabric
from torch import Tensor, nn

from wordsight.batching.batch import Batch
from wordsight.objectives import Objective
from wordsight.training.checkpoint import State
from wordsight.training.optimizer import build_optimizer
from wordsight.training.pretrain_settings import PretrainSettings
from wordsight.training.sparse_optimizers import average_rows, leave_tables_out
from wordsight.training.synced_batch_norm import synced


class Learner:
    """An objective on its device, wrapped for the processes that train it together, and its optimiser.

    Args:
        fabric: Device, precision and processes.
        objective: What is trained; its batch norm is made that of all processes.
        settings: The run's settings.
    """

    def __init__(self, fabric: Fabric, objective: Objective, settings: PretrainSettings) -> None:
        self.fabric = fabric
        self.objective = synced(objective, fabric.device) if fabric.world_size > 1 else objective
        whole = _Forward(self.objective)
        leave_tables_out(whole)
        made = build_optimizer(self.objective, settings.optimizer, settings.lr)
        wrapped: Any
        optimizer: Any
        wrapped, optimizer = fabric.setup(whole, made)
        self._wrapped: Any = wrapped
        self.optimizer: torch.optim.Optimizer = optimizer

    def train(self) -> None:
        """Put the objective in training mode."""
        self._wrapped.train()

    def losses(self, batch: Batch) -> dict[str, Tensor]:
        """One forward pass: the losses of a batch by name, of which ``loss`` is to be minimised."""
        return self.forward(lambda objective: cast("dict[str, Tensor]", objective(batch)))

    def forward(self, work: Callable[[Objective], dict[str, Tensor]]) -> dict[str, Tensor]:
        """One forward pass of another kind: one whose gradients are averaged over processes.

        Args:
            work: What is done with the objective; gives tensors by name.
        """
        made: dict[str, Tensor] = self._wrapped(_Sealed(work))
        return made

    def backward(self, loss: Tensor) -> None:
        """Add a loss's gradients to the parameters', averaged over processes."""
        self.fabric.backward(loss)

    def autocast(self) -> AbstractContextManager[Any]:
        """The run's precision, for passes that no gradients follow."""
        return self.fabric.autocast()

    def apart(self) -> AbstractContextManager[Any]:
        """While open, gradients stay each process's own; those of the next pass outside are averaged with them."""
        return self.fabric.no_backward_sync(self._wrapped, enabled=self.fabric.world_size > 1)

    def average_tables(self) -> None:
        """Average over processes the gradients that ``DistributedDataParallel`` leaves alone."""
        average_rows(self.objective.parameters())

    def full_state(self) -> State:
        """Weights and optimiser state, whole; all processes have to call this."""
        return State.of(self.objective, self.optimizer)


class _Sealed:
    """A pass that Fabric hands on as it is: it would copy all fields of a batch, and make half precision float32."""

    def __init__(self, work: Callable[[Objective], dict[str, Tensor]]) -> None:
        self.work = work


class _Forward(nn.Module):
    """The objective as Fabric wraps it."""

    def __init__(self, objective: Objective) -> None:
        super().__init__()
        self.objective = objective

    def forward(self, sealed: _Sealed) -> dict[str, Tensor]:
        return sealed.work(self.objective)
