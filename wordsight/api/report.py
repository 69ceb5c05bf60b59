"""The verb `report`: what went into a run and what came out, as one HTML file."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from wordsight.api.pretrain import open_run
from wordsight.corpus import Corpus

# What computes with torch is imported by the verb that needs it: a look into a corpus should not wait for it.
if TYPE_CHECKING:
    from wordsight.training.run import Run


def report(run: Run | Path | str, *, corpus: Corpus | Path | str | None = None, out: Path | str | None = None) -> Path:
    """Write what went into a run and what came out as one HTML file that opens anywhere.

    Args:
        run: The run folder.
        corpus: The folder of the corpus that the run learned from, where that was moved or copied.
        out: The file to write; by default report.html in the run folder.

    Returns:
        The file.

    Examples:
        >>> import wordsight
        >>> wordsight.report("runs/a", out="report.html").stat().st_size > 10_000
        True
    """
    from wordsight.explain.report import write_report

    return write_report(open_run(run, corpus), out=None if out is None else Path(out))
