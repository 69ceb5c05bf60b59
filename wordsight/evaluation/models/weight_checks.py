"""Weights that are no finite numbers: refused."""

from __future__ import annotations

from torch import nn

from wordsight.errors import InputError


def check_weights(network: nn.Module, name: str) -> None:
    """Refuse a network whose weights are no numbers, whatever is to be asked of it.

    Args:
        network: The network: its parameters and running statistics are looked at.
        name: What it is called.

    Raises:
        InputError: When one is NaN.
    """
    broken = [part for part, tensor in network.state_dict().items() if bool(tensor.isnan().any())]
    if broken:
        raise InputError(
            f"its weights are no finite numbers: {broken[0]} holds NaN",
            where=name,
            mend="training diverged: lower the learning rate, or train in float32",
        )
