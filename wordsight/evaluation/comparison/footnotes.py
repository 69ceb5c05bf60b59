"""What a reader of a comparison should know: sizes of image that differ, tests that were pretrained on."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from wordsight.evaluation.comparison.compared_run import ComparedRun
from wordsight.evaluation.comparison.comparison_table import Column, ComparisonRow, result_of
from wordsight.evaluation.pretrained_on import is_about_held_out


def view_notes(rows: Sequence[ComparisonRow], columns: Sequence[Column]) -> Iterator[str]:
    """Where one column holds numbers of different sizes of image: a reader should know."""
    for k, column in enumerate(columns):
        at: dict[int, list[str]] = {}
        for row in rows if not column.further else ():
            cell = row.cells[k]
            if cell is not None and cell.view is not None:
                trained = row.runs[0].image_size
                other = f" (trained at {trained} px)" if trained not in (None, cell.view) else ""
                at.setdefault(cell.view, []).append(row.name + other)
        if at:
            listed = "; ".join(f"{view} px: {', '.join(names)}" for view, names in sorted(at.items()))
            yield f"{column.title}: measured at different image sizes ({listed})"


def own_baseline_notes(runs: Sequence[ComparedRun]) -> Iterator[str]:
    """Which baselines are no row, as each run has its own."""
    names = dict.fromkeys(name for run in runs for one in run.results for name in one.own_baselines)
    if names:
        yield f"{', '.join(names)}: computed from each run's own features, so not rows here; each result has its own"


def held_out_notes(runs: Sequence[ComparedRun], columns: Sequence[Column]) -> Iterator[str]:
    """What results say of images that were pretrained on."""
    for column in columns:
        said: dict[str, list[str]] = {}
        for run in runs if not column.further else ():
            result = result_of(run, column)
            for warning in () if result is None else filter(is_about_held_out, result.warnings):
                said.setdefault(warning, []).append(run.name)
        for warning, names in said.items():
            yield f"{column.title}, {', '.join(names)}: {warning}"
