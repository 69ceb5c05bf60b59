"""The verbs that show what a run has learned."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from wordsight.api.corpus import open_corpus
from wordsight.api.pretrain import open_run
from wordsight.api.run_model import evaluated_run
from wordsight.corpus import Corpus
from wordsight.device import chosen_device
from wordsight.errors import InputError, setting
from wordsight.ranges import AtLeastOne, Count, MapCount, Perplexity, Seed
from wordsight.vision.preprocessing import Framing

# What computes with torch is imported by the verb that needs it: a look into a corpus should not wait for it.
if TYPE_CHECKING:
    from wordsight.explain.map import ImageMap, MapImages, MapSettings
    from wordsight.explain.words.known_words import WordReport
    from wordsight.training.run import Run


def explain_map(
    run: Run | Path | str,
    *,
    corpus: Corpus | Path | str | None = None,
    split: str | None = None,
    task: str | None = None,
    count: MapCount = 2000,
    seed: Seed = 0,
    perplexity: Perplexity = 30.0,
    out: Path | str | None = None,
    device: Literal["auto", "cpu", "cuda"] = "auto",
    image: str | None = None,
    label: str | None = None,
    images: Path | str | None = None,
    names: Path | str | None = None,
    framing: Framing = "crop",
) -> ImageMap:
    """Lay out held-out images by their features (t-SNE), as a picture of thumbnails and as a page to zoom and search.

    Args:
        run: The run folder.
        corpus: The folder of the corpus whose images are shown; by default the one that the run learned from.
        split: The split of that corpus, or several with commas between them; by default test where there are splits,
            else all.
        task: Labelled images in place of a corpus, framed in the colours of their labels: folder:DIR, voc:DIR,
            table:FILE or corpus:FOLDER. Those of its test are shown.
        count: The most images; of more, a random sample is shown.
        seed: Of the sample and of t-SNE.
        perplexity: How many neighbours each image is held close to; at most a third of the images.
        out: The folder to write map.png and map.html into; by default map/ in the run folder, in it a folder named
            after the corpus and split or the task.
        device: Where to compute the features.
        image: Of a table, the column of image files.
        label: Of a table, the column of labels.
        images: Of a table, the folder that its image files are relative to.
        names: Of class folders, a file of the classes' names, as evaluate takes it.
        framing: How an image that is not square becomes one, for the network and on the map: crop, its centre square;
            squash, all of it scaled to a square; pad, all of it with borders.

    Raises:
        InputError: When both task and corpus are given, openTSNE is not installed, or there are too few images.

    Examples:
        >>> import wordsight
        >>> wordsight.explain_map("runs/a", count=6, out="map").page.name
        'map.html'
    """
    from wordsight.explain.map import MapSettings, check_installed, draw_map

    run, settings = open_run(run), MapSettings(count, seed, perplexity)
    flags: dict[str, Any] = {"image": image, "label": label, "images": images, "names": names}
    _check_of_a_task(task, corpus or split, flags)
    check_installed()
    shown, name = _shown(run, task, corpus, split, flags, settings)
    model = evaluated_run(run, device, heads=False, framing=framing)
    return draw_map(model, shown, settings, Path(out or run.path / "map" / name))


def _check_of_a_task(task: str | None, of_a_corpus: object, flags: Mapping[str, Any]) -> None:
    """Refuse what would be passed over."""
    if task is None and (without := [flag for flag, value in flags.items() if value is not None]):
        mend = f"give {setting('task')} as well"
        raise InputError("says something of a task, and none is given", setting=without[0], mend=mend)
    if task is not None and of_a_corpus:
        raise InputError("give either a task or a corpus with its split", where="wordsight explain map")


def _shown(
    run: Run,
    task: str | None,
    corpus: Corpus | Path | str | None,
    split: str | None,
    flags: Mapping[str, Any],
    settings: MapSettings,
) -> tuple[MapImages, str]:
    """The images of a map, and what it is called."""
    from wordsight.evaluation import open_task
    from wordsight.explain.map import images_of_corpus, images_of_task

    if task is not None:
        opened = open_task(task, **flags)
        return images_of_task(opened, settings), opened.name
    found = run.corpus() if corpus is None else open_corpus(corpus)
    split = split or found.default_split("test")
    return images_of_corpus(found, split, settings), f"{found.name}-{split.replace(',', '+')}"


def explain_photo(
    run: Run | Path | str,
    photo: Path | str,
    caption: str | None = None,
    *,
    out: Path | str | None = None,
    framing: Framing = "crop",
    map: str = "",
) -> Path:
    """Draw where a run finds the words of a caption in a photo: attention, similarity, or what speaks for a tag.

    Args:
        run: The run folder.
        photo: The photo's file.
        caption: A sentence about the photo, in quotes on the command line. Without one: the likeliest tags, of a run
            that predicts tags, and the caption that a captioner writes.
        out: The picture to write; its ending (.png, .jpg, .svg, .pdf) names the format. By default a PNG in attention/
            in the run folder, named after the photo and the caption.
        framing: How a photo that is not square becomes one: crop, its centre square; squash, all of it scaled to a
            square; pad, all of it with borders.
        map: What is shown: hidden-words, the attention to each word when it is hidden; cross-attention, a captioner's;
            similarity, of places and words, for two towers; class-activation, for tags. By default the first of these
            that the run's objective has.

    Returns:
        The picture's file.

    Raises:
        InputError: When the run's objective knows no words, the photo can't be read, or no word can be asked about.

    Examples:
        >>> import wordsight
        >>> picture = wordsight.explain_photo("runs/a", "photos/red-circle-0.png", "a red circle", out="looks.png")
        >>> picture.name
        'looks.png'
    """
    from wordsight.explain.photo.draw import explain_photo as draw

    return draw(open_run(run), Path(photo), caption, None if out is None else Path(out), framing, map)


def photo_shows(run: Run | Path | str, caption: str | None = None, map: str = "") -> str:
    """What the pictures of :func:`explain_photo` show, as half a sentence.

    Args:
        run: The run folder.
        caption: As :func:`explain_photo` takes it.
        map: As :func:`explain_photo` takes it.

    Examples:
        >>> photo_shows("runs/a", "a red circle")
        'where it looks for each hidden word'
    """
    from wordsight.explain.photo.attention import chosen_map
    from wordsight.objectives.maps import MAPS

    return MAPS[chosen_map(open_run(run), caption, map)].drawn


def explain_words(
    run: Run | Path | str,
    words: Sequence[str] = (),
    *,
    most: AtLeastOne = 10,
    similarity: Path | str | None = None,
    dictionary: Path | str | None = None,
    concepts: str | None = None,
    centre: bool = True,
    images: Count = 1000,
    corpus: Corpus | Path | str | None = None,
    out: Path | str | None = None,
    device: Literal["auto", "cpu", "cuda"] = "auto",
) -> WordReport:
    """Look at the output layer of a run's tag heads: the nearest words of a word, word similarity, two languages.

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

    Raises:
        InputError: When the run has no tag head, a word is unknown, or a list can't be read or has none of its words;
            when its photos are wanted and gone.

    Examples:
        >>> import wordsight
        >>> found = wordsight.explain_words("runs/a", ["red"], most=2)
        >>> [len(near) for near in found.nearest[0].near.values()]
        [2]
    """
    from wordsight.explain.words.known_words import explain_words as explain

    return explain(
        open_run(run, corpus),
        words,
        most=most,
        similarity=None if similarity is None else Path(similarity),
        dictionary=None if dictionary is None else Path(dictionary),
        concepts=concepts,
        centre=centre,
        images=images,
        out=None if out is None else Path(out),
        device=chosen_device(device),
    )
