"""Runs side by side: a row a run (or the seeds of one recipe), a column one protocol on one task, on the same data."""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from wordsight.errors import InputError, listed, setting, unknown
from wordsight.evaluation.comparison.baseline_rows import baselines
from wordsight.evaluation.comparison.compared_run import ComparedRun, read_run, view_of
from wordsight.evaluation.comparison.comparison_table import (
    Cell,
    Column,
    Comparison,
    ComparisonRow,
    result_of,
    view_of_row,
)
from wordsight.evaluation.comparison.footnotes import held_out_notes, own_baseline_notes, view_notes
from wordsight.evaluation.metrics.classification import PER_CLASS, TOP5
from wordsight.evaluation.results.measurement import LESS_IS_BETTER

# What of a result's settings is the network's or the machine's and not the protocol's.
_NOT_THE_PROTOCOLS = (
    "view",
    "precision",
    "source",
    "grid",
    "corpus",
    "text_side",
    "similarity",
    "weights_from",
    "pixels",
)
# Metrics that stand beside the main one, in columns of their own.
FURTHER = (TOP5, PER_CLASS)


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
            notes.append(f"left out: {folder} {found}")
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
            notes.append(f"left out: {run.path} has no result of what was asked for")
    if not kept:
        asked = " and ".join(filter(None, (listed(tasks), listed(protocols))))
        raise InputError(f"no run has a result of {asked}", where="wordsight compare")
    columns = _columns(kept)
    rows = [_row(name, group, columns) for name, group in _groups(kept)]
    rows = _with_views(rows, columns)
    notes += [*view_notes(rows, columns), *held_out_notes(kept, columns), *own_baseline_notes(kept)]
    return Comparison(tuple(columns), _placed(rows, columns), tuple(baselines(kept, columns)), tuple(notes))


def _asked(name: str, asked: Sequence[str]) -> bool:
    return not asked or name in asked


def _check_names(runs: Sequence[ComparedRun], tasks: Sequence[str], protocols: Sequence[str]) -> None:
    for kind, asked in (("task", tasks), ("protocol", protocols)):
        known = sorted({str(getattr(result, kind)) for run in runs for result in run.results})
        for name in asked:
            if name not in known:
                raise unknown(f"{kind} in these results", name, known, setting=kind)


def _groups(runs: Sequence[ComparedRun]) -> Iterator[tuple[str, list[ComparedRun]]]:
    """Runs of one recipe, each with another seed, under what their names have in common."""
    groups: dict[tuple[str, int], list[ComparedRun]] = {}
    times: dict[tuple[str, int | None], int] = {}
    for run in runs:
        # A recipe that was trained twice with the same seed is two rows.
        again = times[run.recipe, run.seed] = times.get((run.recipe, run.seed), -1) + 1
        groups.setdefault((run.recipe, again), []).append(run)
    alike = [part for group in groups.values() for part in _of_one_view(group)]
    names = [_common_name(group) for group in alike]
    for name, group in zip(names, alike, strict=True):
        yield (name if names.count(name) == 1 else str(group[0].path)), group


def _of_one_view(group: Sequence[ComparedRun]) -> list[list[ComparedRun]]:
    """Runs apart that were measured at different sizes of image under one protocol: they have no mean."""
    views: dict[tuple[str, str], set[int | None]] = {}
    for run in group:
        for result in run.results:
            views.setdefault((result.task, result.title), set()).add(view_of(result))
    several = {key for key, found in views.items() if len(found) > 1}
    parts: dict[tuple[Any, ...], list[ComparedRun]] = {}
    for run in group:
        at = sorted((one.task, one.title, view_of(one)) for one in run.results if (one.task, one.title) in several)
        parts.setdefault(tuple(at), []).append(run)
    return list(parts.values())


def _common_name(group: Sequence[ComparedRun]) -> str:
    if len(group) == 1:
        return group[0].name
    names = [run.name for run in group]
    bare = {re.sub(r"[-_. ]*(seed|s)?[-_=]?\d+$", "", name) for name in names}
    if len(bare) == 1 and "" not in bare:
        return bare.pop()
    return f"{names[0]} and {len(names) - 1} more"


def _columns(runs: Sequence[ComparedRun]) -> list[Column]:
    """One for each protocol and task, and beside it one for each further metric that is shown.

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
                    mend=(
                        "evaluate both again",
                        f"choose others with {setting('protocol')} or {setting('task')} (all but {result.task})",
                    ),
                )
    found = []
    for key in sorted(columns, key=order.__getitem__):
        main = columns[key][0]
        measured = [one for run in runs if (one := result_of(run, main)) is not None]
        more = [name for name in FURTHER if any(name in one.more for one in measured)]
        found += [main, *(replace(main, metric=name, further=True) for name in more)]
    return found


def _difference(first: Column, second: Column) -> str:
    """In what two measurements under one name differ; "" where they are the same."""
    if first.data != second.data:
        return f"of other data ({first.data} and {second.data})"
    if first.metric != second.metric:
        return f"another metric ({first.metric} and {second.metric})"
    # Results of earlier versions name no framing: all saw the centre square.
    mine, theirs = ({"framing": "crop", **_flat(each.settings)} for each in (first, second))
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


def _row(name: str, runs: Sequence[ComparedRun], columns: Sequence[Column]) -> ComparisonRow:
    cells: list[Cell | None] = []
    for column in columns:
        found = [result for run in runs if (result := result_of(run, column)) is not None]
        values = tuple(value for result in found if (value := column.of(result)) is not None)
        interval = found[0].interval if len(found) == 1 and not column.further else None
        cells.append(Cell(values, interval=interval) if values else None)
    return ComparisonRow(name, tuple(runs), tuple(cells))


def _with_views(rows: Sequence[ComparisonRow], columns: Sequence[Column]) -> list[ComparisonRow]:
    """The rows with the size of image in each cell, in columns whose rows were measured at several."""
    cells = [list(row.cells) for row in rows]
    for k, column in enumerate(columns):
        views = [view_of_row(row, column) for row in rows]
        if len({view for view in views if view is not None}) > 1:
            for row, view in zip(cells, views, strict=True):
                cell = row[k]
                row[k] = None if cell is None else replace(cell, view=view)
    return [replace(row, cells=tuple(changed)) for row, changed in zip(rows, cells, strict=True)]


def _placed(rows: Sequence[ComparisonRow], columns: Sequence[Column]) -> tuple[ComparisonRow, ...]:
    """The rows with the best and second-best of each column marked; equals share a place."""
    cells = [list(row.cells) for row in rows]
    for k, column in enumerate(columns):
        less = column.metric in LESS_IS_BETTER
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
