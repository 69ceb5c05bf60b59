"""The verbs that show what a run has learned: `explain photo`, `explain map`, `explain words`."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from wordsight.cli.verb import Group, Verb
from wordsight.errors import some_done
from wordsight.ranges import AtLeastOne, Count, MapCount, Perplexity, Seed

if TYPE_CHECKING:
    from wordsight.cli.arguments import Source, Values


@dataclass(frozen=True)
class ExplainPhotoArguments:
    """What is explained.

    Args:
        run: The run folder.
        photo: The photo's file.
        caption: A sentence about the photo, in quotes.
        out: The picture to write; its ending (.png, .jpg, .svg, .pdf) names the format. By default a PNG in
            attention/ in the run folder, named after the photo and the caption.
        framing: How a photo that is not square becomes one: crop, its centre square; squash, all of it scaled to a
            square; pad, all of it with borders.
    """

    run: Path
    photo: Path
    caption: str
    out: Path | None = None
    framing: Literal["crop", "squash", "pad"] = "crop"


@dataclass(frozen=True)
class ExplainMapArguments:
    """What is laid out, and how.

    Args:
        run: The run folder.
        corpus: The folder of the corpus whose images are laid out; by default the one that the run learned from.
        split: The split of that corpus, or several with commas between them; by default test where there are splits,
            else all.
        task: Labelled images in place of a corpus, framed in the colours of their labels: folder:DIR, voc:DIR,
            table:FILE or corpus:FOLDER. Those of its test are laid out.
        count: The most images; of more, a random sample is shown.
        seed: Of the sample and of t-SNE.
        perplexity: How many neighbours each image is held close to; at most a third of the images.
        out: The folder to write map.png and map.html into; by default map/ in the run folder, in it a folder named
            after the corpus and split or the task.
        image: Of a table, the column of image files.
        label: Of a table, the column of labels.
        images: Of a table, the folder that its image files are relative to.
        names: Of class folders, a file of the classes' names, as evaluate takes it.
        framing: How an image that is not square becomes one, for the network and on the map: crop, its centre square;
            squash, all of it scaled to a square; pad, all of it with borders.
        device: Where to compute the features.
    """

    run: Path
    corpus: Path | None = None
    split: str | None = None
    task: str | None = None
    count: MapCount = 2000
    seed: Seed = 0
    perplexity: Perplexity = 30.0
    out: Path | None = None
    image: str | None = None
    label: str | None = None
    images: Path | None = None
    names: Path | None = None
    framing: Literal["crop", "squash", "pad"] = "crop"
    device: Literal["auto", "cpu", "cuda"] = "auto"


@dataclass(frozen=True)
class ExplainWordsArguments:
    """What is explained.

    Args:
        run: The run folder.
        words: Words whose nearest words are shown, with blanks between them.
        most: How many nearest words are shown.
        similarity: A list of two words and a score a line: how well do the distances between the words follow it?
        dictionary: A list of a word and its translation a line: are translations near each other?
        concepts: The concept set to look at, by name; by default all of the run's.
        centre: Take the mean of all words from each word first.
        images: How many photos that the run learned from tell which directions of the words count: those along which
            photos differ. 0 compares the words without using photos.
        corpus: The folder of the corpus that the run learned from, where that was moved or copied.
        out: A JSON file to write what was found to.
        device: Where the photos are looked at.
    """

    run: Path
    words: tuple[str, ...]
    most: AtLeastOne = 10
    similarity: Path | None = None
    dictionary: Path | None = None
    concepts: str | None = None
    centre: bool = True
    images: Count = 1000
    corpus: Path | None = None
    out: Path | None = None
    device: Literal["auto", "cpu", "cuda"] = "auto"


def _explain_photo_sources() -> list[Source]:
    from wordsight.cli.arguments import Source

    return [Source(ExplainPhotoArguments)]


def _explain_photo(values: Values) -> None:
    from wordsight import api

    given = values.of(ExplainPhotoArguments)
    file = api.explain_photo(given.pop("run"), given.pop("photo"), given.pop("caption"), **given)
    print(f"drew {file}: where {values['run']} looks for each word; next: wordsight report {values['run']}")


def _explain_map_sources() -> list[Source]:
    from wordsight.cli.arguments import Source

    return [Source(ExplainMapArguments)]


def _explain_map(values: Values) -> None:
    from wordsight import api

    given = values.of(ExplainMapArguments)
    drawn = api.explain_map(given.pop("run"), **given)
    print(f"drew {drawn.picture} and {drawn.page}: {drawn.count:,} images; next: open {drawn.page} in a browser")


def _explain_words_sources() -> list[Source]:
    from wordsight.cli.arguments import Source

    return [Source(ExplainWordsArguments)]


def _explain_words(values: Values) -> None:
    from wordsight import api
    from wordsight.explain.words.known_words import print_words

    given = values.of(ExplainWordsArguments)
    found, failed = some_done(lambda: api.explain_words(given.pop("run"), given.pop("words"), **given))
    print_words(found)
    if values["out"] is not None:
        print(f"wrote {values['out']}")
    if failed is not None:
        raise failed


EXPLAIN = Group(
    "Show what a run has learned.",
    lambda: {
        "photo": Verb(
            summary="Draw where a run looks in a photo for each word of a caption.",
            example='wordsight explain photo runs/a photo.jpg "a dog runs on the beach"',
            sources=_explain_photo_sources,
            call=_explain_photo,
        ),
        "map": Verb(
            summary="Lay out held-out images by their features: a picture of thumbnails, and a page to walk about in.",
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
