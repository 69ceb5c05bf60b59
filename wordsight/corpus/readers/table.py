"""A table with a column of image files: CSV, TSV, JSONL or Parquet."""

from __future__ import annotations

import hashlib
from array import array
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from wordsight.corpus import cells
from wordsight.corpus.example import Example, Rejected
from wordsight.corpus.paths import inside
from wordsight.corpus.tabular import Row, TableFile
from wordsight.errors import InputError, unknown

Role = Literal["image", "caption", "label", "split"]
# A column with the first name of its role is it; otherwise the only one with any of the others.
_NAMES: dict[Role, tuple[str, ...]] = {
    "image": (
        "image", "image_path", "image_file", "image_name", "img", "img_path", "file_name", "filename", "file",
        "filepath", "file_path", "path", "photo", "picture",
    ),
    "caption": (
        "caption", "captions", "text", "title", "sentence", "sentences", "description", "raw", "alt", "alt_text",
    ),
    "label": ("label", "labels", "class", "category", "categories", "tag", "tags"),
    "split": ("split",),
}  # fmt: skip


@dataclass(frozen=True)
class Table:
    """A CSV, TSV, JSONL or Parquet table with a column of image files; columns are guessed where their names are plain.

    Rows of the same image are joined. A cell may hold a list (JSON in CSV and TSV); labels may be ``a|b|c``.

    Args:
        path: The table.
        image: The column of image files (or, in Parquet, of image bytes); where not given, told by its name.
        caption: The column of captions; where not given, told by its name.
        label: The column of labels; where not given, told by its name.
        id: The column that names the examples; where not given, the image file does.
        split: The column of splits; where not given, the one named "split".
        images: The folder that the image files are in; where not given, that of the table.
        encoding: Of CSV, TSV and JSONL.
        quotes: Whether double quotes in CSV and TSV hold a cell together.
    """

    path: Path
    image: str | None = None
    caption: str | None = None
    label: str | None = None
    id: str | None = None
    split: str | None = None
    images: Path | None = None
    encoding: str = "utf-8-sig"
    quotes: bool = True

    def __iter__(self) -> Iterator[Example | Rejected]:
        if self.images is not None and not self.images.is_dir():
            raise InputError("no such folder", where=self.images, expected="the folder of the images")
        keys, counts = self._keys
        left = counts.copy()
        unfinished: dict[str, list[Row]] = {}
        for row in self._rows():
            if isinstance(row, Rejected):
                yield row
                continue
            image = cells.image(row.cells[self.columns["image"]])
            if image is None:
                yield Rejected(row.name, "example", "no file name", "the cell of the image is empty or no name")
            elif isinstance(image, bytes):
                yield self._example([row], row.name, image)
            else:
                # An image's rows need not follow each other: it is complete when the last of them has come.
                unfinished.setdefault(image, []).append(row)
                k = int(np.searchsorted(keys, np.uint64(_key(image))))
                if k < len(keys):
                    left[k] -= 1
                    if left[k] == 0:
                        yield self._named(image, unfinished.pop(image))
        for image, rows in unfinished.items():
            yield self._named(image, rows)

    def __length_hint__(self) -> int:
        return len(self._keys[0])

    def sources(self) -> list[str]:
        """The table, and the folder of the images where it was given."""
        return [str(self.path)] + ([str(self.images)] if self.images is not None else [])

    def label_names(self) -> list[str]:
        """None declared: the labels of a corpus are those of its rows."""
        return []

    @cached_property
    def columns(self) -> dict[str, str]:
        """Which column plays which role.

        Raises:
            InputError: When a column that was named is absent, or one that is needed can't be told.
        """
        file = TableFile(self.path, self.encoding, self.quotes)
        roles: dict[str, str] = {}
        if self.id is not None:
            roles["id"] = _named_column(self.id, "id", file)
        roles["image"] = _named_column(self.image, "image", file) if self.image else _guess("image", file) or ""
        if not roles["image"]:
            raise _not_obvious("the image", "--image", file)
        given: dict[Role, str | None] = {"caption": self.caption, "label": self.label, "split": self.split}
        for role, name in given.items():
            found = _named_column(name, role, file) if name else _guess(role, file)
            if found is not None:
                roles[role] = found
        if "caption" not in roles and "label" not in roles:
            raise _not_obvious("the caption or the label", "--caption or --label", file)
        return roles

    def _rows(self) -> Iterator[Row | Rejected]:
        file = TableFile(self.path, self.encoding, self.quotes)
        return file.rows(list(dict.fromkeys(self.columns.values())))

    @cached_property
    def _keys(self) -> tuple[NDArray[np.uint64], NDArray[np.int64]]:
        """A short hash of every image file, ascending, and in how many rows it stands: 16 bytes an image in memory."""
        keys = array("Q")
        column = self.columns["image"]
        file = TableFile(self.path, self.encoding, self.quotes)
        # A column of images themselves is not read twice: its rows stand alone.
        for row in () if file.holds_bytes(column) else file.rows([column]):
            if isinstance(row, Row) and isinstance(image := cells.image(row.cells[column]), str):
                keys.append(_key(image))
        return np.unique(np.frombuffer(keys, dtype=np.uint64), return_counts=True)

    def _named(self, image: str, rows: list[Row]) -> Example | Rejected:
        if "://" in image[:12]:
            return Rejected(image, "image", "web address", "download the images first, for instance with img2dataset")
        if self.images is None and Path(image).is_absolute() and ".." not in Path(image).parts:
            return self._example(rows, image, Path(image))
        folder = self.path.parent if self.images is None else self.images
        path = inside(folder, image)
        if path is None:
            return Rejected(image, "image", "outside the folder", f"the name leads out of {folder}")
        return self._example(rows, image, path)

    def _example(self, rows: Sequence[Row], name: str, image: Path | bytes) -> Example:
        def first(role: str) -> str:
            found = (row.cells[self.columns[role]] for row in rows) if role in self.columns else ()
            return next((str(cell) for cell in found if not cells.is_empty(cell)), "")

        captions = [text for row in rows for text in self._cell(row, "caption")]
        labels = dict.fromkeys(label for row in rows for label in self._cell(row, "label"))
        return Example(
            id=first("id") or name, image=image, captions=tuple(captions), labels=tuple(labels), split=first("split")
        )

    def _cell(self, row: Row, role: Literal["caption", "label"]) -> tuple[str, ...]:
        if role not in self.columns:
            return ()
        cell: Any = row.cells[self.columns[role]]
        return cells.texts(cell) if role == "caption" else cells.labels(cell)


def _key(image: str) -> int:
    return int.from_bytes(hashlib.blake2b(image.encode("utf-8", "surrogatepass"), digest_size=8).digest(), "little")


def _named_column(name: str, role: str, file: TableFile) -> str:
    if name not in file.columns:
        raise unknown(f"{role} column", name, file.columns, where=file.path)
    return name


def _guess(role: Role, file: TableFile) -> str | None:
    names = _NAMES[role]
    by_name = {column.strip().lower(): column for column in reversed(file.columns)}
    if names[0] in by_name:
        return by_name[names[0]]
    found = [by_name[name] for name in names[1:] if name in by_name]
    if len(found) > 1:
        what = f"the columns {' and '.join(found)} could each be the {role}"
        raise InputError(what, where=file.path, mend=f"name one: --{role} COLUMN")
    return found[0] if found else None


def _not_obvious(what: str, flag: str, file: TableFile) -> InputError:
    listed = ", ".join(name[:60] for name in file.columns[:40])
    found = f"no column is plainly {what}; its columns: {listed}"
    return InputError(found, where=file.path, mend=f"name it: {flag} COLUMN")
