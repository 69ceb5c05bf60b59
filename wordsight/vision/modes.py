"""Evaluation mode for a while, with every submodule's own mode afterwards."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from torch import nn


@contextmanager
def evaluating(module: nn.Module) -> Iterator[None]:
    """Put a network into evaluation mode, and each of its submodules back into the mode that it was in.

    ``module.train(was_training)`` would not do: it also wakes layers that were frozen one by one, such as batch norm
    that is kept in evaluation mode while the rest is trained.

    Args:
        module: The network.
    """
    modes = {part: part.training for part in module.modules()}
    module.eval()
    try:
        yield
    finally:
        for part, training in modes.items():
            part.training = training
