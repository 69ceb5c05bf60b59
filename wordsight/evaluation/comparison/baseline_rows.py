"""What the rows of a comparison are read beside: networks with random weights, chance, ..."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from wordsight.evaluation.comparison.compared_run import ComparedRun, view_of
from wordsight.evaluation.comparison.comparison_table import Cell, Column, ComparisonRow, result_of
from wordsight.evaluation.results.measurement import RANDOM_WEIGHTS
from wordsight.evaluation.results.result import Result


def baselines(runs: Sequence[ComparedRun], columns: Sequence[Column]) -> Iterator[ComparisonRow]:
    """The networks with random weights, and whatever else is the same for all runs of a column."""
    networks = list(dict.fromkeys(network for run in runs for network in _networks(run, runs)))
    for network in networks:
        cells = []
        for column in columns:
            measured = [
                one for run in runs if (one := result_of(run, column)) is not None and _is_of(network, run, one)
            ]
            values = [value for one in measured if (value := baselines_in(one, column).get(RANDOM_WEIGHTS)) is not None]
            # One network measured beside several runs is one measurement.
            distinct = tuple(dict.fromkeys(values))
            cells.append(Cell(distinct) if distinct else None)
        if any(cells):
            yield ComparisonRow(
                RANDOM_WEIGHTS if len(networks) == 1 else f"{RANDOM_WEIGHTS}, {network.name}", (), tuple(cells)
            )
    names = dict.fromkeys(
        name
        for column in columns
        for run in runs
        if (one := result_of(run, column)) is not None
        for name in baselines_in(one, column)
        # What was made with one run's own features is no baseline of another.
        if name != RANDOM_WEIGHTS and name not in one.own_baselines
    )
    for name in names:
        cells = []
        for column in columns:
            found = [one for run in runs if (one := result_of(run, column)) is not None]
            said = [baselines_in(one, column).get(name) for one in found]
            same = [value for value in said if value is not None]
            agree = len(same) == len(said) and max(same, default=0) - min(same, default=0) < 1e-6
            cells.append(Cell((same[0],)) if same and agree else None)
        if any(cells):
            yield ComparisonRow(name, (), tuple(cells))


def baselines_in(result: Result, column: Column) -> Mapping[str, float]:
    """The baselines of a column's metric in a result; none where it has not measured it."""
    measured = result.measurement(column.metric)
    return {} if measured is None else measured.baselines


@dataclass(frozen=True)
class _Network:
    """A network, at one size of image where it was measured at several under one protocol."""

    of: str
    view: int | None

    @property
    def name(self) -> str:
        if not self.of.startswith("{"):
            return self.of + (f" at {self.view} px" if self.view is not None else "")
        said = json.loads(self.of)
        return f"{said['backbone']} at {self.view if self.view is not None else said['image_size']} px"


def _networks(run: ComparedRun, runs: Sequence[ComparedRun]) -> list[_Network]:
    """The network of a run, once for each size at which it was measured where runs of it were measured at several."""
    views: dict[tuple[str, str], set[int | None]] = {}
    for other in runs:
        for one in other.results if other.network == run.network else ():
            views.setdefault((one.task, one.title), set()).add(view_of(one))
    if all(len(found) == 1 for found in views.values()):
        return [_Network(run.network, None)]
    return [_Network(run.network, view) for view in dict.fromkeys(map(view_of, run.results))]


def _is_of(network: _Network, run: ComparedRun, result: Result) -> bool:
    return run.network == network.of and network.view in (None, view_of(result))
