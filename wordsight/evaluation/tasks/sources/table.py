"""``table:FILE``: a table with a column of image files and a column of labels."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

from wordsight.corpus import cells
from wordsight.corpus.example import Example
from wordsight.corpus.readers.table import Table
from wordsight.corpus.tabular import Row, TableFile
from wordsight.errors import InputError, setting
from wordsight.evaluation.tasks.sources.image_folder import images_beside
from wordsight.evaluation.tasks.sources.label_values import as_classes
from wordsight.evaluation.tasks.sources.table_errors import check_once, own_words
from wordsight.evaluation.tasks.task import LabelledImages, labelled_from


@dataclass(frozen=True)
class TableTask:
    """A CSV, TSV, JSONL or Parquet table; several labels in a cell (a list, or ``a|b``) are a task of several an image.

    Labels 1.0, 2.0 are the classes 1, 2 where all are whole numbers; an empty cell or NaN is no label, and is counted.

    Args:
        path: The table. A column ``split`` says which images are for learning and which for the test.
        image: The column of image files.
        label: The column of labels.
        images: The folder that the image files are in; by default the table's, or ``images`` in that.
        separator: What stands between the labels in a cell, where that is something else than ``|``: a comma, ...
    """

    path: Path
    image: str | None = None
    label: str | None = None
    images: Path | None = None
    separator: str | None = None

    @property
    def name(self) -> str:
        """What results are filed under: the table's folder and its own name."""
        return f"{self.path.resolve().parent.name}-{self.path.stem}"

    def read(self) -> LabelledImages:
        """The labelled images."""
        with own_words():
            return self._read()

    def _read(self) -> LabelledImages:
        reader = Table(self.path, image=self.image, label=self.label, images=self.images)
        if "label" not in reader.columns:
            raise InputError("no column is plainly the label", where=self.path, mend=f"name it with {setting('label')}")
        self._check(reader)
        folder = self._folder_of(reader)
        if folder != self.path.parent:
            reader = replace(reader, images=folder)
        found = labelled_from(str(self.path), reader)
        if "split" not in reader.columns:
            # All images of a file called test.csv are in it: its name says which table it is, and divides nothing.
            found = replace(found, splits=[""] * len(found.ids))
        if self.separator is None:
            return as_classes(found)
        if not self.separator:
            raise InputError("is empty", setting="separator", expected="what stands between the labels in a cell")
        return as_classes(replace(found, labels=[_parted(labels, self.separator) for labels in found.labels]))

    def _check(self, reader: Table) -> None:
        """Refuse columns of one name, and an image whose rows are of different splits: it can be in one part only."""
        file = TableFile(self.path)
        roles = reader.columns
        check_once(file, list(dict.fromkeys(roles[role] for role in ("image", "label", "split") if role in roles)))
        if "split" not in roles or file.holds_bytes(roles["image"]):
            return
        split_of: dict[str, str] = {}
        for row in file.rows([roles["image"], roles["split"]]):
            if not isinstance(row, Row) or cells.is_empty(cell := row.cells[roles["split"]]):
                continue
            image, split = cells.image(row.cells[roles["image"]]), str(cell)
            if isinstance(image, str) and split_of.setdefault(image, split).lower() != split.lower():
                raise InputError(
                    f"{image} has rows of the splits {split_of[image]} and {split} ({row.name})",
                    where=self.path,
                    expected="each image in one split",
                    mend="remove its rows from one of them",
                )

    def _folder_of(self, reader: Table) -> Path:
        """Where its images are; one of them is looked for."""
        if self.images is not None:
            return images_beside(self.path, self.images, None)
        first = next((item for item in reader if isinstance(item, Example)), None)
        image = first.image if first is not None else None
        if not isinstance(image, Path) or not image.is_relative_to(self.path.parent):
            return self.path.parent
        return images_beside(self.path, None, image.relative_to(self.path.parent).as_posix())


def _parted(labels: tuple[str, ...], separator: str) -> tuple[str, ...]:
    parts = (part.strip() for label in labels for part in label.split(separator))
    return tuple(dict.fromkeys(part for part in parts if part))
