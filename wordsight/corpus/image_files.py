"""Finds an image's file by the name that a table or a JSON file gives it, also without an ending.

Many lists name their images by an id alone: ROCO, RedCaps, Localized Narratives.
"""

from __future__ import annotations

import os
import re
from collections import defaultdict
from collections.abc import Iterator
from functools import cached_property
from pathlib import Path, PurePosixPath

from wordsight.corpus.example import Rejected
from wordsight.corpus.image_formats import is_image_name
from wordsight.corpus.paths import inside, walk
from wordsight.errors import listed

# COCO's files are its images' ids: 139 is 000000000139.jpg, or COCO_val2014_000000000139.jpg.
_NUMBERED = re.compile(r"(?:COCO_[a-z]+\d+_)?0*(\d{1,18})", re.ASCII)


class ImageFiles:
    """The image files of a folder, by the names that others give them.

    A file of exactly that name counts first. Else the name is taken for one without its ending (``ROCO_00001`` is
    ``ROCO_00001.jpg``) or for a number without its zeros; one that names no folder is looked for in the folders below
    too, where exactly one file must have it. The folders are listed when that is needed first, and once.

    Args:
        folder: The folder that names are relative to.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def find(self, name: str) -> Path | Rejected:
        """The file of a name; where there is none, the path at which it should be.

        Args:
            name: As the list has it, relative to the folder.

        Returns:
            The file, or why there can't be one: a name that leads out of the folder, or that several files have.
        """
        path = inside(self.folder, name)
        if path is None:
            return Rejected(name, "image", "outside the folder", f"the name leads out of {self.folder}")
        if os.path.isfile(path):  # noqa: PTH113  # pathlib's raises where a name is too long to be one
            return path
        first, slash, rest = name.removeprefix("./").partition("/")
        if slash and first == self.folder.resolve().name and not (self.folder / first).is_dir():
            # The list names the folder too that was given: "images/a.jpg" in images/.
            return self.find(rest)
        inner, _, last = name.rpartition("/")
        found = self._named(last)
        there = [file for file in found if PurePosixPath(file).parent == PurePosixPath(inner)]
        found = there if there or inner else found
        if len(found) > 1:
            return Rejected(name, "image", "several files of that name", listed(found))
        return self.folder / found[0] if found else path

    def _named(self, name: str) -> list[str]:
        """Files, relative to the folder, of a name that has no folder: itself, without its ending, or as a number."""
        if is_image_name(name):
            return self._by_name.get(name, [])
        number = _number(name)
        return self._by_stem.get(name) or ([] if number is None else self._by_number.get(number, []))

    @cached_property
    def _files(self) -> list[str]:
        return sorted(_images_below(self.folder))

    @cached_property
    def _by_name(self) -> dict[str, list[str]]:
        found = defaultdict(list)
        for file in self._files:
            found[file.rpartition("/")[2]].append(file)
        return dict(found)

    @cached_property
    def _by_stem(self) -> dict[str, list[str]]:
        found = defaultdict(list)
        for file in self._files:
            found[_stem(file)].append(file)
        return dict(found)

    @cached_property
    def _by_number(self) -> dict[int, list[str]]:
        found = defaultdict(list)
        for file in self._files:
            if (number := _number(_stem(file))) is not None:
                found[number].append(file)
        return dict(found)


def _images_below(folder: Path) -> Iterator[str]:
    """The image files of a folder and those in it, relative to it; links are followed, but not in circles."""
    for above, files in walk(folder, lambda name: not name.startswith(".")):
        prefix = "" if above == "." else f"{above}/"
        yield from (prefix + file for file in files if is_image_name(file))


def _stem(file: str) -> str:
    return file.rpartition("/")[2].rpartition(".")[0]


def _number(name: str) -> int | None:
    found = _NUMBERED.fullmatch(name)
    return int(found[1]) if found else None
