"""``coco-labels:FILE``: the objects of COCO's instances as labels, several an image."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from wordsight.corpus.example import Example, Rejected
from wordsight.corpus.instances import Instances
from wordsight.corpus.keys import Key, check_meeting, key_of
from wordsight.corpus.paths import inside
from wordsight.errors import InputError, listed, setting
from wordsight.evaluation.tasks.task import LabelledImages, labelled_from


@dataclass(frozen=True)
class CocoLabelsTask:
    """Which of COCO's 80 classes are in an image; one that is there as a crowd alone is to be ignored.

    An image without any object counts as one without any of the classes.

    Args:
        path: An instances file (``instances_val2017.json``), split by content where it names no splits; or the folder
            that COCO unpacks to, with ``annotations/``: then train is learned from and val is the test.
        images: The folder of the images; by default the one that belongs to the file (``val2017`` beside
            ``annotations``), else ``images`` beside it, else the file's own. With the folder, what holds ``train2017``
            and ``val2017``.
        test: An instances file of test images; the other one's are learned from then.
    """

    path: Path
    images: Path | None = None
    test: Path | None = None

    @property
    def name(self) -> str:
        """What results are filed under."""
        return self.path.resolve().name if self.path.is_dir() else self.path.stem

    def read(self) -> LabelledImages:
        """The labelled images."""
        parts = [_Instances(file, _images_of(file, self.images), split) for file, split in self._files()]
        names = list(parts[0].names.values())
        for other in parts[1:]:
            if list(other.names.values()) != names:
                raise InputError(f"has other classes than {parts[0].path}", where=other.path)
        items = (item for part in parts for item in part)
        return labelled_from(str(self.path), items, class_names=names, multilabel=True)

    def _files(self) -> list[tuple[Path, str]]:
        """The files, each with the split of its images; "" for the file's own."""
        if self.test is not None:
            return [(self.path, "train"), (self.test, "test")]
        if not self.path.is_dir():
            return [(self.path, "")]
        files = []
        for split in ("train", "val"):
            found = sorted((self.path / "annotations").glob(f"instances_{split}*.json"))
            if len(found) != 1:
                what = f"holds {listed(file.name for file in found)}" if found else f"no instances_{split}*.json"
                raise InputError(
                    what,
                    where=self.path / "annotations",
                    expected="one file of train and one of val",
                    mend=f"or name the files: coco-labels:TRAIN.json with {setting('test', 'VAL.json')}",
                )
            files.append((found[0], split))
        return files


def _images_of(file: Path, given: Path | None) -> Path:
    """The folder of a file's images."""
    part = re.fullmatch(r"instances_(\w+)", file.stem)
    above = [given] if given is not None else [file.parent.parent, file.parent.parent / "images"]
    of_part = [folder / part[1] for folder in above] if part is not None else []
    plain = [given] if given is not None else [file.parent / "images", file.parent]
    for folder in (*of_part, *plain):
        if folder.is_dir():
            return folder
    raise InputError("no such folder", where=given, expected="the folder of the images")


@dataclass(frozen=True)
class _Instances(Instances):
    """One instances file and the folder of its images."""

    images: Path
    split: str

    def __iter__(self) -> Iterator[Example | Rejected]:
        labels, crowds = self.objects
        met: dict[Key, None] = {}
        for number, entry in enumerate(self.content["images"], start=1):
            fields = entry if isinstance(entry, dict) else {}
            name, key = fields.get("file_name"), key_of(fields.get("id"))
            if not isinstance(name, str) or key is None:
                yield Rejected(f"image {number}", "example", "no file name or id", str(entry)[:200])
                continue
            file = inside(self.images, name)
            if file is None:
                yield Rejected(name, "image", "outside the folder", f"the name leads out of {self.images}")
                continue
            met[key] = None
            found = labels.get(key, {})
            crowded = tuple(each for each in crowds.get(key, {}) if each not in found)
            split = self.split or str(fields.get("split") or "")
            yield Example(name, file, labels=tuple(found), ignored_labels=crowded, split=split)
        check_meeting({**labels, **crowds}, met, "objects", self.path, self.path)
