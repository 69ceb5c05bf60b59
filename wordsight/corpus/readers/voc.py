"""PASCAL VOC: ``JPEGImages/``, and for each class and split a list of images with 1, 0 (difficult) or -1."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

from wordsight.corpus.example import Example, Rejected
from wordsight.corpus.image_formats import is_image_name
from wordsight.errors import InputError

# An image may stand in several lists: in "train" and in "trainval" always. The first of these counts.
_SPLITS = ("test", "val", "train", "trainval")


@dataclass
class _Found:
    splits: set[str] = field(default_factory=set)
    labels: list[str] = field(default_factory=list)
    ignored: list[str] = field(default_factory=list)


@dataclass(frozen=True)
class Voc:
    """A PASCAL VOC folder: images with several labels each; 0 in a list is a class to ignore ("difficult").

    Args:
        path: The folder that holds ``JPEGImages`` (or ``images``) and ``ImageSets/Main``.
    """

    path: Path

    def __iter__(self) -> Iterator[Example | Rejected]:
        images = self._images
        files = {file.stem: file for file in sorted(images.iterdir()) if is_image_name(file.name)}
        for name, found in sorted(self._found.items()):
            yield Example(
                id=name,
                image=files.get(name, images / f"{Path(name).name}.jpg"),
                labels=tuple(dict.fromkeys(found.labels)),
                ignored_labels=tuple(dict.fromkeys(each for each in found.ignored if each not in found.labels)),
                split=next((split for split in _SPLITS if split in found.splits), ""),
            )

    def __length_hint__(self) -> int:
        return len(self._found)

    def sources(self) -> list[str]:
        """The folder."""
        return [str(self.path)]

    def label_names(self) -> list[str]:
        """Every class that has a list."""
        return sorted({label for label, _, _ in self._lists if label})

    @cached_property
    def _images(self) -> Path:
        for folder in (self.path / "JPEGImages", self.path / "images"):
            if folder.is_dir():
                return folder
        raise InputError("no folder JPEGImages", where=self.path, expected="a VOC folder such as VOCdevkit/VOC2007")

    @cached_property
    def _lists(self) -> list[tuple[str, str, Path]]:
        """Class, split and file of every list; the class is "" for a list of all images of a split."""
        folder = self._images.parent / "ImageSets" / "Main"
        lists = []
        for file in sorted(folder.glob("*.txt")):
            label, _, split = file.stem.rpartition("_")
            if split in _SPLITS:
                lists.append((label, split, file))
        if not any(label for label, _, _ in lists):
            expected = "files such as cat_trainval.txt, cat_test.txt"
            raise InputError("no lists of a class", where=folder, expected=expected)
        return lists

    @cached_property
    def _found(self) -> dict[str, _Found]:
        images: dict[str, _Found] = defaultdict(_Found)
        for label, split, file in self._lists:
            for number, line in enumerate(_lines(file), start=1):
                fields = line.split()
                if not fields:
                    continue
                if len(fields) != (2 if label else 1) or (label and fields[1] not in ("1", "0", "-1")):
                    expected = "an image's name and 1, 0 or -1" if label else "an image's name"
                    raise InputError(f"line {number} is {line!r}", where=file, expected=expected)
                found = images[fields[0]]
                found.splits.add(split)
                if label and fields[1] == "1":
                    found.labels.append(label)
                elif label and fields[1] == "0":
                    found.ignored.append(label)
        return dict(images)


def _lines(file: Path) -> list[str]:
    try:
        return file.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(f"can't be read ({error})", where=file) from error
