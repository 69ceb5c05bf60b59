"""Whether one run is better than another: the paired bootstrap over the test images, column by column."""

from __future__ import annotations

import statistics
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from wordsight.errors import InputError, unknown
from wordsight.evaluation.comparison.comparison_table import Column, Comparison, ComparisonRow
from wordsight.evaluation.metrics.bootstrap import PairedTest, paired_test
from wordsight.evaluation.metrics.outcomes import Outcomes, read_outcomes
from wordsight.evaluation.results.result import DRAW, result_file

# A value and its outcomes are one measurement; what lies further apart, in points, is not.
_SAME = 0.05


@dataclass(frozen=True)
class ColumnTest:
    """A paired test in one column.

    Args:
        column: The column.
        first: Name of the row that is asked about.
        second: Name of the row that it is held against.
        test: What came out.
    """

    column: Column
    first: str
    second: str
    test: PairedTest


def column_tests(comparison: Comparison, rows: Sequence[str] = ()) -> tuple[list[ColumnTest], list[str]]:
    """Test two rows against each other in every column; where none are named, the best against the second-best.

    Seeds of one recipe are averaged in every draw of the images.

    Args:
        comparison: The table.
        rows: The names of two rows, or of runs in them.

    Returns:
        The tests, and a sentence for each column that could not be tested.

    Raises:
        InputError: When not two rows are named, one is unknown, or outcomes can't be read.
    """
    chosen = [_row_named(comparison, name) for name in rows]
    if rows and (len(chosen) != 2 or chosen[0] is chosen[1]):
        raise InputError(
            f"names {len(set(map(id, chosen)))} of the rows", setting="test", expected="two, with a comma between"
        )
    found: list[ColumnTest] = []
    notes: list[str] = []
    for k, column in enumerate(comparison.columns):
        if column.further:
            # It stands beside a number that is tested.
            continue
        pair = chosen or _leaders(comparison, k)
        if len(pair) != 2 or any(row.cells[k] is None for row in pair):
            continue
        outcomes = [list(_outcomes(row, column)) for row in pair]
        without = [row.name for row, side in zip(pair, outcomes, strict=True) if None in side]
        if without:
            notes.append(f"{column.title}: not tested: per-image results of {' and '.join(without)} were not saved")
            continue
        first, second = ([one for one in side if one is not None] for side in outcomes)
        test, drawn = paired_test(first, second), [_draws(row, column) for row in pair]
        if len(drawn[0]) == len(drawn[1]):
            # The draws are the same for all runs.
            test = test.over_draws([mine - theirs for mine, theirs in zip(*drawn, strict=True)])
        found.append(ColumnTest(column, pair[0].name, pair[1].name, test))
    return found, notes


def _row_named(comparison: Comparison, name: str) -> ComparisonRow:
    for row in comparison.rows:
        if name == row.name or any(name in (run.name, str(run.path)) for run in row.runs):
            return row
    raise unknown("run", name, [row.name for row in comparison.rows], setting="test")


def _leaders(comparison: Comparison, k: int) -> list[ComparisonRow]:
    """The best and the second-best row of a column; two that share the first place have no test to pass."""
    placed = [(cell.place, row) for row in comparison.rows if (cell := row.cells[k]) is not None and cell.place]
    best, second = ([row for place, row in placed if place == wanted] for wanted in (1, 2))
    return [best[0], second[0]] if len(best) == 1 and second else []


def _draws(row: ComparisonRow, column: Column) -> list[float]:
    """The value in each draw of the training images, the mean over the row's runs; none where there were no draws."""
    found = []
    for run in row.runs:
        for result in run.results:
            values = [group.value for group in result.groups if group.by == DRAW]
            if values and (result.task, result.title) == (column.task, column.protocol):
                found.append(values)
    return [statistics.fmean(each) for each in zip(*found, strict=True)]


def _outcomes(row: ComparisonRow, column: Column) -> Iterator[Outcomes | None]:
    """What became of each image under each run that has a result in the column; None where that was not kept."""
    for run in row.runs:
        for result in run.results:
            if (result.task, result.title) != (column.task, column.protocol):
                continue
            file = result_file(run.files, result.task, result.protocol, result.part).with_suffix(".npz")
            found = read_outcomes(file) if file.is_file() else None
            # Outcomes of an earlier measurement say nothing about this one.
            yield found if found is not None and abs(found.value - result.value) < _SAME else None
