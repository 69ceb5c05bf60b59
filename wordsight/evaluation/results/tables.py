"""Results as tables for a terminal."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from wordsight.evaluation.results.result import DRAW, NO_PERCENT, Result, ResultGroup


def results_table(results: Sequence[Result]) -> Table:
    """The results as a table, numbers with one decimal and their unit, each with its baselines under it."""
    table = Table(box=None, pad_edge=False, header_style="bold")
    for column in ("task", "protocol", "metric"):
        table.add_column(column, overflow="fold")
    table.add_column("", justify="right", no_wrap=True)
    table.add_column("", no_wrap=True)
    table.add_column("seconds", justify="right", no_wrap=True)
    for result in results:
        error = "" if result.standard_error is None else f"± {result.standard_error:.1f}"
        if result.spread is not None:
            error = f"{result.spread:.1f} spread over draws"
        table.add_row(
            escape(result.task),
            escape(result.title),
            f"[bold]{escape(result.metric)}[/]",
            f"[bold]{_with_unit(result.value, result.metric)}[/]",
            error,
            f"{result.seconds:.1f}",
        )
        beside = {} if result.random_weights is None else {"random weights": result.random_weights}
        for name, value in (beside | result.beside(result.metric)).items():
            table.add_row("", "", f"  {escape(name)}", _with_unit(value, result.metric))
        for metric, value in result.more.items():
            table.add_row("", "", escape(metric), _with_unit(value, metric))
            for name, other in result.beside(metric).items():
                table.add_row("", "", f"  {escape(name)}", _with_unit(other, metric))
    return table


def _with_unit(value: float, metric: str) -> str:
    """A number with one decimal, aligned whether or not its metric is in percent."""
    return f"{value:.1f}  " if metric in NO_PERCENT else f"{value:.1f} %"


@dataclass(frozen=True)
class GroupColumn:
    """A column of a table of groups.

    Args:
        metric: The metric; "" for the result's own.
        baseline: A baseline of it; "" for the value itself.
    """

    metric: str
    baseline: str

    def of(self, group: ResultGroup) -> float | None:
        """What stands in it, in percent; None where the group has none."""
        if self.baseline:
            return group.baselines.get(f"{self.baseline}, {self.metric}" if self.metric else self.baseline)
        return group.more.get(self.metric) if self.metric else group.value


def group_columns(groups: Sequence[ResultGroup]) -> list[GroupColumn]:
    """For each metric of some groups the value, and beside it what the baselines reach."""
    more = list(dict.fromkeys(name for group in groups for name in group.more))
    endings = tuple(f", {name}" for name in more)
    known = dict.fromkeys(name for group in groups for name in group.baselines)
    beside = [name for name in known if not (endings and name.endswith(endings))]
    return [GroupColumn(metric, name) for metric in ("", *more) for name in ("", *beside)]


def groups_table(result: Result) -> Table:
    """The groups of a result as a table: for each metric the value, and beside it what the baselines reach."""
    columns = group_columns(result.groups)
    table = Table(box=None, pad_edge=False, header_style="bold")
    table.add_column(no_wrap=True)
    table.add_column("count", justify="right", no_wrap=True)
    for column in columns:
        table.add_column(escape(column.baseline or column.metric or result.metric), justify="right")
    by = ""
    for group in result.groups:
        if group.by != by:
            by = group.by
            table.add_row(f"[bold]{escape(by)}[/]")
        cells = [escape(f"  {group.name}"), f"{group.count:,}"]
        for column in columns:
            value = column.of(group)
            written = "" if value is None else f"{value:.1f}"
            cells.append(written if column.baseline else f"[bold]{written}[/]")
        table.add_row(*cells)
    return table


def print_results(results: Sequence[Result], console: Console | None = None) -> None:
    """Print the table of results, and below it their groups and what a reader should know of them.

    Args:
        results: The results.
        console: Where to; standard output by default.
    """
    console = console or Console(highlight=False)
    console.print(results_table(results))
    for result in results:
        if any(group.by != DRAW for group in result.groups):
            console.print(f"\n[bold]{escape(f'{result.task}, {result.title}')}[/]", soft_wrap=True)
            console.print(groups_table(result))
    shared: dict[tuple[str, str], list[Result]] = {}
    for result in results:
        for warning in result.warnings:
            shared.setdefault((result.task, warning), []).append(result)
    for (task, warning), said_of in shared.items():
        of = [said_of[0].title] if len(said_of) == 1 else list(dict.fromkeys(each.protocol for each in said_of))
        console.print(f"{task}, {', '.join(of)}: {warning}", markup=False, soft_wrap=True)
