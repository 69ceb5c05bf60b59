"""Checkpoints: everything that a run needs to go on to the same numbers, as safetensors.

Order, views, masks and dropout are functions of the seed and the step's number, so that weights, optimiser and step are
all there is to keep. Nothing is pickled.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from wordsight.errors import InputError, setting
from wordsight.tensors import read_noted, save_tensors


@dataclass(frozen=True)
class Position:
    """Where a run stands.

    Args:
        step: Steps done.
        seconds: Time spent training so far.
        window: Sums of what was measured since the last line of metrics, and how many steps they hold.
    """

    step: int
    seconds: float
    window: dict[str, float]


@dataclass(frozen=True)
class State:
    """What learning has made.

    Args:
        module: Weights and buffers, by name.
        optimizer: What the optimiser remembers of each parameter, by the parameter's number.
    """

    module: Mapping[str, Tensor]
    optimizer: Mapping[int, Mapping[str, Any]]

    @classmethod
    def of(cls, module: nn.Module, optimizer: torch.optim.Optimizer) -> State:
        """The state of a module and of its optimiser."""
        return cls(module.state_dict(), optimizer.state_dict()["state"])


def save_checkpoint(path: Path, state: State, position: Position) -> None:
    """Write a checkpoint atomically.

    Args:
        path: The file; an old one is replaced once the new one is whole.
        state: Weights and optimiser state.
        position: Where the run stands.
    """
    tensors = {f"module.{name}": value for name, value in state.module.items()}
    scalars: dict[str, dict[str, Any]] = {}
    for index, values in state.optimizer.items():
        for name, value in values.items():
            if isinstance(value, Tensor):
                tensors[f"optimizer.{index}.{name}"] = value
            else:
                scalars.setdefault(str(index), {})[name] = value
    note = {"step": position.step, "seconds": position.seconds, "window": position.window, "scalars": scalars}
    save_tensors(path, tensors, note)


def load_checkpoint(path: Path, module: nn.Module, optimizer: torch.optim.Optimizer) -> Position:
    """Put a checkpoint's weights and optimiser state in place.

    Returns:
        Where the run stood.

    Raises:
        InputError: When the file is damaged or belongs to another objective.
    """
    again = f"remove it to start at the beginning, or start the run again in another {setting('out')}"
    tensors, note = read_noted(path, damaged=again)
    if not {"step", "seconds", "window", "scalars"} <= set(note):
        raise InputError("is not a checkpoint", where=path, mend=again)
    weights = {name.removeprefix("module."): value for name, value in tensors.items() if name.startswith("module.")}
    try:
        module.load_state_dict(weights)
    except RuntimeError as error:
        raise InputError("holds the weights of another objective or backbone", where=path) from error
    state: dict[int, dict[str, Any]] = {}
    for name, value in tensors.items():
        if name.startswith("optimizer."):
            _, index, key = name.split(".", 2)
            state.setdefault(int(index), {})[key] = value
    for index, values in note["scalars"].items():
        state.setdefault(int(index), {}).update(values)
    whole = optimizer.state_dict()
    _match_layouts(state, optimizer)
    optimizer.load_state_dict({"state": state, "param_groups": whole["param_groups"]})
    return Position(note["step"], note["seconds"], note["window"])


def _match_layouts(state: dict[int, dict[str, Any]], optimizer: torch.optim.Optimizer) -> None:
    """Give each moment its parameter's memory layout (channels last), which a file does not keep.

    Fused optimisers walk parameter and moments side by side in memory, whatever their strides say.
    """
    parameters = [parameter for group in optimizer.param_groups for parameter in group["params"]]
    for index, values in state.items():
        for name, value in values.items():
            if isinstance(value, Tensor) and value.shape == parameters[index].shape:
                values[name] = torch.empty_like(parameters[index]).copy_(value)
