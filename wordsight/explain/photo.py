"""``explain photo``: one picture that shows, for each word of a caption, where a run looks for it in a photo."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from wordsight.errors import InputError, unknown
from wordsight.explain.attention import AttentionMaps, PhotoAttention
from wordsight.explain.figure import draw
from wordsight.vision.preprocessing import Framing

if TYPE_CHECKING:
    from wordsight.training.run import Run

FORMATS = (".png", ".jpg", ".svg", ".pdf")


def photo_attention(run: Run, photo: Path, caption: str, framing: Framing = "crop") -> PhotoAttention:
    """Where a run looks for each word of a caption, as arrays.

    Args:
        run: A run of an ICMLM objective.
        photo: The photo's file.
        caption: What is said about it, in a sentence.
        framing: How a photo that is not square becomes one: its centre square, all of it squashed, or padded.

    Returns:
        The photo as the network sees it and, for each word that can be hidden, the attention and the likeliest words.

    Raises:
        InputError: When the run has no attention, the photo can't be read, or no word can be hidden.
    """
    return AttentionMaps(run, framing).of_photo(Path(photo), caption)


def explain_photo(run: Run, photo: Path, caption: str, out: Path, framing: Framing = "crop") -> Path:
    """Draw where a run looks for each word of a caption.

    Args:
        run: A run of an ICMLM objective.
        photo: The photo's file.
        caption: What is said about it, in a sentence.
        out: The picture to write; its ending names the format.
        framing: As in :func:`photo_attention`.

    Returns:
        The file that was written.

    Raises:
        InputError: As :func:`photo_attention`, and when the ending names no format.
    """
    out = Path(out)
    if out.suffix.lower() not in FORMATS:
        raise unknown("picture format", out.suffix, FORMATS, where=out)
    if out.is_dir():
        raise InputError("is a folder", where=out, expected="a file to write")
    return draw(photo_attention(run, photo, caption, framing), out)
