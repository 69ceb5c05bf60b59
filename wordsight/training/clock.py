"""The clock of a training: how long it has taken in all, and when a checkpoint is due."""

from __future__ import annotations

import time


class Clock:
    """Runs from where a training was stopped.

    Args:
        seconds: Time that it had taken by then.
        checkpoint_minutes: A checkpoint is due this long after the last one, or after the start.
    """

    def __init__(self, seconds: float, checkpoint_minutes: float) -> None:
        self._began = time.monotonic() - seconds
        self._saved = time.monotonic()
        self._patience = 60 * checkpoint_minutes

    @property
    def seconds(self) -> float:
        """Time that the training has taken in all."""
        return time.monotonic() - self._began

    @property
    def due(self) -> bool:
        """Whether a checkpoint is due."""
        return time.monotonic() - self._saved > self._patience

    def saved(self) -> None:
        """A checkpoint was written."""
        self._saved = time.monotonic()
