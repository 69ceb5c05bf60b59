"""The verb `coverage`: what a corpus has of a task's classes."""

from __future__ import annotations

from typing import TYPE_CHECKING

from wordsight.cli.verb import Verb

if TYPE_CHECKING:
    from wordsight.cli.arguments import Values
    from wordsight.cli.signatures import Source


def _sources() -> list[Source]:
    from wordsight.api.coverage import coverage
    from wordsight.cli.signatures import Source

    return [Source(coverage, positional=("corpus",))]


def _coverage(values: Values) -> None:
    from wordsight import api
    from wordsight.api.coverage import coverage
    from wordsight.explain.coverage.count import print_coverage

    print_coverage(api.coverage(**values.of(coverage)))
    if values["out"] is not None:
        print(f"wrote {values['out']}")


COVERAGE = Verb(
    summary="Count how many of a task's classes the captions of a corpus name, and in how many images.",
    example="wordsight coverage corpora/flickr8k --classes names.txt --out coverage.png",
    sources=_sources,
    call=_coverage,
)
