"""Where a table's images are: beside it, or in a folder of images beside it."""

from __future__ import annotations

from pathlib import Path

from wordsight.corpus.paths import inside
from wordsight.errors import InputError

_FOLDERS = ("images", "JPEGImages", "photos")


def images_beside(table: Path, given: Path | None, name: str | None) -> Path:
    """The folder that a table's image files are relative to.

    Args:
        table: The table.
        given: The folder that a person named, where they did.
        name: An image file that stands in the table.

    Raises:
        InputError: When the folder that was named is not there.
    """
    if given is not None:
        if not given.is_dir():
            raise InputError("no such folder", where=given, expected="the folder of the images")
        return given
    for folder in (table.parent, *(table.parent / each for each in _FOLDERS)):
        file = inside(folder, name or "")
        if file is not None and file.is_file():
            return folder
    return table.parent
