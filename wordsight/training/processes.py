"""Several processes of one run: an error in any is one line of the run, and a stop reaches all of them."""

from __future__ import annotations

import multiprocessing
import signal
from collections.abc import Callable
from functools import partial
from multiprocessing.process import BaseProcess
from multiprocessing.queues import SimpleQueue
from typing import Any

from lightning.fabric import Fabric
from torch.multiprocessing.spawn import ProcessExitedException, ProcessRaisedException

from wordsight.errors import InputError, names_flags, settings_as_flags

# Longest wait for a process that was told to stop: it finishes its step and writes the checkpoint.
_PATIENCE = 60.0


def launch(fabric: Fabric, work: Callable[[Fabric], None]) -> None:
    """Run a function in every process of a run, and wait for all.

    Args:
        fabric: How many processes, and where.
        work: What each does; it is given its own fabric.

    Raises:
        InputError: The one that a process raised.
        KeyboardInterrupt: When this process was stopped; the others were told, and have ended.
    """
    told: SimpleQueue[InputError] = multiprocessing.get_context("spawn").SimpleQueue()
    try:
        fabric.launch(partial(_guarded, work=work, told=told, flags=names_flags()))
    except (ProcessRaisedException, ProcessExitedException):
        # Of several processes the first to fail may be one that only lost the other.
        if told.empty():
            raise
        raise told.get() from None
    except KeyboardInterrupt:
        _end(multiprocessing.active_children())
        raise


def _guarded(fabric: Fabric, work: Callable[[Fabric], None], told: SimpleQueue[InputError], flags: bool) -> None:
    """The work of a spawned process; what a person should read goes to the process that they started."""
    try:
        with settings_as_flags(flags):
            work(fabric)
    except InputError as error:
        told.put(error)
        raise SystemExit(2) from error


def _end(children: list[BaseProcess]) -> None:
    """Tell processes to stop, wait until they have, and end those that do not."""
    for child in children:
        child.terminate()
    try:
        for child in children:
            child.join(_PATIENCE)
    finally:
        for child in children:
            if child.is_alive():
                child.kill()


def deaf(worker: Any = None) -> None:
    """Let a loader process pass over Ctrl-C and SIGTERM, which reach a whole group of processes at once.

    The process that trains ends its loaders itself, once it has written its checkpoint; a loader that died before
    would stop it in the middle of a step.
    """
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
