"""The table of a comparison: columns, rows, and what stands in them."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from wordsight.evaluation.comparison.compared_run import ComparedRun, view_of
from wordsight.evaluation.results.repeated import Repeated
from wordsight.evaluation.results.result import Result


@dataclass(frozen=True)
class Column:
    """One metric of one protocol on one task.

    Args:
        task: Name of the task.
        protocol: Name of the protocol, and the part where it has several.
        metric: What its numbers are, in percent.
        data: Fingerprint of the images and labels.
        settings: The protocol's settings.
        further: Whether the metric stands beside the protocol's main one.
    """

    task: str
    protocol: str
    metric: str
    data: str
    settings: dict[str, Any] = field(default_factory=dict)
    further: bool = False

    @property
    def title(self) -> str:
        """The task and the protocol in a sentence, and the metric where it is not the main one."""
        return f"{self.task}, {self.protocol}" + (f", {self.metric}" if self.further else "")

    def of(self, result: Result) -> float | None:
        """The number of a result of this protocol; None where it has not measured this metric."""
        measured = result.measurement(self.metric)
        return None if measured is None else measured.value


@dataclass(frozen=True)
class Cell(Repeated):
    """What a row has in a column.

    Args:
        values: The number of each run, in percent.
        place: 1 for the best of the column, 2 for the second-best, else 0.
        interval: 95 % interval over test images, of a run alone.
        view: Side of the view in pixels, where others of the column were measured at another.
    """

    place: int = 0
    interval: tuple[float, float] | None = None
    view: int | None = None


@dataclass(frozen=True)
class ComparisonRow:
    """A run, or several that differ in their seed alone.

    Args:
        name: What it is called.
        runs: The runs; none for a baseline.
        cells: What it has in each column.
    """

    name: str
    runs: tuple[ComparedRun, ...]
    cells: tuple[Cell | None, ...]


@dataclass(frozen=True)
class Comparison:
    """A table of runs.

    Args:
        columns: Its columns.
        rows: The runs.
        baselines: What they are to be read beside: random weights, chance, ...
        notes: What was left out, and what a reader should know.
    """

    columns: tuple[Column, ...]
    rows: tuple[ComparisonRow, ...]
    baselines: tuple[ComparisonRow, ...]
    notes: tuple[str, ...]


def result_of(run: ComparedRun, column: Column) -> Result | None:
    """What a run has under a column's protocol on its task; None where it has nothing."""
    return next((one for one in run.results if (one.task, one.title) == (column.task, column.protocol)), None)


def view_of_row(row: ComparisonRow, column: Column) -> int | None:
    """The size of image in pixels at which a row was measured in a column; None where that is not known."""
    return next((view_of(one) for run in row.runs if (one := result_of(run, column)) is not None), None)
