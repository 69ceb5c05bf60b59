"""Weights of a backbone from a file: of a run, of timm or torchvision, or of a published checkpoint.

Published checkpoints keep more than a backbone (a classifier, an optimiser, fixed filters) under names with prefixes
(``module.body.features.0.weight``); what belongs to the backbone is found by its own names.
"""

from __future__ import annotations

import pickle
import struct
from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor

from wordsight.errors import InputError
from wordsight.vision.backbones import Backbone
from wordsight.vision.sobel import SobelConv2d

# Where checkpoints keep their network.
_HOLDERS = ("state_dict", "model_state_dict", "model", "network", "backbone")
# Left by nn.DataParallel and DistributedDataParallel, at the start or within.
_WRAPPERS = ("module",)
# Counters that old checkpoints lack; nothing that is computed depends on them.
_COUNTER = "num_batches_tracked"


def load_weights(backbone: Backbone, file: Path) -> str:
    """Put weights from a file into a backbone.

    Args:
        backbone: The backbone; what the file lacks is left as it is.
        file: A ``.safetensors`` file, or one that ``torch.save`` wrote (``.pth``, ``.pt``, ``.pth.tar``), of which
            nothing but tensors and plain values is read.

    Returns:
        A line that says what was read, what was missing and what was left out.

    Raises:
        InputError: When the file can't be read, its tensors have other shapes, or it holds less than half of the
            backbone's.
    """
    own = backbone.network.state_dict()
    held = read_weights(file)
    within, above = _roots(own, held)
    found = {name: held[above + name.removeprefix(within)] for name in own if above + name.removeprefix(within) in held}
    if 2 * len(found) < len(own):
        raise InputError(
            f"holds {len(found)} of the {len(own)} tensors of this backbone",
            where=file,
            expected=f"names such as {next(iter(own))}",
            mend="name the backbone that the weights are of",
        )
    for name, tensor in found.items():
        if tensor.shape != own[name].shape:
            raise _other_shape(backbone, file, name, tensor, own[name])
    backbone.network.load_state_dict(found, strict=False)
    missing = [name for name in own if name not in found and not name.endswith(_COUNTER)]
    taken = {above + name.removeprefix(within) for name in found}
    left = Counter(name.partition(".")[0] for name in held if name not in taken)
    line = f"{len(found)} tensors of {file}"
    if missing:
        line += f"; missing: {_listed(missing)}"
    return line + (f"; left out: {', '.join(f'{name} ({count})' for name, count in left.items())}" if left else "")


def read_weights(file: Path) -> dict[str, Tensor]:
    """The tensors of a file by name, without the prefixes that wrappers for several devices add.

    Raises:
        InputError: When it can't be read, or holds no tensors.
    """
    try:
        content: Any = load_file(file) if file.suffix == ".safetensors" else _load_pickled(file)
    except FileNotFoundError as error:
        raise InputError("no such file", where=file, expected="a .safetensors or .pth file of weights") from error
    except pickle.UnpicklingError as error:
        # torch's own words advise to read the file with its code allowed to run: not a file from elsewhere.
        raise InputError(
            "is no file of weights, or holds more than tensors and plain values: nothing of it was run",
            where=file,
            expected="a .safetensors file, or a .pth file of tensors alone",
        ) from error
    except (OSError, SafetensorError, RuntimeError, EOFError, ValueError, KeyError, struct.error) as error:
        raise InputError(
            f"can't be read: {str(error).splitlines()[0] if str(error) else type(error).__name__}",
            where=file,
            expected="a .safetensors file, or a .pth file of tensors alone",
        ) from error
    for holder in _HOLDERS:
        if isinstance(content, Mapping) and isinstance(content.get(holder), Mapping):
            content = content[holder]
    named = content.items() if isinstance(content, Mapping) else ()
    tensors = {_bare(str(name)): value for name, value in named if isinstance(value, Tensor)}
    if not tensors:
        raise InputError("holds no tensors by name", where=file, expected="the weights of a network")
    return tensors


def _load_pickled(file: Path) -> Any:
    # Nothing but tensors and plain values: a checkpoint from elsewhere must not run code.
    return torch.load(file, map_location="cpu", weights_only=True)


def _bare(name: str) -> str:
    return ".".join(part for part in name.split(".") if part not in _WRAPPERS)


def _roots(own: Mapping[str, Tensor], held: Mapping[str, Tensor]) -> tuple[str, str]:
    """The prefix of the backbone's names and that of the file's under which most names agree."""
    first = next(iter(own)).partition(".")[0] + "."
    withins = ["", first] if all(name.startswith(first) for name in own) else [""]
    votes: Counter[tuple[str, str]] = Counter()
    for within in withins:
        wanted = {name.removeprefix(within): tensor.ndim for name, tensor in own.items()}
        for name, tensor in held.items():
            parts = name.split(".")
            for cut in range(len(parts)):
                bare = ".".join(parts[cut:])
                if wanted.get(bare) == tensor.ndim:
                    votes[within, name[: len(name) - len(bare)]] += 1
    return votes.most_common(1)[0][0] if votes else ("", "")


def _other_shape(backbone: Backbone, file: Path, name: str, found: Tensor, wanted: Tensor) -> InputError:
    mend = "name the backbone, and the backbone_settings, that the weights are of"
    if found.ndim == wanted.ndim == 4 and {found.shape[1], wanted.shape[1]} == {2, 3}:
        sees_edges = any(isinstance(part, SobelConv2d) for part in backbone.network.modules())
        mend = f"give --backbone-settings.sobel {str(not sees_edges).lower()}"
    shapes = ["x".join(map(str, tensor.shape)) for tensor in (found, wanted)]
    return InputError(f"{name} is {shapes[0]}", where=file, expected=f"{shapes[1]} as in the backbone", mend=mend)


def _listed(names: list[str]) -> str:
    return ", ".join(names[:3]) + (f" and {len(names) - 3} more" if len(names) > 3 else "")
