"""Refuses networks whose weights are not finite."""

from __future__ import annotations

from torch import nn

from wordsight.errors import InputError


def check_weights(network: nn.Module, name: str) -> None:
    """Refuse a network whose weights are not finite, whatever the protocol.

    Args:
        network: The network: its parameters and running statistics are checked.
        name: What it is called.

    Raises:
        InputError: When one is NaN.
    """
    broken = [part for part, tensor in network.state_dict().items() if bool(tensor.isnan().any())]
    if broken:
        raise InputError(
            f"its weights are not finite numbers: {broken[0]} holds NaN",
            where=name,
            mend="training diverged: lower the learning rate, or train in float32",
        )
