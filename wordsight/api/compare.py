"""The verb `compare`: the results of runs in one table."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from wordsight.evaluation.comparison.render import ComparisonReport


def compare(
    runs: Sequence[Path | str],
    *,
    out: Path | str | None = None,
    task: str | Sequence[str] = (),
    protocol: str | Sequence[str] = (),
    test: Sequence[str] = (),
) -> ComparisonReport:
    """Put the results of runs side by side, and test whether the best is better than the second-best.

    Runs that differ in their seed alone are one row, mean ± standard deviation.

    Args:
        runs: Run folders, or folders of results. Runs that differ in their seed alone are one row; folders without
            results are left out.
        out: A file to write the table to, as its ending says: .md, .csv or .html. What is there is replaced.
        task: Which tasks; by default all that have results.
        protocol: Which protocols; by default all that have results.
        test: Two rows to test against each other in every column; by default the best and the second-best of each.

    Raises:
        InputError: When a folder is not there, none has results, the ending is unknown, or a column would hold two
            protocols or two sets of data.

    Examples:
        >>> import wordsight
        >>> results = wordsight.evaluate("runs/a", task="folder:classes", protocol="knn")
        >>> found = wordsight.compare(["runs/a"], protocol="knn")
        >>> [column.metric for column in found.table.columns]
        ['top-1 accuracy', 'mean per class accuracy']
    """
    from wordsight.evaluation.comparison.compare_runs import compare_runs
    from wordsight.evaluation.comparison.render import ComparisonReport, check_out, write_compared
    from wordsight.evaluation.comparison.significance import column_tests

    if out is not None:
        check_out(Path(out))
    table = compare_runs([Path(run) for run in runs], _several(task), _several(protocol))
    tests, untested = column_tests(table, test)
    compared = ComparisonReport(table, tuple(tests), (*table.notes, *untested))
    if out is not None:
        write_compared(compared, Path(out))
    return compared


def _several(given: str | Sequence[str]) -> Sequence[str]:
    return [given] if isinstance(given, str) else given
