"""The imagefolder layout of the datasets library: images, and ``metadata.jsonl`` or ``metadata.csv`` beside them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path, PurePosixPath

from wordsight.corpus.example import Example, Rejected
from wordsight.corpus.readers.table import Table
from wordsight.corpus.splits import split_of
from wordsight.errors import InputError

_METADATA = ("metadata.jsonl", "metadata.csv", "metadata.parquet")


@dataclass(frozen=True)
class HuggingFace:
    """A Hugging Face imagefolder: images and metadata files with a ``file_name`` column; ``train/`` ... are splits.

    Args:
        path: The folder.
        caption: The column of captions; guessed where its name is plain (``text``, ``caption``, ``captions``, ...).
        label: The column of labels.
    """

    path: Path
    caption: str | None = None
    label: str | None = None

    def __iter__(self) -> Iterator[Example | Rejected]:
        for table in self._tables():
            inner = table.path.parent.relative_to(self.path).as_posix()
            for item in table:
                name = item.id if inner == "." else f"{inner}/{item.id}"
                if isinstance(item, Rejected):
                    yield replace(item, id=name)
                    continue
                parts = PurePosixPath(name).parts
                split = item.split or (split_of(parts[0]) if len(parts) > 1 else "")
                yield replace(item, id=name, split=split)

    def sources(self) -> list[str]:
        """The folder."""
        return [str(self.path)]

    def label_names(self) -> list[str]:
        """None declared: the labels of a corpus are those of its rows."""
        return []

    def _tables(self) -> list[Table]:
        if not self.path.is_dir():
            raise InputError("no such folder", where=self.path, expected="an imagefolder with metadata.jsonl or .csv")
        found = sorted(file for name in _METADATA for file in self.path.rglob(name))
        if not found:
            raise InputError(
                "holds no metadata.jsonl, metadata.csv or metadata.parquet",
                where=self.path,
                mend="the reader 'folder' takes images alone, with class folders or .txt files",
            )
        folders = [file.parent for file in found]
        for folder in folders:
            if folders.count(folder) > 1:
                raise InputError("holds more than one metadata file", where=folder, mend="keep one of them")
        return [
            Table(file, image="file_name", caption=self.caption, label=self.label, images=file.parent) for file in found
        ]
