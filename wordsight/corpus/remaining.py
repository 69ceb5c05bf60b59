"""How many parts of each name are still to come, so that what is complete can be let go, wherever its parts stand."""

from __future__ import annotations

import hashlib
from array import array
from collections.abc import Iterable
from copy import copy

import numpy as np


class Remaining:
    """The parts that each name has in a source, counted down as they come by: 16 bytes a name, however long it is.

    Args:
        names: The name of every part of the source, in any order.
    """

    def __init__(self, names: Iterable[str]) -> None:
        keys = array("Q", map(_key, names))
        self._keys, self._counts = np.unique(np.frombuffer(keys, dtype=np.uint64), return_counts=True)
        self._left = self._counts.copy()

    def again(self) -> Remaining:
        """The same names before any came by."""
        fresh = copy(self)
        fresh._left = self._counts.copy()
        return fresh

    def __len__(self) -> int:
        return len(self._keys)

    def is_last(self, name: str) -> bool:
        """Count one part of a name, and say whether it was the last.

        Args:
            name: One of the names that were counted.
        """
        k = int(np.searchsorted(self._keys, np.uint64(_key(name))))
        if k == len(self._keys):
            return False
        self._left[k] -= 1
        return bool(self._left[k] == 0)


def _key(name: str) -> int:
    return int.from_bytes(hashlib.blake2b(name.encode("utf-8", "surrogatepass"), digest_size=8).digest(), "little")
