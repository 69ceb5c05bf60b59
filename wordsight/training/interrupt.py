"""Ctrl-C and a polite kill: the step under way is finished and a checkpoint written before the process ends."""

from __future__ import annotations

import signal
import threading
import time
from types import FrameType, TracebackType
from typing import Any

from wordsight.errors import Terminated
from wordsight.progress import console

# A terminal or batch system sends its signal to a group, and the process that spawned this one passes its own on: what
# comes this soon after the first is the same wish, in seconds.
_SAME_WISH = 1.0


class Interrupt:
    """While open, the first Ctrl-C or SIGTERM is remembered in ``asked``; a later one stops at once.

    Args:
        says: Whether this process tells the person.
    """

    def __init__(self, says: bool = True) -> None:
        self.asked, self._says, self._since = False, says, 0.0
        self._kind: type[KeyboardInterrupt] = KeyboardInterrupt
        self._before: dict[signal.Signals, Any] = {}

    def __enter__(self) -> Interrupt:
        # Handlers can be set in the main thread alone; elsewhere (a notebook's thread) Python's own stay.
        if threading.current_thread() is threading.main_thread():
            for which in (signal.SIGINT, signal.SIGTERM):
                self._before[which] = signal.signal(which, self._note)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for which, handler in self._before.items():
            signal.signal(which, handler)

    def stopped(self, message: str) -> KeyboardInterrupt:
        """What is raised once a checkpoint is written."""
        return self._kind(message)

    def _note(self, number: int, frame: FrameType | None) -> None:
        if not self.asked:
            self.asked, self._since = True, time.monotonic()
            self._kind = Terminated if number == signal.SIGTERM else KeyboardInterrupt
            if self._says:
                console.print("finishing this step; press Ctrl-C again to quit now")
        elif time.monotonic() - self._since > _SAME_WISH:
            raise self._kind
