"""Named tensors in safetensors files, written whole, with a checksum that is compared when they are read.

The format itself notices a file that was cut, and none whose bytes changed on a disk or on the way: weights that are a
little wrong train and measure without a word. Nothing is pickled.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor

from wordsight.atomic import atomic_file
from wordsight.disk import check_readable, unreadable
from wordsight.errors import InputError

# One key: the library writes several in an order that changes from one process to the next.
_KEY = "wordsight"


def save_tensors(path: Path, tensors: Mapping[str, Tensor], note: Mapping[str, Any] | None = None) -> None:
    """Write tensors atomically.

    Args:
        path: The file; an old one is replaced once the new one is whole.
        tensors: By name.
        note: What else is to be kept, as JSON can hold it.

    Raises:
        InputError: When the disk is full or the folder can't be written to.
    """
    # Tensors that share their memory are refused by the format.
    kept = {name: value.detach().cpu().contiguous().clone() for name, value in tensors.items()}
    metadata = {_KEY: json.dumps({**(note or {}), "checksum": _checksum(kept)})}
    with atomic_file(path) as beside:
        save_file(kept, beside, metadata=metadata)


def read_tensors(path: Path, *, absent: str | None = None, damaged: str | None = None) -> dict[str, Tensor]:
    """The tensors of a file by name; files that others wrote have no checksum, and are taken as they are.

    Args:
        path: The file.
        absent: How to mend it where there is none.
        damaged: How to mend it where its content is not what was written.

    Raises:
        InputError: When it is absent, can't be read, or is damaged.
    """
    return read_noted(path, absent=absent, damaged=damaged)[0]


def read_noted(
    path: Path, *, absent: str | None = None, damaged: str | None = None
) -> tuple[dict[str, Tensor], dict[str, Any]]:
    """The tensors of a file, and the note that :func:`save_tensors` was given.

    Args:
        path: The file.
        absent: How to mend it where there is none.
        damaged: How to mend it where its content is not what was written.

    Raises:
        InputError: When it is absent, can't be read, or is damaged.
    """
    check_readable(path, absent=absent)
    try:
        with safe_open(path, framework="pt") as file:
            note: Any = json.loads((file.metadata() or {}).get(_KEY, "{}"))
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 (no mapping)
    except OSError as error:
        raise unreadable(error, path, absent=absent) from error
    except (SafetensorError, ValueError, KeyError, TypeError, RuntimeError) as error:
        raise InputError(f"is damaged ({error})", where=path, mend=damaged) from error
    if not isinstance(note, dict):
        raise InputError("is damaged (its note is no mapping)", where=path, mend=damaged)
    if note.get("checksum", _checksum(tensors)) != _checksum(tensors):
        raise InputError("is damaged: its tensors are not those that were written", where=path, mend=damaged)
    return tensors, note


def _checksum(tensors: Mapping[str, Tensor]) -> str:
    digest = hashlib.blake2b(digest_size=16)
    for name in sorted(tensors):
        value = tensors[name]
        digest.update(json.dumps([name, str(value.dtype), list(value.shape)]).encode())
        digest.update(value.reshape(-1).view(torch.uint8).numpy().data)
    return digest.hexdigest()
