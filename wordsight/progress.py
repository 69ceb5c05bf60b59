"""Progress bars with rate and time left, on anything that may take more than two seconds.

Where standard error is not a terminal (a log file, a batch system) there is a plain line a minute instead.
"""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator, Sized
from typing import Any, TypeVar

from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    ProgressColumn,
    SpinnerColumn,
    Task,
    TaskID,
    TaskProgressColumn,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)
from rich.text import Text

from wordsight.errors import said

T = TypeVar("T")
# Seconds between two lines of a log.
LINE_SECONDS = 60.0

# Bars go to standard error, so that standard output holds results alone and can be piped.
console = Console(stderr=True, highlight=False)


class _Rate(ProgressColumn):
    """Items done in a second."""

    def render(self, task: Task) -> Text:
        speed = task.finished_speed or task.speed
        return Text("" if speed is None else per_second(speed))


class _Pace:
    """When the last line was written; many short bars one after another have a line a minute between them."""

    def __init__(self) -> None:
        self.line = self.busy = float("-inf")

    def begin(self) -> None:
        """Something begins: after a time in which nothing was done, the first line is due in a minute."""
        now = time.monotonic()
        if now - self.busy > LINE_SECONDS:
            self.line = now
        self.busy = now

    def due(self) -> bool:
        """Whether a line is due, after whatever advanced just now."""
        self.busy = time.monotonic()
        if self.busy - self.line < LINE_SECONDS:
            return False
        self.line = self.busy
        return True


_pace = _Pace()


class _LineProgress(Progress):
    """A progress bar for a log: one line a minute for what is under way, none for what takes less."""

    def __init__(self) -> None:
        super().__init__(console=console, disable=True)
        self._began: dict[TaskID, tuple[float, float]] = {}

    def add_task(
        self,
        description: str,
        start: bool = True,
        total: float | None = 100.0,
        completed: int = 0,
        visible: bool = True,
        **fields: Any,
    ) -> TaskID:
        task = super().add_task(description, start, total, completed, visible, **fields)
        self._began[task] = (time.monotonic(), completed)
        _pace.begin()
        return task

    def update(self, task_id: TaskID, **changes: Any) -> None:
        super().update(task_id, **changes)
        self._tell(task_id)

    def advance(self, task_id: TaskID, advance: float = 1) -> None:
        super().advance(task_id, advance)
        self._tell(task_id)

    def _tell(self, task_id: TaskID) -> None:
        if not _pace.due():
            return
        now = time.monotonic()
        task = next(task for task in self.tasks if task.id == task_id)
        began, first = self._began[task_id]
        rate = (task.completed - first) / max(now - began, 1e-9)
        console.print(_line(task, rate, now - began), markup=False, soft_wrap=True)


def _line(task: Task, rate: float, seconds: float) -> str:
    """How far something is, in a line: what, count, share, rate, time so far and time left."""
    done = f"{task.completed:,.0f}"
    if task.total:
        done += f" of {task.total:,.0f} ({100 * task.completed / task.total:.0f} %)"
    parts = [f"{task.description}: {done}", per_second(rate), f"{_clock(seconds)} so far"]
    if task.total and rate > 0:
        parts.append(f"{_clock((task.total - task.completed) / rate)} left")
    if note := task.fields.get("note"):
        parts.append(str(note))
    return ", ".join(parts)


def per_second(rate: float) -> str:
    """A rate as it is shown."""
    return f"{rate:,.0f}/s" if rate >= 10 else f"{rate:.1f}/s" if rate >= 0.1 else f"{60 * rate:.1f}/min"


def _clock(seconds: float) -> str:
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}"


def say(line: str) -> None:
    """Print a line about what is being done; names and cells in it are shown as they are.

    Args:
        line: The line.
    """
    console.print(said(line), markup=False, soft_wrap=True)


def progress_bar() -> Progress:
    """A bar with count, share, rate, elapsed time and time left; a line a minute where there is no terminal."""
    if not console.is_terminal:
        return _LineProgress()
    return Progress(
        SpinnerColumn(),
        TextColumn("{task.description}"),
        BarColumn(bar_width=24),
        MofNCompleteColumn(),
        TaskProgressColumn(),
        _Rate(),
        TimeElapsedColumn(),
        TimeRemainingColumn(),
        TextColumn("{task.fields[note]}"),
        console=console,
        transient=True,
    )


def track(items: Iterable[T], what: str, total: float | None = None) -> Iterator[T]:
    """Yield the items of an iterable behind a progress bar.

    Args:
        items: What to go through.
        what: What is being done, in two or three words.
        total: How many items there are, where ``len`` can't tell.
    """
    if total is None and isinstance(items, Sized):
        total = len(items)
    with progress_bar() as bar:
        task = bar.add_task(what, total=total, note="")
        for item in items:
            yield item
            bar.advance(task)
