"""JSON of images and captions in other layouts than COCO's: lists of records, lists by class, captions by file, lines.

BLIP, RSTPReid, CUHK-PEDES, NWPU-Captions, RedCaps, Localized Narratives, ... differ in the names of their fields alone.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from wordsight.corpus.braces import matching
from wordsight.corpus.example import Example, Rejected
from wordsight.corpus.json_records import JsonRecords
from wordsight.corpus.readers.table import Table
from wordsight.corpus.splits import split_in
from wordsight.corpus.table_files import TablePath
from wordsight.errors import InputError

_ENDINGS = (".json", ".jsonl", ".ndjson")


@dataclass(frozen=True)
class Json:
    """JSON records of images and captions: a list, JSON Lines, lists by class or split, captions by file name.

    Fields are guessed where their names are plain; nested ones have dots ("image.file_name"). Records of one image are
    joined. A key above a list of records is their split (train, val, test), else their label; above a text, or a list
    of texts, it is the image. Names without an ending find their file. COCO's own layout is read by "coco".

    Args:
        path: The file, packed or not; or a folder of them, a pattern ("annotations/*.json") or a range.
        images: The folder that image names are relative to.
        image: The field of the image's name; guessed from its name (image, file_name, img_path, image_id, ...).
        caption: The field of the captions, or several with commas between them; guessed (caption, captions, raw and
            raw_1, sentences, ...).
        label: The field of labels; guessed from its name.
        id: The field that names the examples; by default the image's name does.
        split: The field of splits; by default "split", else the split that the file's own name means.
        language: The field of the captions' languages; by default "language" or "lang".
        records: The field that holds the records, where it can't be told ("data.images").
    """

    path: Path
    images: Path
    image: str | None = None
    caption: str | None = None
    label: str | None = None
    id: str | None = None
    split: str | None = None
    language: str | None = None
    records: str | None = None

    def __iter__(self) -> Iterator[Example | Rejected]:
        return iter(self._table)

    def __length_hint__(self) -> int:
        return self._table.__length_hint__()

    def sources(self) -> list[str]:
        """The file and the folder."""
        return [str(self.path), str(self.images)]

    def label_names(self) -> list[str]:
        """None declared: the labels of a corpus are those of its records."""
        return []

    @cached_property
    def _table(self) -> Table:
        return _Records(
            path=self.path,
            image=self.image,
            caption=self.caption,
            label=self.label,
            id=self.id,
            split=self.split,
            language=self.language,
            images=self.images,
            records=self.records,
        )


@dataclass(frozen=True)
class _Records(Table):
    """A table whose rows are records of JSON."""

    records: str | None = None

    def _opened(self, path: Path) -> JsonRecords:
        return JsonRecords(path, self.records)

    def _paths(self) -> list[TablePath]:
        (given,) = self._given
        if given.is_dir():
            files = sorted(each for each in given.rglob("*") if _bare(each.name) != each.name and each.name[0] != ".")
        else:
            files = [given] if given.is_file() else sorted(matching(given))
        if not files:
            raise InputError("no such file", where=given, expected="a JSON file, a folder of them, or a pattern")
        top = Path(os.path.commonpath([file.parent for file in files]))
        names = [_bare(file.relative_to(top).as_posix()) for file in files]
        return [
            TablePath(file, name, split_in(name.rpartition("/")[2])) for file, name in zip(files, names, strict=True)
        ]


def _bare(name: str) -> str:
    """A file's name without the endings of JSON and of packing."""
    for packing in ("", ".gz", ".bz2", ".xz", ".zip"):
        for ending in _ENDINGS:
            if name.lower().endswith(ending + packing):
                return name[: -len(ending + packing)]
    return name
