"""Progress bars with rate and time left, on anything that may take more than two seconds."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sized
from typing import TypeVar

from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    ProgressColumn,
    SpinnerColumn,
    Task,
    TaskProgressColumn,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)
from rich.text import Text

T = TypeVar("T")

# Bars go to standard error, so that standard output holds results alone and can be piped.
console = Console(stderr=True, highlight=False)


class _Rate(ProgressColumn):
    """Items done in a second."""

    def render(self, task: Task) -> Text:
        speed = task.finished_speed or task.speed
        return Text("" if speed is None else f"{speed:,.0f}/s" if speed >= 10 else f"{speed:.1f}/s")


def progress_bar() -> Progress:
    """A bar with count, share, rate, elapsed time and time left; silent where standard error is no terminal."""
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
        disable=not console.is_terminal,
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
