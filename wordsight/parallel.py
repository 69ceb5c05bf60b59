"""Work on several threads in order, a bounded number of items ahead of their use; how many cores there are."""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TypeVar

T = TypeVar("T")
R = TypeVar("R")


def cores() -> int:
    """How many processor cores this process may use: a container or ``taskset`` may leave it fewer than there are."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def readers() -> int:
    """How many threads read files at a time: some of them wait for the disk while the others compute."""
    return min(32, cores() + 4)


def ordered_map(
    function: Callable[[T], R],
    items: Iterable[T],
    *,
    workers: int = 0,
    ahead: int = 0,
    name: str = "worker",
    prepare: Callable[[], object] | None = None,
    cut_short: Callable[[], object] | None = None,
) -> Iterator[R]:
    """Call a function on each item, on several threads; results come in the order of the items.

    Items are read no further ahead than ``ahead``, so that memory stays small however many there are. At the first
    error, and when the iterator is closed, what has not begun is cancelled and what is running is waited for.

    Args:
        function: It must be safe to call from several threads.
        items: What to call it on; read in the thread that asks for results.
        workers: Number of threads; 0 for one per core.
        ahead: How many items may be at work or wait beyond the one whose result is given next; 0 for twice as many as
            workers.
        name: What the threads' names begin with.
        prepare: Called once in each thread.
        cut_short: Called at the end before running calls are waited for, so that they need not be.

    Yields:
        What the function gives for each item.

    Raises:
        Exception: Whatever the function or the items raise, at the place of that item.

    Example:
        >>> list(ordered_map(str.upper, ["a", "b"], workers=2))
        ['A', 'B']
    """
    workers = workers or cores()
    ahead = ahead or 2 * workers
    waiting: deque[Future[R]] = deque()
    pool = ThreadPoolExecutor(workers, thread_name_prefix=name, initializer=prepare)
    try:
        for item in items:
            waiting.append(pool.submit(function, item))
            if len(waiting) > ahead:
                yield waiting.popleft().result()
        while waiting:
            yield waiting.popleft().result()
    finally:
        if cut_short is not None:
            cut_short()
        pool.shutdown(cancel_futures=True)
