"""``--labels FILE``: the labels of any source, in a table by the names of its image files."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from operator import length_hint
from pathlib import Path, PurePosixPath
from typing import Any

from wordsight.corpus import cells
from wordsight.corpus.columns import told_column
from wordsight.corpus.example import CountsUnread, Example, Reader, Rejected
from wordsight.corpus.image_formats import is_image_name
from wordsight.corpus.readers.coco import Coco
from wordsight.corpus.tabular import Row, TableFile
from wordsight.errors import InputError, listed

_EXPECTED = "columns named image and label (and split, where there are splits)"


@dataclass(frozen=True)
class _Labels:
    name: str
    labels: tuple[str, ...]
    split: str


class LabelsFile:
    """A CSV, TSV, JSONL or Parquet table with a column of image files and one of labels; perhaps one of splits.

    Images are found by the names that the table has for them: with their folders, or without where no two have the
    same; with their endings or without.

    Args:
        path: The table.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._used: dict[str, str] = {}
        self._first = ""

    def of(self, *names: str) -> _Labels | None:
        """The labels of an image; ``None`` where the table has none.

        Args:
            names: What the image is called, the name that counts first.

        Raises:
            InputError: When it can't be told which image a name of the table is of.
        """
        self._first = self._first or names[0]
        found: list[_Labels] = []
        for name in names:
            found = [row for row in self._by_stem.get(_stem(name), ()) if _is_same(row.name, name)] or found
            if len(found) == 1:
                break
        if not found:
            return None
        if len(found) > 1:
            raise InputError(
                f"{names[0]} may be {found[0].name} or {found[1].name}", where=self.path, expected="names that differ"
            )
        if self._used.setdefault(found[0].name, names[0]) != names[0]:
            what = f"{found[0].name} may be {self._used[found[0].name]} or {names[0]}"
            raise InputError(what, where=self.path, expected="names with their folders")
        return found[0]

    def check(self) -> None:
        """Refuse a table of other images, after all of them were asked for.

        Raises:
            InputError: When none of its names was found.
        """
        if self._rows and not self._used and self._first:
            what = f"none of its {len(self._rows):,} images is in the source (the first is {next(iter(self._rows))})"
            raise InputError(what, where=self.path, expected=f"names such as {self._first}")

    def without_image(self) -> Iterator[Rejected]:
        """The rows of images that nobody asked for."""
        for name in self._rows:
            if name not in self._used:
                yield Rejected(name, "label", "no such image", f"it stands in {self.path}")

    def label_names(self) -> list[str]:
        """Every label of the table."""
        return sorted({label for row in self._rows.values() for label in row.labels})

    @cached_property
    def _rows(self) -> dict[str, _Labels]:
        """What the table says of each image; rows of one image are joined."""
        file = TableFile(self.path)
        image, label, split = self._columns(file)
        classes = file.class_names(label)
        found: dict[str, _Labels] = {}
        for row in file.rows([each for each in (image, label, split) if each]):
            if isinstance(row, Rejected):
                raise InputError(f"{row.id} is broken ({row.detail})", where=self.path, expected=_EXPECTED)
            name = _plain(row.cells[image])
            if not name:
                raise InputError(f"{row.name} names no image", where=self.path, expected=_EXPECTED)
            found[name] = self._joined(found.get(name), name, row, cells.labels(row.cells[label], classes), split)
        return found

    def _joined(
        self, earlier: _Labels | None, name: str, row: Row, read: cells.CellTexts, split: str | None
    ) -> _Labels:
        if read.refused:
            raise InputError(
                f"{row.name}: the label is not text ({read.refused[0]})", where=self.path, expected=_EXPECTED
            )
        labels = read.found
        cell = row.cells[split] if split else None
        own = "" if cells.is_empty(cell) else str(cell).strip()
        if earlier is None:
            return _Labels(name, labels, own)
        if own and earlier.split and own != earlier.split:
            what = f"{name} has rows of the splits {earlier.split} and {own} ({row.name})"
            raise InputError(what, where=self.path, expected="each image in one split")
        return _Labels(name, tuple(dict.fromkeys((*earlier.labels, *labels))), earlier.split or own)

    def _columns(self, file: TableFile) -> tuple[str, str, str | None]:
        """The columns of images, labels and splits."""
        names = file.columns
        if not file.has_names:
            what = f"its first line names no columns: {listed(file.text.first)}"
            raise InputError(what, where=self.path, expected=f"a first line with {_EXPECTED}")
        split = told_column(file, "split")
        others = [name for name in names if name != split]
        label, image = told_column(file, "label"), told_column(file, "image")
        if image is None:
            plain = [name for name in others if name.strip().lower() in ("id", "key", "name")]
            image = plain[0] if len(plain) == 1 else None
        # Of two columns that say nothing, or of which one is told, the other is the other.
        if len(others) == 2:
            image = image or next(name for name in others if name != label)
            label = label or next(name for name in others if name != image)
        if image is None or label is None:
            raise InputError(f"has the columns {listed(names)}", where=self.path, expected=_EXPECTED)
        return image, label, split

    @cached_property
    def _by_stem(self) -> dict[str, list[_Labels]]:
        found: dict[str, list[_Labels]] = defaultdict(list)
        for row in self._rows.values():
            found[_stem(row.name)].append(row)
        return found


@dataclass(frozen=True)
class WithLabels:
    """A source whose labels stand in a table: they take the place of its own.

    Args:
        reader: The source.
        labels: The table, as :class:`LabelsFile` reads it; a column of splits counts where a row has one.
    """

    reader: Reader
    labels: Path

    def __iter__(self) -> Iterator[Example | Rejected]:
        for item in self.reader:
            if isinstance(item, Rejected):
                yield item
                continue
            names = [item.id, *([item.image.as_posix()] if isinstance(item.image, Path) else [])]
            found = self._file.of(*names)
            if found is None:
                self._without.append(item.id)
                yield replace(item, labels=(), ignored_labels=())
            else:
                yield replace(item, labels=found.labels, ignored_labels=(), split=found.split or item.split)
        self._file.check()
        yield from self._file.without_image()

    def __length_hint__(self) -> int:
        return length_hint(self.reader, 0)

    def sources(self) -> list[str]:
        """Those of the source, and the table."""
        return [*self.reader.sources(), str(self.labels)]

    def label_names(self) -> list[str]:
        """Those of the table."""
        return self._file.label_names()

    def unread(self) -> Mapping[str, int]:
        """What the source does not read, and how many images have no row in the table."""
        unread = dict(self.reader.unread()) if isinstance(self.reader, CountsUnread) else {}
        return unread | ({f"images not in {self.labels.name}": len(self._without)} if self._without else {})

    @cached_property
    def _file(self) -> LabelsFile:
        return LabelsFile(self.labels)

    @cached_property
    def _without(self) -> list[str]:
        return []


def with_labels(reader: Reader, labels: Path | str | None) -> Reader:
    """A source with the labels of a table; COCO's captions name one in the place of an instances file too.

    Args:
        reader: The source.
        labels: The table; ``None`` for the source's own labels.
    """
    if isinstance(reader, Coco) and reader.labels is not None and ".json" not in reader.labels.suffixes:
        reader, labels = replace(reader, labels=None), labels or reader.labels
    return reader if labels is None else WithLabels(reader, Path(labels))


def _plain(cell: Any) -> str:
    name = str(cell) if isinstance(cell, int) else cells.image(cell)
    return name.replace("\\", "/").removeprefix("./") if isinstance(name, str) else ""


def _stem(name: str) -> str:
    """A name without its folder and its ending."""
    plain = PurePosixPath(_plain(name))
    return plain.stem if is_image_name(plain.name) else plain.name


def _is_same(one: str, other: str) -> bool:
    """Whether two names may be of one image: either may lack the folders before it, and its ending."""
    parts = [list(reversed(PurePosixPath(_plain(name)).parts)) for name in (one, other)]
    if not all(is_image_name(names[0]) for names in parts):
        parts = [[_stem(names[0]), *names[1:]] for names in parts]
    return all(mine == its for mine, its in zip(*parts, strict=False))
