"""Several tasks of one call measured at the same time, each in a process of its own."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from wordsight.errors import InputError, SomeFailedError, setting, settled
from wordsight.parallel import cores
from wordsight.progress import console, track

if TYPE_CHECKING:
    from wordsight.evaluation import Result

# What one process keeps busy (decoding, a network's pass, a solver), and what it may hold: a network, the features of
# a task, a solver's working memory.
_CORES_EACH = 4
_BYTES_EACH = 4e9


def processes_for(tasks: int, asked: int, device: str) -> int:
    """How many tasks are measured at a time.

    Args:
        tasks: How many there are.
        asked: What the person asked for; 0 for as many as there are cores and free memory for.
        device: ``cpu`` or ``cuda``, where memory is needed as well.

    Raises:
        InputError: When fewer than none were asked for.
    """
    if asked < 0:
        raise InputError(
            f"{setting('jobs')} is {asked}", setting="jobs", expected="0 for as many as there is room for, or more"
        )
    if tasks < 2 or asked:
        return min(tasks, asked) or 1
    room = [tasks, cores() // _CORES_EACH, int(_free_bytes() // _BYTES_EACH)]
    if device == "cuda":
        import torch

        room.append(int(torch.cuda.mem_get_info()[0] // _BYTES_EACH))
    return max(1, min(room))


def side_by_side(call: Callable[..., list[Result]], each: Sequence[Mapping[str, Any]], processes: int) -> list[Result]:
    """Call a function once for each task, so many at a time.

    Args:
        call: A function of a module.
        each: The arguments of each call.
        processes: How many run at a time; each has its share of the cores.

    Returns:
        What the calls gave, in their order.

    Raises:
        InputError: When a call raises it, after the others have given what they can.
    """
    import joblib

    threads, here = max(1, cores() // processes), Path.cwd()
    with joblib.parallel_config(backend="loky", n_jobs=processes, inner_max_num_threads=threads):
        found = joblib.Parallel(return_as="generator")(joblib.delayed(_quietly)(call, one, here) for one in each)
        given = list(track(found, f"tasks, {processes} at a time", total=len(each)))
    results = [result for done, _ in given for result in done]
    return settled(results, [failure for _, failures in given for failure in failures])


def _quietly(
    call: Callable[..., list[Result]], arguments: Mapping[str, Any], folder: Path
) -> tuple[list[Result], Sequence[InputError]]:
    """A call without bars of its own: those of several processes would write over each other."""
    console.quiet = True
    # Processes are used again, and would stay where the call before them was made.
    os.chdir(folder)
    try:
        return call(**arguments), ()
    except SomeFailedError as error:
        return error.done, error.failures
    except InputError as error:
        return [], (error,)


def _free_bytes() -> float:
    """Memory that can be had without taking it from others, file caches included; none where the system won't tell."""
    try:
        told = dict(line.split(":", 1) for line in Path("/proc/meminfo").read_text("ascii").splitlines())
        return 1024 * float(told["MemAvailable"].split()[0])
    except (OSError, ValueError, KeyError, IndexError):
        return 0.0
