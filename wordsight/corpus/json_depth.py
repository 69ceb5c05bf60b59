"""How deeply JSON is nested, found before it is parsed: what nests without end takes all memory, or the stack."""

from __future__ import annotations

from pathlib import Path
from typing import BinaryIO

import numpy as np

from wordsight.errors import InputError

# No record of an image is nested so deeply.
_DEEPEST = 200
_OTHERS = bytes(set(range(256)) - set(b'[]{}"'))
_STEPS = np.zeros(256, dtype=np.int8)
_STEPS[list(b"[{")] = 1
_STEPS[list(b"]}")] = -1


class Depth:
    """Follows the nesting of JSON that comes in pieces.

    Args:
        path: The file, for the message.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._depth = 0
        self._in_string = False
        self._held = b""

    def follow(self, piece: bytes) -> None:
        """Take the next piece.

        Args:
            piece: Any number of bytes.

        Raises:
            InputError: When it nests too deeply.
        """
        text = self._held + piece
        # A backslash at the end belongs to the piece behind it.
        self._held = b"\\" if (len(text) - len(text.rstrip(b"\\"))) % 2 else b""
        text = text.removesuffix(self._held).replace(b"\\\\", b"").replace(b'\\"', b"")
        parts = ((b'"' if self._in_string else b"") + text.translate(None, _OTHERS)).split(b'"')
        self._in_string = len(parts) % 2 == 0
        brackets = b"".join(parts[::2])
        if brackets:
            depths = self._depth + np.cumsum(_STEPS[np.frombuffer(brackets, dtype=np.uint8)], dtype=np.int64)
            self._depth = int(depths[-1])
            if depths.max() > _DEEPEST:
                expected = f"lists and objects in no more than {_DEEPEST} others"
                raise InputError("is nested too deeply", where=self._path, expected=expected)


class DepthGuard:
    """A file whose nesting is followed as it is read.

    Args:
        file: Open at the start of its JSON.
        path: The file, for the message.
    """

    def __init__(self, file: BinaryIO, path: Path) -> None:
        self._file, self._depth = file, Depth(path)

    def read(self, size: int = -1) -> bytes:
        """The next bytes, at most ``size`` of them.

        Raises:
            InputError: When they nest too deeply.
        """
        piece = self._file.read(size)
        self._depth.follow(piece)
        return piece
