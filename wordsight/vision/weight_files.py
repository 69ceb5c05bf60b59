"""Files of weights, read without running any code of theirs: tensors by name, and the boxes that they lie in.

Published checkpoints keep more than a network: an optimiser, averaged weights, a second network. Each mapping of a
checkpoint is a box here, and a tensor's name begins with the boxes around it (``state_dict.layer1.0.conv1.weight``).
"""

from __future__ import annotations

import argparse
import json
import pickle
import struct
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from torch import Tensor

from wordsight.disk import check_readable
from wordsight.errors import InputError
from wordsight.tensors import read_tensors
from wordsight.vision.preprocessing import MEAN, STD, Preprocessing

# Left by DataParallel, DistributedDataParallel, torch.compile and weight averaging, at the start of a name or within.
_WRAPPERS = frozenset({"module", "_orig_mod"})
# Deeper than any checkpoint is nested; a mapping that holds itself would have no end.
_DEEPEST = 8
_EXPECTED = "a .safetensors file, or a .pth file of tensors alone"
_CONVERT = (
    "if you trust where it comes from, keep its tensors alone: python -c \"import torch; c = torch.load('{file}', "
    "map_location='cpu', weights_only=False); torch.save(c.get('state_dict', c.get('model', c)), 'weights.pth')\""
)


@dataclass(frozen=True)
class WeightFile:
    """What a file of weights holds.

    Args:
        tensors: Each tensor by its name, boxes first, without the parts that wrappers add.
        boxes: For each name the boxes around the tensor: ``state_dict``, ``classy_state_dict.base_model``, "".
    """

    tensors: dict[str, Tensor]
    boxes: dict[str, str]


def read_weights(file: Path) -> WeightFile:
    """The tensors of a file by name.

    Args:
        file: A ``.safetensors`` file, or one that ``torch.save`` wrote, of which nothing but tensors, plain values and
            the arguments that a training script was called with is read.

    Raises:
        InputError: When it can't be read, or holds no tensors.
    """
    if not file.exists():
        raise InputError("no such file", where=file, expected="a .safetensors or .pth file of weights")
    check_readable(file)
    try:
        content: Any = read_tensors(file) if file.suffix == ".safetensors" else _load_pickled(file)
    except InputError:
        raise
    except pickle.UnpicklingError as error:
        raise _holds_more(file, str(error)) from error
    except (OSError, SafetensorError, RuntimeError, EOFError, ValueError, KeyError, struct.error) as error:
        raise InputError(
            f"can't be read: {str(error).splitlines()[0] if str(error) else type(error).__name__}",
            where=file,
            expected=_EXPECTED,
        ) from error
    tensors, boxes = {}, {}
    for box, key, tensor in _tensors(content):
        name = bare_name(f"{box}.{key}" if box else key)
        # Of a network and its wrapped double the first is kept; they hold the same.
        if name not in tensors:
            tensors[name], boxes[name] = tensor, bare_name(box)
    if not tensors:
        raise InputError("holds no tensors by name", where=file, expected="the weights of a network")
    return WeightFile(tensors, boxes)


def pixels_beside(file: Path) -> tuple[tuple[float, ...], tuple[float, ...]] | None:
    """Mean and spread of pixels that are written with a file of weights; None where nothing is.

    A run has them in its ``run.json``, a folder of timm's from a hub in its ``config.json``.

    Args:
        file: The file of weights.
    """
    run, hub = _mapping_in(file.parent / "run.json"), _mapping_in(file.parent / "config.json")
    if file.name == "backbone.safetensors" and run:
        # What a run does not name is ImageNet's.
        return _pair(run) or (MEAN, STD)
    published = hub.get("pretrained_cfg")
    return _pair(published) if isinstance(published, dict) else None


def _mapping_in(file: Path) -> dict[str, Any]:
    try:
        content = json.loads(file.read_text("utf-8"))
    except (OSError, ValueError):
        return {}
    return content if isinstance(content, dict) else {}


def _pair(known: Mapping[str, Any]) -> tuple[tuple[float, ...], tuple[float, ...]] | None:
    try:
        shown = Preprocessing(mean=tuple(map(float, known["mean"])), std=tuple(map(float, known["std"])))
    except (KeyError, TypeError, ValueError):
        return None
    return shown.mean, shown.std


def bare_name(name: str) -> str:
    """A tensor's name without the parts that wrappers add."""
    return ".".join(part for part in name.split(".") if part not in _WRAPPERS)


def _load_pickled(file: Path) -> Any:
    # Nothing but tensors and plain values: a checkpoint from elsewhere must not run code. Training scripts (timm's,
    # torchvision's, DINO's) keep their arguments beside the weights, in a class that does nothing but hold them.
    with torch.serialization.safe_globals([argparse.Namespace]):
        return torch.load(file, map_location="cpu", weights_only=True)


def _holds_more(file: Path, said: str) -> InputError:
    # torch's own words advise to read the file with its code allowed to run: not a file from elsewhere.
    refused = said.partition("Unsupported global: GLOBAL ")[2].split(" ")[0]
    return InputError(
        "is not a file of weights, or holds more than tensors and plain values"
        + (f" ({refused})" if refused else "")
        + ": nothing of it was run",
        where=file,
        expected=_EXPECTED,
        mend=_CONVERT.format(file=file) if refused else None,
    )


def _tensors(content: Any, box: str = "", depth: int = 0) -> Iterator[tuple[str, str, Tensor]]:
    """Each tensor with the box that it lies in and its own name there."""
    if not isinstance(content, Mapping) or depth > _DEEPEST:
        return
    for key, value in content.items():
        if isinstance(value, Tensor):
            yield box, str(key), value
        else:
            yield from _tensors(value, f"{box}.{key}" if box else str(key), depth + 1)
