"""Settings of runs that take seconds, and what tests do with such runs: stop them, watch their steps, compare them."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import torch
from safetensors.torch import load_file
from torch.optim.optimizer import register_optimizer_step_post_hook, register_optimizer_step_pre_hook

from wordsight.training.pretrain_settings import PretrainSettings

SMALL = PretrainSettings(
    objective="tag-prediction", image_size=32, epochs=2, batch_size=8, workers=0, precision="fp32", lr=1e-3
)
# AlexNet's features hold neither batch norm nor dropout: what differs between runs is what differs in their batches.
WITHOUT_NORM = replace(SMALL, backbone="alexnet", image_size=64, lr=1e-4)


@contextmanager
def each_step(
    before: Callable[[int, torch.optim.Optimizer], None] | None = None,
    after: Callable[[int, torch.optim.Optimizer], None] | None = None,
) -> Iterator[None]:
    """Look at each update of the weights in this process, through PyTorch's own hooks.

    Args:
        before: Called with the number of the update, from 0, and the optimiser, whose parameters have their gradients.
        after: The same once they are updated.
    """
    updates, depth = 0, 0

    def entered(optimizer: torch.optim.Optimizer, *_: object) -> None:
        nonlocal depth
        if depth == 0 and before is not None:
            before(updates, optimizer)
        depth += 1

    def left(optimizer: torch.optim.Optimizer, *_: object) -> None:
        nonlocal updates, depth
        depth -= 1
        # A subclass's update calls that of its base, which has hooks too as soon as the base has been used anywhere.
        if depth == 0:
            if after is not None:
                after(updates, optimizer)
            updates += 1

    hooks = [register_optimizer_step_pre_hook(entered), register_optimizer_step_post_hook(left)]
    try:
        yield
    finally:
        for each in hooks:
            each.remove()


@contextmanager
def signal_within(step: int, what: signal.Signals = signal.SIGINT) -> Iterator[None]:
    """Send this process a signal within a step of its training, by the step's number from 0; Ctrl-C by default."""

    def send(number: int, _: torch.optim.Optimizer) -> None:
        if number == step:
            os.kill(os.getpid(), what)

    with each_step(before=send):
        yield


def weights(run: Path) -> dict[str, torch.Tensor]:
    """All trained weights of a run's folder: backbone and heads."""
    return {**load_file(run / "backbone.safetensors"), **load_file(run / "objective.safetensors")}


def same_weights(first: Path, second: Path) -> bool:
    """Whether the weights of two runs are the same bits."""
    one, other = weights(first), weights(second)
    return one.keys() == other.keys() and all(torch.equal(one[name], other[name]) for name in one)
