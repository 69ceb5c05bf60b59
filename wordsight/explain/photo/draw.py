"""``explain photo``: one picture that shows, for each word of a caption, where a run finds it in a photo."""

from __future__ import annotations

import hashlib
import re
from pathlib import Path
from typing import TYPE_CHECKING

from wordsight.errors import InputError, unknown
from wordsight.explain.photo.attention import AttentionMaps, PhotoAttention, chosen_map
from wordsight.explain.photo.figure import draw, notes
from wordsight.progress import console
from wordsight.vision.preprocessing import Framing

if TYPE_CHECKING:
    from wordsight.training.run import Run

FORMATS = (".png", ".jpg", ".svg", ".pdf")
# Bytes of the photo's name and of the caption's words in the name of a picture.
_NAME, _WORDS = 60, 60


def photo_attention(
    run: Run, photo: Path, caption: str | None, framing: Framing = "crop", map: str = ""
) -> PhotoAttention:
    """Where a run finds each word of a caption, as arrays.

    Args:
        run: A run whose objective knows words.
        photo: The photo's file.
        caption: What is said about it, in a sentence; None for what the run itself has to say of it.
        framing: How a photo that is not square becomes one: its centre square, all of it squashed, or padded.
        map: The kind of map, one of `wordsight.objectives.maps.MAPS`; "" for the first that the run has.

    Returns:
        The photo as the network sees it and, for each word that there is a map of, the map.

    Raises:
        InputError: When the run has no map, the photo can't be read, or no word can be asked about.
    """
    return AttentionMaps(run, framing, chosen_map(run, caption, map)).of_photo(Path(photo), caption)


def picture_name(photo: Path, caption: str, framing: Framing = "crop", map: str = "") -> str:
    """Name of the picture that is drawn of a photo and a caption: no other photo, caption, framing or map has the same.

    Args:
        photo: The photo's file, which can be read.
        caption: What is said about it.
        framing: How the photo becomes a square.
        map: The kind of map that was asked for.
    """
    content = hashlib.sha256(photo.read_bytes() + b"\0" + caption.encode()).hexdigest()[:8]
    framed = "" if framing == "crop" else f"-{framing}"
    words = "-".join(re.findall(r"\w+", caption.lower()))
    kind = f"-{map}" if map else ""
    return f"{_begun(photo.stem, _NAME)}-{_begun(words, _WORDS)}-{content}{framed}{kind}.png"


def _begun(text: str, most_bytes: int) -> str:
    """The beginning of a text: names of files may have 255 bytes."""
    return text.encode()[:most_bytes].decode(errors="ignore").rstrip("-")


def explain_photo(
    run: Run, photo: Path, caption: str | None, out: Path | None = None, framing: Framing = "crop", map: str = ""
) -> Path:
    """Draw where a run finds each word of a caption.

    What is left out of the picture, and maps that tell nothing of the words, is said on standard error and in the
    picture.

    Args:
        run: A run whose objective knows words.
        photo: The photo's file.
        caption: What is said about it, in a sentence; None for what the run itself has to say of it.
        out: The picture to write; its ending names the format. By default a PNG in ``attention/`` in the run folder,
            named after the photo and the caption.
        framing: As in :func:`photo_attention`.
        map: As in :func:`photo_attention`.

    Returns:
        The file that was written.

    Raises:
        InputError: As :func:`photo_attention`, and when the ending names no format.
    """
    photo = Path(photo)
    if out is not None:
        _check(out)
    seen = photo_attention(run, photo, caption, framing, map)
    said = notes(seen)
    if out is None:
        # The same name is the same photo, caption, framing and map: what is replaced is the picture of the same.
        out = run.path / "attention" / picture_name(photo, seen.caption, framing, map)
    elif out.exists():
        said.append(f"{out} was there before and is replaced")
    file = draw(seen, out)
    for note in said:
        console.print(f"note: {note}", markup=False, soft_wrap=True)
    return file


def _check(out: Path) -> None:
    """Raise where no picture can be written."""
    if out.suffix.lower() not in FORMATS:
        raise unknown("picture format", out.suffix, FORMATS, where=out)
    if out.is_dir():
        raise InputError("is a folder", where=out, expected="a file to write")
