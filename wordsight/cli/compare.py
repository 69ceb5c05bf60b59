"""The verb `compare`."""

from __future__ import annotations

from typing import TYPE_CHECKING

from wordsight.cli.verb import Verb

if TYPE_CHECKING:
    from wordsight.cli.arguments import Values
    from wordsight.cli.signatures import Source


def _compare_sources() -> list[Source]:
    from wordsight.api.compare import compare
    from wordsight.cli.signatures import Source

    return [Source(compare)]


def _compare(values: Values) -> None:
    from wordsight import api
    from wordsight.api.compare import compare
    from wordsight.evaluation.comparison.render import print_compared

    given = values.of(compare)
    compared = api.compare(**given)
    print_compared(compared)
    if given["out"] is not None:
        print(f"wrote {given['out']}")


COMPARE = Verb(
    summary="Put the results of runs in one table, with the best marked and tested.",
    example="wordsight compare runs/a runs/b --out table.md",
    sources=_compare_sources,
    call=_compare,
)
