"""``multilabel:FILE``: a table with a column of image files and a column for each class, 1 where the image has it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from wordsight.corpus import cells
from wordsight.corpus.columns import named_column, not_told, told_column
from wordsight.corpus.example import Example, Rejected
from wordsight.corpus.paths import inside
from wordsight.corpus.tabular import Row, TableFile
from wordsight.errors import InputError, setting
from wordsight.evaluation.tasks.sources.image_folder import images_beside
from wordsight.evaluation.tasks.sources.table_errors import check_once, own_words
from wordsight.evaluation.tasks.task import LabelledImages, labelled_from

_ENDINGS = (".csv", ".tsv", ".jsonl", ".parquet")
_HOLDS = {"1": 1, "1.0": 1, "true": 1, "0": 0, "0.0": 0, "false": 0, "-1": -1, "-1.0": -1, "": -1}


@dataclass(frozen=True)
class MultilabelTask:
    """A CSV, TSV, JSONL or Parquet table with a column for each class: 1 has it, 0 has not, -1 or empty to be ignored.

    Args:
        path: The table; or a folder with a table ``multilabels.csv`` (.tsv, ...) in it. A column ``split`` says which
            images are for learning and which for the test; without one a fixed fifth is.
        image: The column of image files; guessed from the column name.
        label: The columns of classes, with commas between them; by default all but those of the image, ``split``
            and ``id``.
        images: The folder that the image files are in; by default the table's, or ``images`` in that.
    """

    path: Path
    image: str | None = None
    label: str | None = None
    images: Path | None = None

    @property
    def name(self) -> str:
        """What results are filed under: the table's folder and its own name."""
        return f"{self._table.resolve().parent.name}-{self._table.stem}"

    def read(self) -> LabelledImages:
        """The labelled images."""
        with own_words():
            check_once(self._file, [self._image, *([self._split] if self._split else []), *self._classes])
            return labelled_from(str(self._table), self, class_names=self._classes, multilabel=True)

    def __iter__(self) -> Iterator[Example | Rejected]:
        split, folder = self._split, self._folder
        for row in self._file.rows([self._image, *self._classes, *([split] if split else [])]):
            if isinstance(row, Rejected):
                yield row
                continue
            name = cells.image(row.cells[self._image])
            file = inside(folder, name) if isinstance(name, str) else name
            if file is None:
                yield Rejected(row.name, "image", "no file name", str(row.cells[self._image])[:200])
                continue
            holds = {each: self._value(row, each) for each in self._classes}
            yield Example(
                name if isinstance(name, str) else row.name,
                file,
                labels=tuple(each for each, value in holds.items() if value == 1),
                ignored_labels=tuple(each for each, value in holds.items() if value == -1),
                split=str(row.cells[split] or "") if split else "",
            )

    def _value(self, row: Row, label: str) -> int:
        cell: Any = row.cells[label]
        written = "" if cells.is_empty(cell) else str(cell).strip().lower()
        if written not in _HOLDS:
            raise InputError(
                f"{row.name}, column {label!r} is {str(cell)[:60]!r}",
                where=self._table,
                expected="1, 0, or -1 to be ignored",
                mend=f"name the columns of the classes: {setting('label', 'a,b,c')}",
            )
        return _HOLDS[written]

    @cached_property
    def _table(self) -> Path:
        if not self.path.is_dir():
            return self.path
        found = [file for ending in _ENDINGS if (file := self.path / f"multilabels{ending}").is_file()]
        if len(found) != 1:
            raise InputError(
                "holds no table multilabels.csv", where=self.path, mend="name the table: multilabel:DIR/FILE.csv"
            )
        return found[0]

    @cached_property
    def _file(self) -> TableFile:
        return TableFile(self._table)

    @cached_property
    def _image(self) -> str:
        found = named_column(self._file, "image", self.image) if self.image else told_column(self._file, "image")
        if found is None:
            raise not_told(self._file, "the image", setting("image"))
        return found

    @cached_property
    def _split(self) -> str | None:
        return told_column(self._file, "split")

    @cached_property
    def _classes(self) -> list[str]:
        if self.label is not None:
            named = [named_column(self._file, "label", each.strip()) for each in self.label.split(",")]
            for each in named:
                if named.count(each) > 1:
                    raise InputError(f"names the column {each!r} twice", setting="label", expected="each class once")
            return named
        others = (self._image, self._split, "id")
        found = [each for each in self._file.columns if each not in others]
        if not found:
            raise InputError("has no column of a class", where=self._table, expected="a column for each class")
        return found

    @cached_property
    def _folder(self) -> Path:
        first = next((row for row in self._file.rows([self._image]) if isinstance(row, Row)), None)
        name = cells.image(first.cells[self._image]) if first is not None else None
        return images_beside(self._table, self.images, name if isinstance(name, str) else None)
