"""A table with a column of image files: CSV, TSV, JSONL or Parquet."""

from __future__ import annotations

import hashlib
from array import array
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from wordsight.corpus import cells
from wordsight.corpus.columns import Role, named_column, not_told, told_column
from wordsight.corpus.duplicates import another_article
from wordsight.corpus.example import Example, Rejected, Spoken
from wordsight.corpus.paths import inside
from wordsight.corpus.tabular import Row, TableFile
from wordsight.errors import InputError, listed

# An "article" in a shop's table is a thing it sells: that column is taken for a text only when it is named.
_TOLD: tuple[Role, ...] = ("image", "caption", "label", "split", "language")


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
        language: The column of the captions' languages; where not given, the one named "language" or "lang".
        article: The column of articles, the longer texts that images stand in.
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
    language: str | None = None
    article: str | None = None
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
                yield from self._example([row], row.name, image)
            else:
                # An image's rows need not follow each other: it is complete when the last of them has come.
                unfinished.setdefault(image, []).append(row)
                k = int(np.searchsorted(keys, np.uint64(_key(image))))
                if k < len(keys):
                    left[k] -= 1
                    if left[k] == 0:
                        yield from self._named(image, unfinished.pop(image))
        for image, rows in unfinished.items():
            yield from self._named(image, rows)

    def __length_hint__(self) -> int:
        return len(self._keys[0])

    def sources(self) -> list[str]:
        """The table, and the folder of the images where it was given."""
        return [str(self.path)] + ([str(self.images)] if self.images is not None else [])

    def label_names(self) -> list[str]:
        """None declared: the labels of a corpus are those of its rows."""
        return []

    @cached_property
    def columns(self) -> dict[Role, str]:
        """Which column plays which role.

        Raises:
            InputError: When a column that was named is absent, or one that is needed can't be told.
        """
        file = TableFile(self.path, self.encoding, self.quotes)
        roles: dict[Role, str] = {}
        given: dict[Role, str | None] = {
            "image": self.image,
            "caption": self.caption,
            "label": self.label,
            "split": self.split,
            "language": self.language,
            "article": self.article,
            "id": self.id,
        }
        for role, name in given.items():
            found = named_column(file, role, name) if name else told_column(file, role) if role in _TOLD else None
            if found is not None:
                roles[role] = found
        if "image" not in roles:
            raise not_told(file, "the image", "--image")
        if not roles.keys() & {"caption", "label", "article"}:
            raise not_told(file, "the caption or the label", "--caption or --label")
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

    def _named(self, image: str, rows: list[Row]) -> Iterator[Example | Rejected]:
        if "://" in image[:12]:
            yield Rejected(image, "image", "web address", "download the images first, for instance with img2dataset")
            return
        if self.images is None and Path(image).is_absolute() and ".." not in Path(image).parts:
            yield from self._example(rows, image, Path(image))
            return
        folder = self.path.parent if self.images is None else self.images
        path = inside(folder, image)
        if path is None:
            yield Rejected(image, "image", "outside the folder", f"the name leads out of {folder}")
            return
        yield from self._example(rows, image, path)

    def _example(self, rows: Sequence[Row], name: str, image: Path | bytes) -> Iterator[Example | Rejected]:
        def of_each(role: Role) -> Iterator[Any]:
            """The cells of a column, one a row."""
            return (row.cells[self.columns[role]] for row in rows) if role in self.columns else iter(())

        def first(role: Role) -> str:
            return next((str(cell) for cell in of_each(role) if not cells.is_empty(cell)), "")

        name = first("id") or name
        splits = list(dict.fromkeys(str(cell).strip() for cell in of_each("split") if not cells.is_empty(cell)))
        if len(splits) > 1:
            yield Rejected(name, "example", "in several splits", listed(splits))
            return
        spoken: list[tuple[str, str]] = []
        for row in rows if "caption" in self.columns else ():
            found = self._spoken(row, name)
            if isinstance(found, Rejected):
                yield found
            else:
                spoken += found
        labels = dict.fromkeys(label for cell in of_each("label") for label in cells.labels(cell))
        articles = list(dict.fromkeys(filter(None, map(cells.article, of_each("article")))))
        for article in articles[1:]:
            yield another_article(name, article)
        example = Example(name, image, labels=tuple(labels), article=next(iter(articles), None), split=first("split"))
        yield example.saying(spoken)

    def _spoken(self, row: Row, name: str) -> Spoken | Rejected:
        """The captions of one row, each with its language: one language for all of them, or one for each."""
        captions = cells.texts(row.cells[self.columns["caption"]])
        languages: tuple[str, ...] = ("",)
        if "language" in self.columns:
            languages = tuple(each.strip() for each in cells.texts(row.cells[self.columns["language"]]))
        if len(languages) == 1:
            languages *= len(captions)
        if len(languages) != len(captions):
            found = f"{row.name}: {len(captions)} captions, {len(languages)} languages"
            return Rejected(name, "caption", "languages don't fit", found)
        return tuple(zip(captions, languages, strict=True))


def _key(image: str) -> int:
    return int.from_bytes(hashlib.blake2b(image.encode("utf-8", "surrogatepass"), digest_size=8).digest(), "little")
