"""How many threads small problems are worth."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import torch

# Multiplications of one pass over the rows below which one thread is as quick as several: a few milliseconds of
# two cores. Where a core is busy with something else, several threads wait for each other at the end of every one of
# thousands of such passes, and were measured to take 200 times as long.
_WORTH_THREADS = 300_000_000


@contextmanager
def threads_for(rows: int, width: int, outputs: int) -> Iterator[None]:
    """Compute small problems on one thread of the processor, and larger ones on as many as there were.

    Args:
        rows: Rows of features.
        width: Their directions: no more than there are rows or columns.
        outputs: Scores of a row that are computed together, over all problems.
    """
    before = torch.get_num_threads()
    one = before > 1 and rows * min(rows, width) * outputs < _WORTH_THREADS
    if one:
        torch.set_num_threads(1)
    try:
        yield
    finally:
        if one:
            torch.set_num_threads(before)
