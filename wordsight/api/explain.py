"""The verbs that show what a run has learned."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from wordsight.api.corpus import open_corpus
from wordsight.api.pretrain import open_run
from wordsight.api.run_model import evaluated_run
from wordsight.corpus import Corpus
from wordsight.device import chosen_device
from wordsight.errors import InputError, setting

# What computes with torch is imported by the verb that needs it: a look into a corpus should not wait for it.
if TYPE_CHECKING:
    from wordsight.explain.map import ImageMap
    from wordsight.explain.words.known_words import WordReport
    from wordsight.training.run import Run
    from wordsight.vision.preprocessing import Framing


def explain_map(
    run: Run | Path | str,
    *,
    corpus: Corpus | Path | str | None = None,
    split: str | None = None,
    task: str | None = None,
    count: int = 2000,
    seed: int = 0,
    perplexity: float = 30.0,
    out: Path | str | None = None,
    device: Literal["auto", "cpu", "cuda"] = "auto",
    image: str | None = None,
    label: str | None = None,
    images: Path | str | None = None,
    names: Path | str | None = None,
    framing: Framing = "crop",
) -> ImageMap:
    """Lay out held-out images by their features (t-SNE), as a picture of thumbnails and as a page to walk about in.

    Args:
        run: The run, or its folder.
        corpus: Whose images are laid out; the run's own corpus by default.
        split: The split of the corpus; ``test`` where there are splits, else all.
        task: Labelled images in place of a corpus, as in `evaluate`; those of its test are laid out.
        count: The most images; of more, a random sample is shown.
        seed: Of the sample and of t-SNE.
        perplexity: How many neighbours each image is held close to; at most a third of the images.
        out: The folder to write ``map.png`` and ``map.html`` into; by default ``map/<corpus>-<split>`` or
            ``map/<task>`` in the run folder.
        device: Where to compute the features.
        image: Of a table, the column of image files.
        label: Of a table, the column of labels.
        images: Of a table, the folder that its image files are relative to.
        names: Of a folder, a file with the names of its classes, as in `evaluate`.
        framing: How an image that is not square becomes one, for the network and on the map: ``crop``, its centre
            square; ``squash``, all of it scaled to a square; ``pad``, all of it with borders.

    Raises:
        InputError: When both task and corpus are given, openTSNE is not installed, or there are too few images.

    Examples:
        >>> import wordsight
        >>> found = wordsight.explain_map("runs/a", count=6, out="map")
        >>> from pathlib import Path
        >>> sorted(file.name for file in Path("map").iterdir())
        ['map.html', 'map.png']
    """
    from wordsight.evaluation import open_task
    from wordsight.explain.map import MapSettings, check_installed, draw_map, images_of_corpus, images_of_task

    run, settings = open_run(run), MapSettings(count, seed, perplexity)
    flags: dict[str, Any] = {"image": image, "label": label, "images": images, "names": names}
    if task is None and (without := [flag for flag, value in flags.items() if value is not None]):
        raise InputError(
            "says something of a task, and none is given", setting=without[0], mend=f"give {setting('task')} as well"
        )
    check_installed()
    if task is not None:
        if corpus is not None or split is not None:
            raise InputError("give either a task or a corpus with its split", where="wordsight explain map")
        opened = open_task(task, **flags)
        shown, name = images_of_task(opened, settings), opened.name
    else:
        opened_corpus = run.corpus() if corpus is None else open_corpus(corpus)
        split = split or opened_corpus.default_split("test")
        shown = images_of_corpus(opened_corpus, split, settings)
        name = f"{opened_corpus.name}-{split.replace(',', '+')}"
    model = evaluated_run(run, device, heads=False, framing=framing)
    return draw_map(model, shown, settings, Path(out or run.path / "map" / name))


def explain_photo(
    run: Run | Path | str,
    photo: Path | str,
    caption: str,
    *,
    out: Path | str | None = None,
    framing: Framing = "crop",
) -> Path:
    """Draw where a run looks in a photo for each word of a caption.

    Args:
        run: A run of an ICMLM objective, or its folder.
        photo: The photo's file.
        caption: A sentence about it.
        out: The picture to write; its ending (.png, .jpg, .svg, .pdf) names the format. By default a PNG in
            ``attention/`` in the run folder, named after the photo and the caption.
        framing: How a photo that is not square becomes one: ``crop``, its centre square; ``squash``, all of it scaled
            to a square; ``pad``, all of it with borders.

    Returns:
        The picture's file.

    Raises:
        InputError: When the run has no attention, the photo can't be read, or no word can be hidden.

    Examples:
        >>> import wordsight
        >>> picture = wordsight.explain_photo("runs/a", "photos/red-circle-0.png", "a red circle", out="looks.png")
        >>> picture.name
        'looks.png'
    """
    from wordsight.explain.photo.draw import explain_photo as draw

    return draw(open_run(run), Path(photo), caption, None if out is None else Path(out), framing)


def explain_words(
    run: Run | Path | str,
    words: Sequence[str] = (),
    *,
    most: int = 10,
    similarity: Path | str | None = None,
    dictionary: Path | str | None = None,
    concepts: str | None = None,
    centre: bool = True,
    images: int = 1000,
    corpus: Corpus | Path | str | None = None,
    out: Path | str | None = None,
    device: Literal["auto", "cpu", "cuda"] = "auto",
) -> WordReport:
    """Look at the output layer of a run's tag heads: the nearest words of a word, word similarity, two languages.

    Args:
        run: A run of tag prediction, or of ICMLM with a tag weight; or its folder.
        words: Words whose nearest words are wanted.
        most: How many nearest words.
        similarity: A list of two words and a score a line, for Spearman's rank correlation.
        dictionary: A list of a word and its translation a line, for precision@1 and @5 of the nearest words.
        concepts: The concept set to look at, by name; all by default.
        centre: Whether the mean of all rows is taken from each first.
        images: How many photos that the run learned from tell which directions of the rows count: those along which
            photos differ. 0 compares the rows as they are.
        corpus: The corpus that the run learned from, where that is not where it was.
        out: A JSON file for what was found.
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
