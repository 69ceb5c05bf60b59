"""The verb `caption`: what a run says of photos."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from wordsight.api.pretrain import open_run
from wordsight.api.run_model import evaluated_run
from wordsight.atomic import atomic_file
from wordsight.corpus.image_formats import is_image_name
from wordsight.corpus.paths import files_below
from wordsight.errors import InputError, settled
from wordsight.ranges import AtLeastOne, LengthPower
from wordsight.spreadsheet import SpreadsheetWriter
from wordsight.vision.preprocessing import Framing

# What computes with torch is imported by the verb that needs it.
if TYPE_CHECKING:
    from wordsight.evaluation.models.evaluated_model import EvaluatedModel
    from wordsight.heads.caption_search import CaptionSearch
    from wordsight.objectives import WrittenCaption
    from wordsight.training.run import Run

_ENDINGS = (".csv", ".jsonl")


@dataclass(frozen=True)
class CaptionedPhoto:
    """A photo and what a run says of it.

    Args:
        image: The photo's file, relative to the folder that was given, or as it was given.
        caption: The caption.
        log_probability: How likely the run holds it: the natural logarithm, over the whole caption.
    """

    image: str
    caption: str
    log_probability: float


def caption(
    run: Run | Path | str,
    photos: Path | str | Sequence[Path | str],
    *,
    out: Path | str | None = None,
    beams: AtLeastOne = 5,
    length_power: LengthPower = 1.0,
    framing: Framing = "crop",
    device: Literal["auto", "cpu", "cuda"] = "auto",
) -> list[CaptionedPhoto]:
    """Write a caption for each photo.

    Args:
        run: The run folder, of an objective that writes captions (captioning, coca).
        photos: A photo, or a folder with photos in it and in folders in it; with blanks between them also several.
        out: A .csv or .jsonl file to write them to; a table of this kind can be read as a corpus.
        beams: Captions of each photo that the search goes on with; 1 takes the likeliest token each time.
        length_power: A caption's log-probability is divided by its number of tokens to this power: 0 for the sum, which
            favours short captions, 1 for the mean of a token.
        framing: How a photo that is not square becomes one: crop, its centre square; squash, all of it scaled to a
            square; pad, all of it with borders.
        device: Where to compute.

    Raises:
        InputError: When the run writes no captions, or there is no photo.
        SomeFailedError: When some photos can't be read; the others have captions.

    Examples:
        >>> import wordsight
        >>> given = {"epochs": 1, "batch_size": 6, "image_size": 32}
        >>> run = wordsight.pretrain("captioning-resnet18-small", corpus="corpora/photos", out="runs/says", **given)
        >>> captions = wordsight.caption(run, "photos", out="captions.csv")
        >>> len(captions), captions[0].image
        (24, 'blue-circle-0.png')
    """
    from wordsight.heads.caption_search import CaptionSearch

    if out is not None and Path(out).suffix.lower() not in _ENDINGS:
        raise InputError("is neither a .csv nor a .jsonl file", where=Path(out), setting="out", expected="captions.csv")
    given = [photos] if isinstance(photos, str | Path) else list(photos)
    found = dict(_photos(map(Path, given)))
    if not found:
        raise InputError(
            "there is no photo", where=", ".join(map(str, given)) or None, expected="JPEG or PNG files, or a folder"
        )
    model = evaluated_run(open_run(run), device, heads=True, framing=framing)
    written, failures = _written(model, found, CaptionSearch(beams, length_power))
    captions = [CaptionedPhoto(name, one.text, round(one.log_probability, 4)) for name, one in written.items()]
    if out is not None:
        _write(Path(out), captions)
    return settled(captions, failures)


def _written(
    model: EvaluatedModel, photos: Mapping[str, Path], search: CaptionSearch
) -> tuple[dict[str, WrittenCaption], list[InputError]]:
    """The captions of all photos that can be read, and what is wrong with the others."""
    from wordsight.evaluation.predictions.written_captions import (
        captioning_objective,
        unreadable_images,
        write_captions,
    )

    captioning_objective(model)
    failures: dict[str, InputError] = {}
    try:
        written = write_captions(model, list(photos.values()), search)
    except InputError:
        # Which of them? All are decoded once more, as this is rare.
        failures = unreadable_images(photos)
        if not failures:
            raise
        photos = {name: file for name, file in photos.items() if name not in failures}
        written = write_captions(model, list(photos.values()), search)
    return dict(zip(photos, written, strict=True)), list(failures.values())


def _photos(given: Iterable[Path]) -> Iterator[tuple[str, Path]]:
    """The photos that paths stand for, by what they are called."""
    several = list(given)
    for path in several:
        if path.is_dir():
            base = path if len(several) == 1 else Path()
            for file in files_below(path):
                if is_image_name(file.name):
                    yield file.relative_to(base).as_posix() if len(several) == 1 else str(file), file
        elif path.is_file():
            yield str(path), path
        else:
            raise InputError("no such file or folder", where=path, expected="a photo or a folder")


def _write(file: Path, captions: Sequence[CaptionedPhoto]) -> None:
    with atomic_file(file) as beside, beside.open("w", encoding="utf-8", newline="") as stream:
        if file.suffix.lower() == ".jsonl":
            stream.writelines(json.dumps(asdict(each), ensure_ascii=False) + "\n" for each in captions)
            return
        writer = SpreadsheetWriter(stream)
        writer.write(["image", "caption", "log_probability"])
        for each in captions:
            writer.write([each.image, each.caption, each.log_probability])
