"""The verbs that show what a run has learned: `explain photo`, `explain map`, `explain words`."""

from __future__ import annotations

from typing import TYPE_CHECKING

from wordsight.cli.verb import Group, Verb
from wordsight.errors import some_done

if TYPE_CHECKING:
    from wordsight.cli.arguments import Values
    from wordsight.cli.signatures import Source


def _explain_photo_sources() -> list[Source]:
    from wordsight.api.explain import explain_photo
    from wordsight.cli.signatures import Source

    return [Source(explain_photo, positional=("run", "photo", "caption"), optional=("caption",))]


def _explain_photo(values: Values) -> None:
    from wordsight import api
    from wordsight.api.explain import explain_photo, photo_shows

    given = values.of(explain_photo)
    file = api.explain_photo(**given)
    shows = photo_shows(values["run"], values["caption"], values["map"])
    print(f"drew {file}: {shows}; next: wordsight report {values['run']}")


def _explain_map_sources() -> list[Source]:
    from wordsight.api.explain import explain_map
    from wordsight.cli.signatures import Source

    return [Source(explain_map)]


def _explain_map(values: Values) -> None:
    from wordsight import api
    from wordsight.api.explain import explain_map

    given = values.of(explain_map)
    drawn = api.explain_map(**given)
    print(f"drew {drawn.picture} and {drawn.page}: {drawn.count:,} images; next: open {drawn.page} in a browser")


def _explain_words_sources() -> list[Source]:
    from wordsight.api.explain import explain_words
    from wordsight.cli.signatures import Source

    return [Source(explain_words, positional=("run", "words"))]


def _explain_words(values: Values) -> None:
    from wordsight import api
    from wordsight.api.explain import explain_words
    from wordsight.explain.words.known_words import print_words

    given = values.of(explain_words)
    found, failed = some_done(lambda: api.explain_words(**given))
    print_words(found)
    if values["out"] is not None:
        print(f"wrote {values['out']}")
    if failed is not None:
        raise failed


EXPLAIN = Group(
    "Show what a run has learned.",
    lambda: {
        "photo": Verb(
            summary="Draw where a run finds the words of a caption in a photo.",
            example='wordsight explain photo runs/a photo.jpg "a dog runs on the beach"',
            sources=_explain_photo_sources,
            call=_explain_photo,
        ),
        "map": Verb(
            summary="Lay out held-out images by their features: a picture of thumbnails, and a page to zoom in.",
            example="wordsight explain map runs/a --task folder:imagenette",
            sources=_explain_map_sources,
            call=_explain_map,
        ),
        "words": Verb(
            summary="Show which words a run holds for similar: the nearest of a word, in one language or across two.",
            example="wordsight explain words runs/words dog beach",
            sources=_explain_words_sources,
            call=_explain_words,
        ),
    },
)
