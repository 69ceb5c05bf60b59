"""Folders of the datasets library: hub repositories, ``save_to_disk`` and imagefolders."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path, PurePosixPath

from wordsight.corpus.example import Example, Rejected
from wordsight.corpus.paths import files_below
from wordsight.corpus.readers.folder import Folder
from wordsight.corpus.readers.table import Table
from wordsight.corpus.splits import split_of
from wordsight.corpus.table_files import is_saved, table_paths
from wordsight.errors import InputError

_METADATA = ("metadata.jsonl", "metadata.csv", "metadata.parquet")


@dataclass(frozen=True)
class HuggingFace:
    """A Hugging Face dataset: a repository of the hub (data/*.parquet), a save_to_disk folder, or an imagefolder.

    An imagefolder has images and ``metadata.jsonl``, ``.csv`` or ``.parquet`` with a column ``file_name``; names of its
    class folders are labels where the metadata have none. ``train/`` ..., and files named after a split, are splits.

    Args:
        path: The folder.
        caption: The column of captions; guessed where its name is plain (``text``, ``caption``, ``captions``, ...).
        label: The column of labels.
    """

    path: Path
    caption: str | None = None
    label: str | None = None

    def __iter__(self) -> Iterator[Example | Rejected]:
        if not self._metadata:
            yield from self._whole
            return
        named: set[str] = set()
        for table in self._tables():
            inner = table.images.relative_to(self.path).as_posix() if table.images is not None else "."
            for item in table:
                name = item.id if inner == "." else f"{inner}/{item.id}"
                if isinstance(item, Rejected):
                    yield replace(item, id=name)
                    continue
                file = self._inner(item.image) or name
                named.add(file)
                split, label = self._of_folders(file)
                labels = item.labels if "label" in table.columns or not label else (label,)
                yield replace(item, id=name, split=item.split or split, labels=labels)
        without = sum(file not in named for file in self._images)
        self._unread.clear()
        self._unread.update({"images without a row": without} if without else {})

    def sources(self) -> list[str]:
        """The folder."""
        return [str(self.path)]

    def unread(self) -> Mapping[str, int]:
        """How many images no metadata file names, of what was gone through last."""
        return dict(self._unread)

    def label_names(self) -> list[str]:
        """The classes that the files declare, and the class folders."""
        if not self._metadata:
            return self._whole.label_names()
        return list(dict.fromkeys(name for table in self._tables() for name in table.label_names()))

    @cached_property
    def _metadata(self) -> list[Path]:
        """The metadata files of an imagefolder, none where it is something else.

        Raises:
            InputError: When the folder is absent, or has two of them in one folder.
        """
        if not self.path.is_dir():
            expected = "a dataset's folder: data/*.parquet, save_to_disk, or images with metadata.jsonl"
            raise InputError("no such folder", where=self.path, expected=expected)
        if is_saved(self.path):
            return []
        found = [file for file in files_below(self.path) if file.name in _METADATA]
        folders = [file.parent for file in found]
        for folder in folders:
            if folders.count(folder) > 1:
                raise InputError("holds more than one metadata file", where=folder, mend="keep one of them")
        return found

    @cached_property
    def _whole(self) -> Table | Folder:
        """What reads a folder without metadata files: its tables, or else its images."""
        table = Table(self.path, caption=self.caption, label=self.label)
        if is_saved(self.path):
            return table
        try:
            table_paths([self.path])
        except InputError:
            folder = Folder(self.path)
            if not any(isinstance(item, Example) for item in folder):
                raise InputError(
                    "holds no metadata.jsonl, metadata.csv or metadata.parquet, no tables and no images",
                    where=self.path,
                    mend="the reader 'folder' takes images alone, with class folders or .txt files",
                ) from None
            return folder
        return table

    def _tables(self) -> list[Table]:
        return [
            Table(file, image="file_name", caption=self.caption, label=self.label, images=file.parent)
            for file in self._metadata
        ]

    @cached_property
    def _unread(self) -> dict[str, int]:
        return {}

    @cached_property
    def _images(self) -> list[str]:
        return [item.id for item in Folder(self.path) if isinstance(item, Example)]

    @cached_property
    def _classes(self) -> frozenset[str]:
        """The class folders; a single one beside the metadata is where the images are, and no class."""
        found = {label for item in Folder(self.path) if isinstance(item, Example) for label in item.labels}
        return frozenset(found) if len(found) > 1 else frozenset()

    def _of_folders(self, file: str) -> tuple[str, str]:
        """The split and the class that the folders of an image mean."""
        above = PurePosixPath(file).parts[:-1]
        split = split_of(above[0]) if above else ""
        label = next(iter(above[1 if split else 0 :]), "")
        return split, label if label in self._classes else ""

    def _inner(self, image: Path | bytes) -> str:
        return image.relative_to(self.path).as_posix() if isinstance(image, Path) else ""
