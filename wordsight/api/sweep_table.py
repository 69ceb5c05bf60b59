"""The table of a sweep: a row for each recipe, a column for each thing that was asked; and the files that hold it."""

from __future__ import annotations

import io
import json
import statistics
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from wordsight.api.sweep_measured import results_of, run_of, trained
from wordsight.api.sweep_plan import SweepPlan, SweepRun, opened
from wordsight.atomic import write_json, write_text
from wordsight.evaluation import METHODS, Result
from wordsight.evaluation.results.measurement import LESS_IS_BETTER, with_direction
from wordsight.evaluation.results.repeated import Repeated
from wordsight.spreadsheet import SpreadsheetWriter

_WIDEST_NAME, _WIDEST_COLUMN, _GAP = 34, 20, 2
CHANCE, RANDOM = "chance", "random weights"


@dataclass(frozen=True)
class SweepColumn:
    """One number that rows have.

    Args:
        corpus: The corpus that the runs learned from.
        task: The task, or the split of the corpus; "training" for what it cost to train.
        protocol: The protocol, with the part of its results where there are several.
        metric: What the number is.
        digits: Digits after the point.
        seeds: How many seeds the runs on this corpus have.
    """

    corpus: str
    task: str
    protocol: str
    metric: str
    digits: int = 1
    seeds: int = 1


@dataclass(frozen=True)
class SweepCell(Repeated):
    """What a row has in a column.

    Args:
        values: The number of each seed that has one.
        seeds: These seeds.
    """

    seeds: tuple[int, ...]


@dataclass(frozen=True)
class SweepRow:
    """A row.

    Args:
        name: Its name.
        rates: Its learning rate on each corpus where several were tried.
        cells: What it has, in the order of the columns; None where it has nothing.
    """

    name: str
    rates: Mapping[str, float]
    cells: tuple[SweepCell | None, ...]


@dataclass(frozen=True)
class SweepTable:
    """What a sweep measured.

    Args:
        columns: The columns.
        rows: A row for each recipe.
        baselines: What the rows are to be read beside: chance, and the same network with random weights.
        failures: What failed, a line each.
        seeds: The seeds.
    """

    columns: tuple[SweepColumn, ...]
    rows: tuple[SweepRow, ...]
    baselines: tuple[SweepRow, ...]
    failures: tuple[str, ...]
    seeds: tuple[int, ...]


STEP, MEMORY, SECONDS = (
    SweepColumn("", "training", "a step", "x bare backbone", 2),
    SweepColumn("", "training", "memory", "MB", 0),
    SweepColumn("", "training", "time", "seconds", 0),
)


def sweep_table(
    plan: SweepPlan, rates: Mapping[tuple[str, str], float | None], failures: Sequence[str] = ()
) -> SweepTable:
    """The table of what is measured so far.

    Args:
        plan: The sweep.
        rates: The learning rate of each row on each corpus; None for the recipe's own.
        failures: What failed.
    """
    found: dict[SweepColumn, dict[str, dict[int, Result]]] = {}
    costs: dict[SweepColumn, dict[str, dict[int, float]]] = {STEP: {}, MEMORY: {}, SECONDS: {}}
    for row, corpus in plan.pairs():
        for seed in plan.seeds(corpus):
            run = run_of(plan, row, corpus, rates[row, corpus], seed)
            for result in _results(run):
                column = SweepColumn(corpus, result.task, result.title, result.metric, seeds=len(plan.seeds(corpus)))
                found.setdefault(column, {}).setdefault(row, {})[seed] = result
            _add_costs(run, seed, costs)
    columns = _ordered(plan, found)
    held = [column for column in costs if costs[column]]
    rows = []
    for row in plan.settings.rows:
        cells = [_cell({seed: one.value for seed, one in found[column].get(row, {}).items()}) for column in columns]
        cells += [_cell(costs[column].get(row, {})) for column in held]
        own = {corpus: rate for (name, corpus), rate in rates.items() if name == row and rate is not None}
        rows.append(SweepRow(row, own, tuple(cells)))
    baselines = tuple(_baseline(name, plan, columns, found, len(held)) for name in (RANDOM, CHANCE))
    given = tuple(row for row in baselines if any(row.cells))
    return SweepTable((*columns, *held), tuple(rows), given, tuple(failures), plan.settings.seeds)


def _results(run: SweepRun) -> Iterator[Result]:
    for asked in run.asked:
        yield from results_of(run, asked)


def _add_costs(run: SweepRun, seed: int, costs: Mapping[SweepColumn, dict[str, dict[int, float]]]) -> None:
    """What a run's training took; of a row on several corpora, on the first of them."""
    done = trained(run)
    if done is None or not done.info.steps:
        return
    costs[SECONDS].setdefault(run.row, {}).setdefault(seed, done.info.seconds)
    if (file := run.cost_file).is_file():
        cost = json.loads(file.read_text("utf-8"))
        costs[STEP].setdefault(run.row, {}).setdefault(seed, cost["ratio"])
        costs[MEMORY].setdefault(run.row, {}).setdefault(seed, cost["megabytes"])


def _ordered(plan: SweepPlan, found: Mapping[SweepColumn, Any]) -> list[SweepColumn]:
    """Columns as corpora and protocols are named; of one of them as they were found."""
    protocols = {
        (corpus, protocol.name): place
        for corpus, block in plan.settings.corpora.items()
        for place, protocol in enumerate(opened(block.protocols).values())
    }
    corpora = list(plan.settings.corpora)

    def place(column: SweepColumn) -> tuple[int, int]:
        name = column.protocol.partition(" (")[0]
        return corpora.index(column.corpus), protocols[column.corpus, name]

    return sorted(found, key=place)


def _cell(values: Mapping[int, float]) -> SweepCell | None:
    return SweepCell(tuple(values.values()), tuple(values)) if values else None


def _baseline(
    name: str, plan: SweepPlan, columns: Sequence[SweepColumn], found: Mapping[Any, Any], more: int
) -> SweepRow:
    """What whoever learned nothing reaches: the mean over runs, as a network's first weights depend on the seed."""
    cells: list[SweepCell | None] = []
    for column in columns:
        results: list[Result] = [one for of_row in found[column].values() for one in of_row.values()]
        own_heads = any(METHODS[protocol.method].heads for protocol in _protocols(plan, column))
        if name == CHANCE:
            values = [one.baselines[CHANCE] for one in results if CHANCE in one.baselines]
        else:
            # Heads on random weights are each row's own.
            values = [] if own_heads else [one.random_weights for one in results if one.random_weights is not None]
        cells.append(SweepCell((statistics.fmean(values),), ()) if values else None)
    return SweepRow(name, {}, (*cells, *([None] * more)))


def _protocols(plan: SweepPlan, column: SweepColumn) -> list[Any]:
    name = column.protocol.partition(" (")[0]
    known = opened(plan.settings.corpora[column.corpus].protocols).values()
    return [protocol for protocol in known if protocol.name == name]


def write_table(table: SweepTable, out: Path) -> None:
    """Write ``table.csv``, a line for each number, and ``table.json``.

    Args:
        table: The table.
        out: The sweep's folder.
    """
    text = io.StringIO()
    writer = SpreadsheetWriter(text, end="\n")
    names = ["row", "corpus", "lr", "task", "protocol", "metric", "mean", "sd", "seeds", "values"]
    writer.write(names)
    cells = list(_cells(table))
    for cell in cells:
        values, seeds = (" ".join(map(str, cell[name])) for name in ("values", "seeds"))
        writer.write([{**cell, "values": values, "seeds": seeds}[name] for name in names])
    write_text(out / "table.csv", text.getvalue())
    content = {"seeds": table.seeds, "cells": cells, "failures": table.failures}
    write_json(out / "table.json", content)


def _cells(table: SweepTable) -> Iterator[dict[str, Any]]:
    for row in (*table.rows, *table.baselines):
        for column, cell in zip(table.columns, row.cells, strict=True):
            if cell is None:
                continue
            of = {name: value for name, value in asdict(column).items() if name not in ("digits", "seeds")}
            rate = row.rates.get(column.corpus, "")
            spread = "" if cell.spread is None else cell.spread
            yield {"row": row.name, "lr": rate, **of, "mean": cell.mean, "sd": spread, **asdict(cell)}


def print_table(table: SweepTable, console: Console | None = None) -> None:
    """Print a sweep's table, in as many blocks of columns as the width asks for, and what failed below it.

    Args:
        table: The table.
        console: Where to; standard output by default.
    """
    console = console or Console(highlight=False)
    for count, block in enumerate(_blocks(table, console.width)):
        if count:
            console.print()
        console.print(_block(table, block))
    said = ["Numbers without a unit are in percent."]
    if len(table.seeds) > 1:
        said.append(f"Means over {len(table.seeds)} seeds; ± is their standard deviation.")
    console.print()
    console.print(" ".join([*said, "Bold: the best of a column."]), style="dim", markup=False)
    if any(row.rates for row in table.rows):
        console.print("Learning rates that scored best at the first seed:", style="dim")
    for row in table.rows:
        for corpus, rate in row.rates.items():
            console.print(f"  {row.name}, {corpus}: {rate:g}", style="dim", markup=False)
    for line in table.failures:
        console.print(f"failed: {line}", markup=False, soft_wrap=True)


def _shown(cell: SweepCell | None, column: SweepColumn) -> str:
    if cell is None:
        return ""
    text = f"{cell.mean:,.{column.digits}f}"
    if cell.spread is not None:
        text += f" ± {cell.spread:,.{column.digits}f}"
    # What is of one seed by its nature is not incomplete.
    complete = column.task == "training" or not cell.seeds or len(cell.seeds) == column.seeds
    return text if complete else f"{text} ({len(cell.seeds)} of {column.seeds})"


def _heads(table: SweepTable, column: SweepColumn) -> tuple[str, str, str]:
    several = len({each.corpus for each in table.columns if each.corpus}) > 1
    task = f"{column.corpus}: {column.task}" if several and column.corpus else column.task
    return task, column.protocol, with_direction(column.metric)


def _width(table: SweepTable, k: int) -> int:
    column = table.columns[k]
    heads = max(min(len(each), _WIDEST_COLUMN) for each in _heads(table, column))
    rows = (*table.rows, *table.baselines)
    return max(heads, *(len(_shown(row.cells[k], column)) for row in rows))


def _name_width(table: SweepTable) -> int:
    return min(max(len(row.name) for row in (*table.rows, *table.baselines)), _WIDEST_NAME)


def _blocks(table: SweepTable, width: int) -> Iterator[list[int]]:
    """The columns, so many at a time as the width holds."""
    block: list[int] = []
    used = _name_width(table)
    for k in range(len(table.columns)):
        needed = _GAP + _width(table, k)
        if block and used + needed > width:
            yield block
            block, used = [], _name_width(table)
        block.append(k)
        used += needed
    yield block


def _block(table: SweepTable, columns: Sequence[int]) -> Table:
    shown = Table(box=None, pad_edge=False, padding=(0, _GAP, 0, 0), header_style="", collapse_padding=True)
    shown.add_column("", width=_name_width(table), overflow="fold")
    for k in columns:
        task, protocol, metric = (escape(each) for each in _heads(table, table.columns[k]))
        head = f"[bold]{task}[/]\n{protocol}\n[dim]{metric}[/]"
        shown.add_column(head, justify="right", width=_width(table, k), overflow="fold")
    best = {k: _best(table, k) for k in columns}
    for row in (*table.rows, *table.baselines):
        baseline = row in table.baselines
        texts = []
        for k in columns:
            text, cell = _shown(row.cells[k], table.columns[k]), row.cells[k]
            is_best = cell is not None and not baseline and cell.mean == best[k]
            texts.append(f"[bold]{text}[/]" if is_best else f"[dim]{text}[/]" if baseline and text else text)
        shown.add_row(f"[dim]{escape(row.name)}[/]" if baseline else escape(row.name), *texts)
    return shown


def _best(table: SweepTable, k: int) -> float | None:
    """The best mean of a column; None where there is one alone, and of what training costs."""
    column, means = table.columns[k], [cell.mean for row in table.rows if (cell := row.cells[k]) is not None]
    if len(means) < 2 or column.task == "training":
        return None
    return min(means) if column.metric in LESS_IS_BETTER else max(means)
