"""The verb `coverage`: what a corpus has of a task's classes."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from wordsight.cli.verb import Verb

if TYPE_CHECKING:
    from wordsight.cli.arguments import Source, Values


@dataclass(frozen=True)
class CoverageArguments:
    """What is counted.

    Args:
        corpus: The corpus folder.
        classes: A file of class names: a name a line, or a table with a column name and one label.
        split: The split of the corpus, or several with commas between them; by default all of it.
        matchers: What counts as naming a class, with commas between several: exact (its words, one after another),
            lemma (their singulars), substring (its letters, within words too).
        results: A result with a value per class, a JSON file that evaluate wrote, to draw coverage against.
        out: A picture (.png, .svg, .pdf) of the images that name each class, against its accuracy where there is a
            result; or a .json file of all numbers.
    """

    corpus: Path
    classes: Path = field(kw_only=True)
    split: str | None = None
    matchers: tuple[str, ...] = ("exact", "lemma", "substring")
    results: Path | None = None
    out: Path | None = None


def _sources() -> list[Source]:
    from wordsight.cli.arguments import Source

    return [Source(CoverageArguments)]


def _coverage(values: Values) -> None:
    from wordsight import api
    from wordsight.explain.coverage.count import print_coverage

    given = values.of(CoverageArguments)
    print_coverage(api.coverage(given.pop("corpus"), given.pop("classes"), **given))
    if values["out"] is not None:
        print(f"wrote {values['out']}")


COVERAGE = Verb(
    summary="Count how many of a task's classes the captions of a corpus name, and in how many images.",
    example="wordsight coverage corpora/flickr8k --classes names.txt --out coverage.png",
    sources=_sources,
    call=_coverage,
)
