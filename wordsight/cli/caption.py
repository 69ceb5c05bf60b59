"""The verb `caption`: what a run says of photos."""

from __future__ import annotations

from typing import TYPE_CHECKING

from wordsight.cli.verb import Verb
from wordsight.errors import some_done

if TYPE_CHECKING:
    from wordsight.cli.arguments import Values
    from wordsight.cli.signatures import Source


def _caption_sources() -> list[Source]:
    from wordsight.api.caption import caption
    from wordsight.cli.signatures import Source

    return [Source(caption, positional=("run", "photos"))]


def _caption(values: Values) -> None:
    from wordsight import api
    from wordsight.api.caption import caption

    given = values.of(caption)
    found, failed = some_done(lambda: api.caption(**given))
    if values["out"] is None:
        for each in found:
            print(f"{each.image}\t{each.caption}")
    else:
        print(f"wrote {values['out']}: captions of {len(found):,} photos")
    if failed is not None:
        raise failed


CAPTION = Verb(
    summary="Write a caption for each photo.",
    example="wordsight caption runs/a photos/ --out captions.csv",
    sources=_caption_sources,
    call=_caption,
)
