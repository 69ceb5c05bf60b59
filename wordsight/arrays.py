"""Arrays in ``.npy`` files, mapped from disk."""

from __future__ import annotations

import tokenize
import zipfile
import zlib
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from wordsight.disk import unreadable
from wordsight.errors import InputError

# What numpy, zipfile and zlib raise on damaged files. Heads are Python literals, and numpy reads damaged ones with the
# errors of Python's own parser; in an .npz a byte may say that it is encrypted or packed in another way.
DAMAGED = (
    ValueError,
    LookupError,
    TypeError,
    EOFError,
    SyntaxError,
    OverflowError,
    MemoryError,
    RuntimeError,
    tokenize.TokenError,
    zipfile.BadZipFile,
    zlib.error,
)


def mapped_array(file: Path, *, mend: str) -> NDArray[Any]:
    """An array mapped from its file; nothing is ever unpickled.

    Args:
        file: The file.
        mend: What a person can do where it is absent or damaged.

    Raises:
        InputError: When it is absent, can't be read, or is damaged.
    """
    try:
        mapped: NDArray[Any] = np.load(file, mmap_mode="r", allow_pickle=False)
    except FileNotFoundError as error:
        raise InputError("is absent", where=file, mend=mend) from error
    except OSError as error:
        raise unreadable(error, file) from error
    except DAMAGED as error:
        raise InputError("is damaged, perhaps cut", where=file, mend=mend) from error
    if not isinstance(mapped, np.ndarray):
        raise InputError("holds several arrays", where=file, expected="one", mend=mend)
    return mapped
