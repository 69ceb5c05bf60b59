"""A folder of images: class folders as labels, files of the same name ending in ``.txt`` as captions."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from wordsight.corpus.example import Example, Rejected
from wordsight.corpus.image_formats import is_image_name
from wordsight.corpus.splits import split_of
from wordsight.errors import InputError


@dataclass(frozen=True)
class Folder:
    """A folder of images; class folders are labels, ``train/``, ``val/``, ``test/`` on top are splits.

    The captions of ``a.jpg`` stand in ``a.txt`` beside it, one a line.

    Args:
        path: The folder.
    """

    path: Path

    def __iter__(self) -> Iterator[Example | Rejected]:
        if not self.path.is_dir():
            raise InputError("no such folder", where=self.path, expected="a folder of images")
        for name in self._names():
            parts = PurePosixPath(name).parts
            split = split_of(parts[0]) if len(parts) > 1 else ""
            classes = parts[1 if split else 0 : -1]
            captions, rejected = self._captions(name)
            if rejected is not None:
                yield rejected
            yield Example(id=name, image=self.path / name, captions=captions, labels=classes[:1], split=split)

    def __length_hint__(self) -> int:
        return sum(1 for _ in self._names())

    def sources(self) -> list[str]:
        """The folder."""
        return [str(self.path)]

    def label_names(self) -> list[str]:
        """The class folders, those without images included."""
        top = _folders(self.path)
        classes = [name for name in top if not split_of(name)]
        for name in top:
            if split_of(name):
                classes += _folders(self.path / name)
        return sorted(set(classes))

    def _names(self) -> Iterator[str]:
        """Image files relative to the folder, in the order of their names; links are followed, but not in circles."""
        been: set[str] = set()
        for folder, inner, files in os.walk(self.path, followlinks=True):
            real = os.path.realpath(folder)
            inner[:] = sorted(name for name in inner if not name.startswith(".")) if real not in been else []
            if real in been:
                continue
            been.add(real)
            for name in sorted(files):
                if is_image_name(name) and not name.startswith("."):
                    yield Path(folder, name).relative_to(self.path).as_posix()

    def _captions(self, name: str) -> tuple[tuple[str, ...], Rejected | None]:
        text = (self.path / name).with_suffix(".txt")
        try:
            lines = text.read_text(encoding="utf-8-sig").splitlines()
        except FileNotFoundError:
            return (), None
        except UnicodeDecodeError as error:
            return (), Rejected(name, "caption", "not UTF-8", f"{text.name}: byte {error.start}")
        except OSError as error:
            return (), Rejected(name, "caption", "unreadable", f"{text.name}: {error.strerror or error}")
        return tuple(line for line in lines if line.strip()) or ("",), None


def _folders(path: Path) -> list[str]:
    if not path.is_dir():
        return []
    return sorted(each.name for each in path.iterdir() if each.is_dir() and not each.name.startswith("."))
