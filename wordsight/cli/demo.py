"""The verb `demo`: the whole job on embedded pictures."""

from __future__ import annotations

from typing import TYPE_CHECKING

from wordsight.cli.verb import Verb

if TYPE_CHECKING:
    from wordsight.cli.arguments import Values
    from wordsight.cli.signatures import Source


def _demo_sources() -> list[Source]:
    from wordsight.api.demo import demo
    from wordsight.cli.signatures import Source

    return [Source(demo, skip=frozenset({"scenes", "held_out"}))]


def _demo(values: Values) -> None:
    from wordsight import api
    from wordsight.api.demo import demo

    api.demo(**values.of(demo))


DEMO = Verb(
    summary="The whole job on embedded pictures, from corpus to report, in minutes.",
    example="wordsight demo --out runs/demo",
    sources=_demo_sources,
    call=_demo,
    interrupted="the demonstration is not finished: run the same command again with --overwrite true",
)
