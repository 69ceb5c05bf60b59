"""Columns that grow in temporary files, so that memory does not grow with the captions that fill them."""

from __future__ import annotations

import errno
import os
import tempfile
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import Any, BinaryIO, Self

import numpy as np
from numpy.typing import DTypeLike, NDArray

from wordsight.errors import InputError


class Columns:
    """Named columns: appended to in pieces, at the end mapped from disk as arrays.

    The files have no name: whatever happens to the process, nothing is left of them.

    Args:
        types: The type of each column, by name.
        folder: A folder on a disk with room; None for the system's temporary one.
    """

    def __init__(self, types: Mapping[str, DTypeLike], folder: Path | None = None) -> None:
        # A folder for temporary files is often kept in memory, and so the data's own disk is the better place.
        place = folder if folder is not None and os.access(folder, os.W_OK) else None
        self._types = {name: np.dtype(kind) for name, kind in types.items()}
        self._files: dict[str, BinaryIO] = {name: _unnamed(place) for name in types}

    def append(self, pieces: Mapping[str, NDArray[Any]]) -> None:
        """Add a piece to columns, by name.

        Raises:
            InputError: When the disk is full.
        """
        for name, values in pieces.items():
            try:
                self._files[name].write(np.ascontiguousarray(values, self._types[name]).data)
            except OSError as error:
                raise _full(error) from error

    def mapped(self) -> dict[str, NDArray[Any]]:
        """Every column as an array that is mapped from its file, for as long as it is used."""
        return {name: self._mapped(name) for name in self._files}

    def _mapped(self, name: str) -> NDArray[Any]:
        file = self._files[name]
        try:
            file.flush()
        except OSError as error:
            raise _full(error) from error
        if os.fstat(file.fileno()).st_size == 0:  # nothing can't be mapped
            return np.empty(0, self._types[name])
        return np.memmap(file, self._types[name], mode="r")

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for file in self._files.values():
            file.close()


def _unnamed(folder: Path | None) -> BinaryIO:
    file: Any = tempfile.TemporaryFile(dir=folder)  # noqa: SIM115 (`Columns` closes it)
    return file  # type: ignore[no-any-return]


def _full(error: OSError) -> Exception:
    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        return InputError("the disk is full", mend="free some space and run the same command again")
    return error
