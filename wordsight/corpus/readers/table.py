"""A table with a column of image files: CSV, TSV, JSONL, Parquet or Arrow, in one file or in several."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any, Literal

from wordsight.corpus import cells
from wordsight.corpus.cells import CellTexts
from wordsight.corpus.columns import Role
from wordsight.corpus.duplicates import another_article
from wordsight.corpus.example import Example, Rejected, Spoken
from wordsight.corpus.image_files import ImageFiles
from wordsight.corpus.left_out import counted
from wordsight.corpus.remaining import Remaining
from wordsight.corpus.table_files import TablePath, table_paths
from wordsight.corpus.table_parts import Named, TablePart, parts_of
from wordsight.corpus.tabular import Row, TableFile, Tabular
from wordsight.errors import InputError, listed, setting
from wordsight.progress import say


@dataclass(frozen=True)
class Table:
    """CSV, TSV, JSONL, Parquet or Arrow tables with a column of image files; plainly named columns are guessed.

    Rows of the same image are joined. A cell may hold a list or a struct with the text in it, as JSON or as Python and
    NumPy print them; labels may be ``a|b|c``. A file named after a split (``train-00000-of-00002.parquet``) is of it.

    Args:
        path: The table: a file, several, a folder of them, or a pattern of names ("data/*.parquet").
        image: The column of image files, or of the images themselves (bytes, base64); guessed from its name.
        caption: The column of captions, or several with commas between them; guessed from their names (caption,
            caption_0, ...).
        label: The column of labels, or several; guessed from its name.
        id: The column that names the examples; by default the image file does.
        split: The column of splits; by default the one named "split", else the split that a file's name means.
        language: The column of the captions' languages; by default the one named "language" or "lang".
        article: The column of articles, the longer texts that images stand in.
        folder: The column of the folders that the image files are in; guessed where files and folders are in two
            columns (filename and filepath).
        images: The folder that the image files are in; by default that of the table.
        encoding: Of CSV, TSV and JSONL without a byte order mark.
        quotes: Whether double quotes hold a cell together; by default between commas, not between tabs.
        separator: What stands between cells: a character or "tab"; guessed from the first lines.
    """

    path: Path | tuple[Path, ...]
    image: str | None = None
    caption: str | None = None
    label: str | None = None
    id: str | None = None
    split: str | None = None
    language: str | None = None
    article: str | None = None
    folder: str | None = None
    images: Path | None = None
    encoding: str = "utf-8-sig"
    quotes: bool | None = None
    separator: str | None = None

    def __iter__(self) -> Iterator[Example | Rejected]:
        if self.images is not None and not self.images.is_dir():
            raise InputError("no such folder", where=self.images, expected="the folder of the images")
        remaining = self._counted.again()
        unfinished: dict[str, list[_RowOfFile]] = {}
        several, first = 0, ""
        for part in self._parts:
            for row in part.rows():
                if isinstance(row, Rejected):
                    yield row
                    continue
                if row.lines > 1:
                    several, first = several + 1, first or row.name
                image = self._image(part, row)
                if image is None:
                    yield Rejected(row.name, "example", "no file name", _shown(row.cells[part.image]))
                elif isinstance(image, bytes):
                    yield from _example([_RowOfFile(part, row)], row.name, image)
                else:
                    # An image's rows need not follow each other: it is complete when the last of them has come.
                    unfinished.setdefault(image, []).append(_RowOfFile(part, row))
                    if remaining.is_last(image):
                        yield from self._named(image, unfinished.pop(image))
        # A column of images themselves was not counted, and may hold names too.
        for image, rows in unfinished.items():
            yield from self._named(image, rows)
        if several:
            found = f"{listed(self.sources())}: {counted(several, 'row')} with a cell that runs over a line's end"
            say(f"{found} (the first is {first}); if that is wrong, give {setting('quotes', False)}")

    def __length_hint__(self) -> int:
        return len(self._counted)

    def sources(self) -> list[str]:
        """The tables as they were given, and the folder of the images where it was."""
        return [*map(str, self._given), *([str(self.images)] if self.images is not None else [])]

    def label_names(self) -> list[str]:
        """The classes that the files declare (the datasets library's ClassLabel); else those of the rows count."""
        return list(dict.fromkeys(name for part in self._parts for name in part.class_names()))

    @cached_property
    def columns(self) -> dict[Role, str]:
        """Which column of the first file plays which role; of several captions or labels the first.

        Raises:
            InputError: When a column that was named is absent, or one that is needed can't be told.
        """
        return {role: names[0] for role, names in self._parts[0].roles.items()}

    @cached_property
    def _given(self) -> tuple[Path, ...]:
        return (self.path,) if isinstance(self.path, Path) else tuple(self.path)

    @cached_property
    def _parts(self) -> list[TablePart]:
        named: Named = {
            "image": self.image,
            "folder": self.folder,
            "caption": self.caption,
            "label": self.label,
            "split": self.split,
            "language": self.language,
            "article": self.article,
            "id": self.id,
        }
        return parts_of(self._paths(), named, self._opened)

    def _paths(self) -> list[TablePath]:
        return table_paths(self._given)

    def _opened(self, path: Path) -> Tabular:
        return TableFile(path, self.encoding, self.quotes, self.separator)

    @cached_property
    def _folders(self) -> dict[Path, ImageFiles]:
        """The image files of each folder that names are relative to."""
        folders = [part.file.path.parent if self.images is None else self.images for part in self._parts]
        return {folder: ImageFiles(folder) for folder in folders}

    @cached_property
    def _counted(self) -> Remaining:
        """In how many rows each image file stands."""
        return Remaining(self._image_names())

    def _image_names(self) -> Iterator[str]:
        for part in self._parts:
            # A column of images themselves is not read twice: its rows stand alone.
            for row in () if part.holds_bytes else part.rows(only_names=True):
                if isinstance(row, Row) and isinstance(image := self._image(part, row), str):
                    yield image

    def _image(self, part: TablePart, row: Row) -> str | bytes | None:
        """An image's bytes, or a name that no other image has, also where files of one name lie beside each table."""
        found = part.image_of(row)
        if not isinstance(found, str) or self.images is not None or Path(found).is_absolute() or "://" in found[:12]:
            return found
        return f"{part.inner}/{found}" if part.inner else found

    def _named(self, image: str, rows: list[_RowOfFile]) -> Iterator[Example | Rejected]:
        if "://" in image[:12]:
            yield Rejected(image, "image", "web address", "download the images first, for instance with img2dataset")
            return
        if self.images is None and Path(image).is_absolute() and ".." not in Path(image).parts:
            yield from _example(rows, image, Path(image))
            return
        part = rows[0].part
        files = self._folders[part.file.path.parent if self.images is None else self.images]
        name = image.removeprefix(f"{part.inner}/") if part.inner and self.images is None else image
        found = files.find(name)
        if part.folder_is_guessed and not (isinstance(found, Path) and found.is_file()):
            alone = files.find(name.rpartition("/")[2])
            found = alone if isinstance(alone, Path) and alone.is_file() else found
        if isinstance(found, Rejected):
            yield replace(found, id=image)
        else:
            yield from _example(rows, image, found)


@dataclass(frozen=True)
class _RowOfFile:
    """A row, and the file that it is from."""

    part: TablePart
    row: Row

    def cells(self, role: Role) -> Iterator[Any]:
        """The cells of a role's columns, those without anything left out where another of them has something."""
        found = [self.row.cells[name] for name in self.part.roles.get(role, ())]
        filled = [cell for cell in found if not cells.is_empty(cell)]
        return iter(filled or found[:1])

    def word(self, role: Role) -> str | None:
        """The plain value of a role's cell, "" where there is none; ``None`` where it is no plain value."""
        cell = next(self.cells(role), None)
        names = self.part.class_names_of.get(role, ())
        return names[cell] if isinstance(cell, int) and 0 <= cell < len(names) else cells.word(cell)


def _example(rows: Sequence[_RowOfFile], name: str, image: Path | bytes) -> Iterator[Example | Rejected]:
    words: dict[Role, list[str]] = {}
    roles: tuple[Role, ...] = ("id", "split")
    for role in roles:
        found = [held.word(role) for held in rows]
        if None in found:
            shown = _shown(next(rows[found.index(None)].cells(role)))
            yield Rejected(name, "example", f"{role} is not text", f"{rows[found.index(None)].row.name}: {shown}")
            return
        words[role] = [each for each in found if each]
    name = next(iter(words["id"]), name)
    splits = list(dict.fromkeys(words["split"] or [held.part.split for held in rows]))
    if len(splits) > 1:
        yield Rejected(name, "example", "in several splits", listed(splits))
        return
    spoken: list[tuple[str, str]] = []
    labels: dict[str, None] = {}
    articles: dict[str, None] = {}
    for held in rows:
        for item in _said(held, name):
            if isinstance(item, Rejected):
                yield item
            else:
                spoken += item
        for cell in held.cells("label"):
            read = cells.labels(cell, held.part.class_names())
            labels.update(dict.fromkeys(read.found))
            yield from _refused(name, held.row, "label", read)
        for cell in held.cells("article"):
            read = cells.article(cell)
            articles.update(dict.fromkeys(read.found))
            yield from _refused(name, held.row, "article", read)
    for article in list(articles)[1:]:
        yield another_article(name, article)
    example = Example(name, image, labels=tuple(labels), article=next(iter(articles), None), split=splits[0])
    yield example.saying(spoken)


def _said(held: _RowOfFile, name: str) -> Iterator[Spoken | Rejected]:
    """The captions of one row, each with its language: one language for all of them, or one for each."""
    if "caption" not in held.part.roles:
        return
    captions: list[str] = []
    for cell in held.cells("caption"):
        read = cells.texts(cell)
        captions += read.found
        yield from _refused(name, held.row, "caption", read)
    languages: tuple[str, ...] = ("",)
    if "language" in held.part.roles:
        languages = tuple(each.strip() for cell in held.cells("language") for each in cells.texts(cell).found)
    if len(languages) == 1:
        languages *= len(captions)
    if len(languages) != len(captions):
        found = f"{held.row.name}: {len(captions)} captions, {len(languages)} languages"
        yield Rejected(name, "caption", "languages don't fit", found)
        return
    yield tuple(zip(captions, languages, strict=True))


def _refused(name: str, row: Row, kind: Literal["caption", "label", "article"], read: CellTexts) -> Iterator[Rejected]:
    """What in a cell is not text, each with its reason."""
    return (Rejected(name, kind, f"{kind} is not text", f"{row.name}: {what}") for what in read.refused)


def _shown(cell: Any) -> str:
    return "the cell is empty" if cells.is_empty(cell) else f"{type(cell).__name__} {str(cell)[:100]}"
