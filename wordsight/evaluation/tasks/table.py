"""``table:FILE``: a table with a column of image files and a column of labels."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from wordsight.corpus.readers.table import Table
from wordsight.errors import InputError
from wordsight.evaluation.tasks.task import Labelled, labelled_from


@dataclass(frozen=True)
class TableTask:
    """A CSV, TSV, JSONL or Parquet table; a cell with several labels (``a|b``) makes it a task of several an image.

    Args:
        path: The table. A column ``split`` says which images are for learning and which for the test.
        image: The column of image files.
        label: The column of labels.
        images: The folder that the image files are in; by default the table's.
    """

    path: Path
    image: str | None = None
    label: str | None = None
    images: Path | None = None

    @property
    def name(self) -> str:
        """What results are filed under: the table's folder and its own name."""
        return f"{self.path.resolve().parent.name}-{self.path.stem}"

    def read(self) -> Labelled:
        """The labelled images."""
        reader = Table(self.path, image=self.image, label=self.label, images=self.images)
        if "label" not in reader.columns:
            raise InputError("no column is plainly the label", where=self.path, mend="name it: --label COLUMN")
        return labelled_from(str(self.path), reader)
