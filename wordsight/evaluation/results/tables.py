"""Results as tables for a terminal."""

from __future__ import annotations

from collections.abc import Sequence

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from wordsight.evaluation.results.measurement import NO_PERCENT, Measurement
from wordsight.evaluation.results.result import DRAW, Result, ResultGroup


def results_table(results: Sequence[Result]) -> Table:
    """The results as a table, numbers with one decimal and their unit, each with its baselines under it."""
    table = Table(box=None, pad_edge=False, header_style="bold")
    for column in ("task", "protocol", "metric"):
        table.add_column(column, overflow="fold")
    table.add_column("", justify="right", no_wrap=True)
    table.add_column("", no_wrap=True)
    table.add_column("seconds", justify="right", no_wrap=True)
    for result in results:
        main, *more = result.measurements
        error = "" if result.standard_error is None else f"± {result.standard_error:.1f}"
        if result.spread is not None:
            error = f"{result.spread:.1f} spread over draws"
        table.add_row(
            escape(result.task),
            escape(result.title),
            f"[bold]{escape(main.title)}[/]",
            f"[bold]{_with_unit(main.value, main.metric)}[/]",
            error,
            f"{result.seconds:.1f}",
        )
        _add_baselines(table, main)
        for measured in more:
            table.add_row("", "", escape(measured.title), _with_unit(measured.value, measured.metric))
            _add_baselines(table, measured)
    return table


def _add_baselines(table: Table, measured: Measurement) -> None:
    for name, value in measured.baselines.items():
        table.add_row("", "", f"  {escape(name)}", _with_unit(value, measured.metric))


def _with_unit(value: float, metric: str) -> str:
    """A number with one decimal, aligned whether or not its metric is in percent."""
    return f"{value:.1f}  " if metric in NO_PERCENT else f"{value:.1f} %"


def group_columns(result: Result, groups: Sequence[ResultGroup]) -> list[tuple[str, str]]:
    """The columns of a table of groups: for each metric the value (``""``), and beside it each of the baselines.

    Args:
        result: Whose groups they are.
        groups: Some of its groups.
    """
    measured = [group.measurements(result.metric) for group in groups]
    metrics = dict.fromkeys(each.metric for one in measured for each in one)
    baselines = dict.fromkeys(name for main, *_ in measured for name in main.baselines)
    return [(metric, baseline) for metric in metrics for baseline in ("", *baselines)]


def group_numbers(result: Result, group: ResultGroup, columns: Sequence[tuple[str, str]]) -> list[float | None]:
    """What a group has in some columns, in percent; None where it has nothing.

    Args:
        result: Whose group it is.
        group: The group.
        columns: As :func:`group_columns` gives them.
    """
    by_metric = {each.metric: {"": each.value, **each.baselines} for each in group.measurements(result.metric)}
    return [by_metric.get(metric, {}).get(baseline) for metric, baseline in columns]


def groups_table(result: Result) -> Table:
    """The groups of a result as a table: for each metric the value, and beside it what the baselines reach."""
    columns = group_columns(result, result.groups)
    table = Table(box=None, pad_edge=False, header_style="bold")
    table.add_column(no_wrap=True)
    table.add_column("count", justify="right", no_wrap=True)
    for metric, baseline in columns:
        table.add_column(escape(baseline or metric), justify="right")
    by = ""
    for group in result.groups:
        if group.by != by:
            by = group.by
            table.add_row(f"[bold]{escape(by)}[/]")
        cells = [escape(f"  {group.name}"), f"{group.count:,}"]
        for (_, baseline), value in zip(columns, group_numbers(result, group, columns), strict=True):
            written = "" if value is None else f"{value:.1f}"
            cells.append(written if baseline else f"[bold]{written}[/]")
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
