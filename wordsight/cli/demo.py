"""The verb `demo`: the whole job on embedded pictures."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from wordsight.cli.verb import Verb

if TYPE_CHECKING:
    from wordsight.cli.arguments import Source, Values


@dataclass(frozen=True)
class DemoArguments:
    """Where the demonstration goes.

    Args:
        out: The run folder to make; its corpora are made beside it, in OUT-corpora/.
        overwrite: Replace the demonstration that is there already.
    """

    out: Path = Path("runs/demo")
    overwrite: bool = False


def _demo_sources() -> list[Source]:
    from wordsight.cli.arguments import Source

    return [Source(DemoArguments)]


def _demo(values: Values) -> None:
    from wordsight import api

    api.demo(**values.of(DemoArguments))


DEMO = Verb(
    summary="The whole job on embedded pictures, from corpus to report, in minutes.",
    example="wordsight demo --out runs/demo",
    sources=_demo_sources,
    call=_demo,
    interrupted="the demonstration is not finished: run the same command again with --overwrite true",
)
