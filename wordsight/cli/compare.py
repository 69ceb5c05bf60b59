"""The verb `compare`."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from wordsight.cli.verb import Verb

if TYPE_CHECKING:
    from wordsight.cli.arguments import Source, Values


@dataclass(frozen=True)
class CompareArguments:
    """What is compared.

    Args:
        runs: Run folders, or folders of results, with blanks between them. Runs that differ in their seed alone are
            one row; folders without results are left out.
        out: A file to write the table to, as its ending says: .md, .csv or .html. What is there is replaced.
        task: Which tasks, with commas between them; by default all that have results.
        protocol: Which protocols, with commas between them; by default all that have results.
        test: Two rows, with a comma between them, to test against each other in every column; by default the best and
            the second-best of each.
    """

    runs: tuple[Path, ...]
    out: Path | None = None
    task: tuple[str, ...] = ()
    protocol: tuple[str, ...] = ()
    test: tuple[str, ...] = ()


def _compare_sources() -> list[Source]:
    from wordsight.cli.arguments import Source

    return [Source(CompareArguments)]


def _compare(values: Values) -> None:
    from wordsight import api
    from wordsight.evaluation.comparison.render import print_compared

    given = values.of(CompareArguments)
    compared = api.compare(
        given["runs"], out=given["out"], tasks=given["task"], protocols=given["protocol"], test=given["test"]
    )
    print_compared(compared)
    if given["out"] is not None:
        print(f"wrote {given['out']}")


COMPARE = Verb(
    summary="Put the results of runs in one table, with the best marked and tested.",
    example="wordsight compare runs/a runs/b --out table.md",
    sources=_compare_sources,
    call=_compare,
)
