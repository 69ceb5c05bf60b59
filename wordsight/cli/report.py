"""The verb `report`: a run as one HTML file."""

from __future__ import annotations

from typing import TYPE_CHECKING

from wordsight.cli.verb import Verb

if TYPE_CHECKING:
    from wordsight.cli.arguments import Values
    from wordsight.cli.signatures import Source


def _report_sources() -> list[Source]:
    from wordsight.api.report import report
    from wordsight.cli.signatures import Source

    return [Source(report)]


def _report(values: Values) -> None:
    from wordsight import api
    from wordsight.api.report import report

    print(f"wrote {api.report(**values.of(report))}: one file that opens in any browser")


REPORT = Verb(
    summary="Write what went into a run and what came out as one HTML file that opens anywhere.",
    example="wordsight report runs/a",
    sources=_report_sources,
    call=_report,
)
