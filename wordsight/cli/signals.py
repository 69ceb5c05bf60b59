"""A polite kill (SIGTERM), as a batch system or a shutdown sends it, is heard like Ctrl-C."""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

from wordsight.errors import Terminated

# What PyTorch says of a loader process that was killed along with this one, where that is noticed first.
LOADER_KILLED = "killed by signal: Terminated"


@contextmanager
def terminable() -> Iterator[None]:
    """While open, SIGTERM raises :class:`Terminated`."""
    # Handlers can be set in the main thread alone.
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    process = os.getpid()

    def stop(number: int, frame: FrameType | None) -> None:
        if os.getpid() == process:
            raise Terminated
        # A process forked from this one has nothing to say to anyone.
        signal.signal(signal.SIGTERM, signal.SIG_DFL)
        os.kill(os.getpid(), signal.SIGTERM)

    before = signal.signal(signal.SIGTERM, stop)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, signal.SIG_DFL if before is None else before)
