"""The verb `report`: a run as one HTML file."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from wordsight.cli.verb import Verb

if TYPE_CHECKING:
    from wordsight.cli.arguments import Source, Values


@dataclass(frozen=True)
class ReportArguments:
    """What is reported.

    Args:
        run: The run folder.
        corpus: The folder of the corpus that the run learned from, where that was moved or copied.
        out: The file to write; by default report.html in the run folder.
    """

    run: Path
    corpus: Path | None = None
    out: Path | None = None


def _report_sources() -> list[Source]:
    from wordsight.cli.arguments import Source

    return [Source(ReportArguments)]


def _report(values: Values) -> None:
    from wordsight import api

    given = values.of(ReportArguments)
    print(f"wrote {api.report(given.pop('run'), **given)}: one file that opens in any browser")


REPORT = Verb(
    summary="Write what went into a run and what came out as one HTML file that opens anywhere.",
    example="wordsight report runs/a",
    sources=_report_sources,
    call=_report,
)
