"""Runs side by side: a row a run (or the seeds of one recipe), a column one protocol on one task, on the same data."""

from __future__ import annotations

import json
import math
import re
import statistics
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from wordsight.errors import InputError, listed, unknown
from wordsight.evaluation.compared_run import ComparedRun, read_run
from wordsight.evaluation.results import Result

# What of a result's settings is the network's or the machine's and not the protocol's.
_NOT_THE_PROTOCOLS = ("view", "precision", "source", "grid", "corpus", "text_side", "similarity")
_LESS_IS_BETTER = ("rank", "error", "perplexity")


@dataclass(frozen=True)
class Column:
    """One protocol on one task.

    Args:
        task: Name of the task.
        protocol: Name of the protocol, and the part where it has several.
        metric: What its numbers are, in percent.
        data: Fingerprint of the images and labels.
        settings: The protocol's settings.
    """

    task: str
    protocol: str
    metric: str
    data: str
    settings: dict[str, Any] = field(default_factory=dict)

    @property
    def title(self) -> str:
        """The task and the protocol in a sentence."""
        return f"{self.task}, {self.protocol}"


@dataclass(frozen=True)
class Cell:
    """What a row has in a column.

    Args:
        values: The number of each run, in percent.
        place: 1 for the best of the column, 2 for the second-best, else 0.
        interval: 95 % interval over test images, of a run alone.
    """

    values: tuple[float, ...]
    place: int = 0
    interval: tuple[float, float] | None = None

    @property
    def mean(self) -> float:
        """The mean over runs."""
        return statistics.fmean(self.values)

    @property
    def spread(self) -> float | None:
        """Standard deviation over runs, in points; None for a run alone."""
        return statistics.stdev(self.values) if len(self.values) > 1 else None


@dataclass(frozen=True)
class Row:
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
    rows: tuple[Row, ...]
    baselines: tuple[Row, ...]
    notes: tuple[str, ...]


def compare_runs(folders: Sequence[Path], tasks: Sequence[str] = (), protocols: Sequence[str] = ()) -> Comparison:
    """Put the results of runs side by side.

    Args:
        folders: Run folders, or folders of results. Those without a result are left out, and named in the notes.
        tasks: Which tasks; all by default.
        protocols: Which protocols; all by default.

    Raises:
        InputError: When a folder is not there, none has a result, or one column would hold two protocols or two sets
            of data.
    """
    notes: list[str] = []
    runs: list[ComparedRun] = []
    once: dict[Path, Path] = {}
    for folder in folders:
        # By whatever path it is given: it is one run.
        once.setdefault(folder.resolve(), folder)
    for folder in once.values():
        found = read_run(folder)
        if isinstance(found, str):
            notes.append(f"{folder} {found}: left out")
        else:
            runs.append(found)
    if not runs:
        raise InputError(
            f"none of the {len(folders)} folders has results" if len(folders) > 1 else "no folder with results",
            where=", ".join(map(str, folders[:5])) or "wordsight compare",
            expected="runs that were evaluated",
            mend="measure them first: wordsight evaluate RUN --task ...",
        )
    _check_names(runs, tasks, protocols)
    kept: list[ComparedRun] = []
    for run in runs:
        results = [one for one in run.results if _asked(one.task, tasks) and _asked(one.protocol, protocols)]
        if results:
            kept.append(replace(run, results=results))
        else:
            notes.append(f"{run.path} has no result of what was asked for: left out")
    if not kept:
        asked = " and ".join(filter(None, (listed(tasks), listed(protocols))))
        raise InputError(f"no run has a result of {asked}", where="wordsight compare")
    columns = _columns(kept)
    rows = [_row(name, group, columns) for name, group in _groups(kept)]
    notes += _notes(kept, columns)
    return Comparison(tuple(columns), _placed(rows, columns), tuple(_baselines(kept, columns)), tuple(notes))


def _asked(name: str, asked: Sequence[str]) -> bool:
    return not asked or name in asked


def _check_names(runs: Sequence[ComparedRun], tasks: Sequence[str], protocols: Sequence[str]) -> None:
    for kind, asked in (("task", tasks), ("protocol", protocols)):
        known = sorted({str(getattr(result, kind)) for run in runs for result in run.results})
        for name in asked:
            if name not in known:
                raise unknown(f"{kind} in these results", name, known, where=f"--{kind}")


def _groups(runs: Sequence[ComparedRun]) -> Iterator[tuple[str, list[ComparedRun]]]:
    """Runs of one recipe, each with another seed, under what their names have in common."""
    groups: dict[tuple[str, int], list[ComparedRun]] = {}
    times: dict[tuple[str, int | None], int] = {}
    for run in runs:
        # A recipe that was trained twice with the same seed is two rows.
        again = times[run.recipe, run.seed] = times.get((run.recipe, run.seed), -1) + 1
        groups.setdefault((run.recipe, again), []).append(run)
    names = [_common_name(group) for group in groups.values()]
    for name, group in zip(names, groups.values(), strict=True):
        yield (name if names.count(name) == 1 else str(group[0].path)), group


def _common_name(group: Sequence[ComparedRun]) -> str:
    if len(group) == 1:
        return group[0].name
    names = [run.name for run in group]
    bare = {re.sub(r"[-_. ]*(seed|s)?[-_=]?\d+$", "", name) for name in names}
    if len(bare) == 1 and "" not in bare:
        return bare.pop()
    return f"{names[0]} and {len(names) - 1} more"


def _columns(runs: Sequence[ComparedRun]) -> list[Column]:
    """One for each protocol, task and metric.

    Raises:
        InputError: When that would put together what was measured in two ways or on two sets of data.
    """
    columns: dict[tuple[str, str], tuple[Column, ComparedRun]] = {}
    order: dict[tuple[str, str], tuple[str, str, int]] = {}
    for run in runs:
        for result in run.results:
            here = Column(result.task, result.title, result.metric, result.data, protocol_settings(result.settings))
            order.setdefault((result.task, result.title), (result.task, result.protocol, result.place))
            first, other = columns.setdefault((result.task, result.title), (here, run))
            differs = _difference(first, here)
            if differs:
                raise InputError(
                    f"{here.title} is {differs} in {other.path} and in {run.path}, and can't be one column",
                    mend=f"evaluate both again, or choose others: --protocol, --task (all but {result.task})",
                )
    return [columns[key][0] for key in sorted(columns, key=order.__getitem__)]


def _difference(first: Column, second: Column) -> str:
    """In what two measurements under one name differ; "" where they are the same."""
    if first.data != second.data:
        return f"of other data ({first.data} and {second.data})"
    if first.metric != second.metric:
        return f"another metric ({first.metric} and {second.metric})"
    mine, theirs = _flat(first.settings), _flat(second.settings)
    for name in sorted(mine.keys() | theirs.keys()):
        if mine.get(name) != theirs.get(name):
            said = [str(each.get(name, "absent"))[:60] for each in (mine, theirs)]
            return f"another protocol ({name}: {said[0]} and {said[1]})"
    return ""


def protocol_settings(settings: dict[str, Any]) -> dict[str, Any]:
    """What of a result's settings is its protocol's, whatever network it was asked of on whatever machine."""
    return {
        name: protocol_settings(value) if isinstance(value, dict) else value
        for name, value in settings.items()
        if name not in _NOT_THE_PROTOCOLS
    }


def _flat(settings: dict[str, Any], above: str = "") -> dict[str, Any]:
    found: dict[str, Any] = {}
    for name, value in settings.items():
        found |= _flat(value, f"{above}{name}.") if isinstance(value, dict) else {above + name: value}
    return found


def _result_of(run: ComparedRun, column: Column) -> Result | None:
    return next((one for one in run.results if (one.task, one.title) == (column.task, column.protocol)), None)


def _row(name: str, runs: Sequence[ComparedRun], columns: Sequence[Column]) -> Row:
    cells: list[Cell | None] = []
    for column in columns:
        found = [result for run in runs if (result := _result_of(run, column)) is not None]
        interval = found[0].interval if len(found) == 1 else None
        cells.append(Cell(tuple(result.value for result in found), interval=interval) if found else None)
    return Row(name, tuple(runs), tuple(cells))


def _placed(rows: Sequence[Row], columns: Sequence[Column]) -> tuple[Row, ...]:
    """The rows with the best and second-best of each column marked; equals share a place."""
    cells = [list(row.cells) for row in rows]
    for k, column in enumerate(columns):
        less = any(word in column.metric.lower() for word in _LESS_IS_BETTER)
        means = {round(cell.mean, 6) for row in cells if (cell := row[k]) is not None and not math.isnan(cell.mean)}
        order = sorted(means, reverse=not less)
        if len(order) < 2:
            continue
        best = sum(cell is not None and round(cell.mean, 6) == order[0] for cell in (row[k] for row in cells))
        for row in cells:
            cell = row[k]
            if cell is None or math.isnan(cell.mean):
                continue
            place = order.index(round(cell.mean, 6)) + 1
            # Two that are both the best leave no second-best.
            row[k] = replace(cell, place=place if place == 1 or (place == 2 and best == 1) else 0)
    return tuple(replace(row, cells=tuple(changed)) for row, changed in zip(rows, cells, strict=True))


def _baselines(runs: Sequence[ComparedRun], columns: Sequence[Column]) -> Iterator[Row]:
    """The networks with random weights, and whatever else is the same for all runs of a column."""
    networks = list(dict.fromkeys(run.network for run in runs))
    for network in networks:
        cells = []
        for column in columns:
            measured = [_result_of(run, column) for run in runs if run.network == network]
            values = [one.random_weights for one in measured if one is not None and one.random_weights is not None]
            # One network measured beside several runs is one measurement.
            distinct = tuple(dict.fromkeys(values))
            cells.append(Cell(distinct) if distinct else None)
        if any(cells):
            name = "random weights" if len(networks) == 1 else f"random weights, {_network_name(network)}"
            yield Row(name, (), tuple(cells))
    names = dict.fromkeys(name for run in runs for one in run.results for name in one.beside(one.metric))
    for name in names:
        cells = []
        for column in columns:
            found = [one for run in runs if (one := _result_of(run, column)) is not None]
            said = [one.beside(one.metric).get(name) for one in found]
            same = [value for value in said if value is not None]
            agree = len(same) == len(said) and max(same, default=0) - min(same, default=0) < 1e-6
            cells.append(Cell((same[0],)) if same and agree else None)
        if any(cells):
            yield Row(name, (), tuple(cells))


def _network_name(network: str) -> str:
    if not network.startswith("{"):
        return network
    said = json.loads(network)
    return f"{said['backbone']} at {said['image_size']} px"


def _notes(runs: Sequence[ComparedRun], columns: Sequence[Column]) -> Iterator[str]:
    """Where one column holds networks that saw views of different sizes: that is theirs, but a reader should know."""
    for column in columns:
        sizes = set()
        for run in runs:
            result = _result_of(run, column)
            if result is not None and "view" in result.settings:
                sizes.add(result.settings["view"])
        if len(sizes) > 1:
            yield f"{column.title}: views of {', '.join(map(str, sorted(sizes)))} px, each as its network learned"
