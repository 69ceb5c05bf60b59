"""Sentences to learn a language model from: captions of a corpus, lines of text files, columns of tables, COCO JSON.

A file is told by its name, before ``.gz`` where it is packed: ``.tsv`` and ``.csv`` are tables (with a line of names,
or without one), ``.jsonl`` and ``.parquet`` are tables with names, ``.json`` holds COCO captions, and anything else is
plain text, one sentence a line.
"""

from __future__ import annotations

import csv
import glob
import gzip
import json
from collections.abc import Generator, Iterable, Iterator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from wordsight.corpus.example import Rejected
from wordsight.corpus.store import Corpus
from wordsight.corpus.tabular import TableFile
from wordsight.errors import InputError, listed, unknown

_DELIMITERS = {".tsv": "\t", ".csv": ","}
_NAMED_TABLES = (".jsonl", ".ndjson", ".parquet")
_COCO = "COCO captions: {'annotations': [{'caption': ...}]}, or {'images': [{'sentences': [{'raw': ...}]}]}"


@dataclass(frozen=True)
class Texts:
    """Sentences, read again each time they are gone through, so that memory does not grow with them.

    Args:
        corpus: A corpus whose captions are read.
        split: The split of the corpus.
        language: Only captions of this language, where the corpus knows their languages.
        files: Text files; a name may be a pattern (``texts/*.tsv.gz``).
        column: Of tables, the column that holds the text: its name, or its number from 1 for a table without names.

    Raises:
        InputError: When there is neither corpus nor file, or a file is absent.
    """

    corpus: Corpus | None = None
    split: str | None = None
    language: str | None = None
    files: tuple[Path, ...] = ()
    column: str | None = None

    def __post_init__(self) -> None:
        if self.corpus is None and not self.files:
            raise InputError("no text is given", expected="a corpus (--corpus), text files (--text), or both")
        if self.corpus is None and (self.split is not None or self.language is not None):
            given = "--split" if self.split is not None else "--language"
            raise InputError("chooses among the captions of a corpus", where=given, mend="give a --corpus, or leave it")
        object.__setattr__(self, "files", tuple(found for file in self.files for found in _matching(file)))

    def __iter__(self) -> Iterator[str]:
        """Yield each sentence that is not empty, its white space brought to single blanks."""
        for text in self._raw():
            sentence = " ".join(text.split())
            if sentence:
                yield sentence

    @property
    def sources(self) -> list[str]:
        """Where the sentences come from, in words."""
        found = (
            [] if self.corpus is None else [f"{self.corpus.path} ({self.split or 'all'}, {self.corpus.fingerprint})"]
        )
        if found and self.language is not None:
            found[0] += f" in {self.language}"
        return [*found, *(str(file) for file in self.files)]

    def _raw(self) -> Iterable[str]:
        if self.corpus is not None:
            rows = self.corpus.caption_iter(self.corpus.indices(self.split), self.language)
            yield from (text for _, _, text in rows)
        for file in self.files:
            yield from texts_of_file(file, self.column)


def texts_of_file(path: Path, column: str | None = None) -> Iterator[str]:
    """Yield the texts of one file as they stand there, empty ones too.

    Args:
        path: The file.
        column: Of a table, the column that holds the text: its name, or its number from 1 for a table without names.

    Raises:
        InputError: When it can't be read, is not UTF-8, or has no such column.
    """
    suffixes = [suffix.lower() for suffix in path.suffixes]
    kind = next((suffix for suffix in reversed(suffixes) if suffix != ".gz"), "")
    if kind == ".json":
        return _coco(path)
    if kind in _NAMED_TABLES or (kind in _DELIMITERS and column is not None and not column.isdecimal()):
        return _named_column(path, kind, column)
    if kind in _DELIMITERS:
        return _numbered_column(path, _DELIMITERS[kind], column)
    return _lines(path)


def _matching(file: Path) -> list[Path]:
    if file.exists() or not glob.has_magic(str(file)):
        found = [file]
    else:
        found = [Path(name) for name in sorted(glob.glob(str(file)))]  # noqa: PTH207 (an absolute pattern may be given)
    for one in found:
        if not one.is_file():
            raise InputError("no such file", where=one, expected="a text file")
    if not found:
        raise InputError("no file has such a name", where=file, expected="a text file, or a pattern of names")
    return found


def _lines(path: Path) -> Generator[str, None, None]:
    """The lines of a text file, decoded one at a time so that a bad byte is told with its line."""
    number = 0
    try:
        with gzip.open(path) if path.suffix.lower() == ".gz" else path.open("rb") as file:
            for number, line in enumerate(file, start=1):
                yield line.decode("utf-8-sig" if number == 1 else "utf-8")
    except UnicodeDecodeError as error:
        raise InputError(
            f"line {number}: byte 0x{error.object[error.start]:02x} is not UTF-8", where=path, mend="save it as UTF-8"
        ) from error
    except (OSError, EOFError) as error:
        raise InputError(f"can't be read ({error})", where=path, expected="a text file") from error


def _numbered_column(path: Path, delimiter: str, column: str | None) -> Iterator[str]:
    # Tabs hold no text, so that a quotation mark in a TSV is one; in a CSV it holds a cell together.
    quoting: Literal[0, 3] = csv.QUOTE_NONE if delimiter == "\t" else csv.QUOTE_MINIMAL
    place = None if column is None else int(column) - 1
    # The file is closed also when it is not read to its end.
    with closing(_lines(path)) as lines:
        reader = csv.reader(lines, delimiter=delimiter, quoting=quoting)
        try:
            for cells in reader:
                if place is None:
                    place = _only_column(path, cells)
                if reader.line_num == 1 and not 0 <= place < len(cells):
                    raise unknown("column", str(place + 1), _numbered(cells), where=path)
                if place < len(cells):
                    yield cells[place]
        except csv.Error as error:
            raise InputError(f"line {reader.line_num}: {error}", where=path, expected="a table") from error


def _only_column(path: Path, cells: list[str]) -> int:
    if len(cells) == 1:
        return 0
    raise InputError(
        f"has {len(cells)} columns",
        where=path,
        expected=f"--column with the name of one, or its number: {listed(_numbered(cells))}",
    )


def _numbered(cells: list[str]) -> list[str]:
    return [f"{number} ({cell[:30]!r})" for number, cell in enumerate(cells, start=1)]


def _named_column(path: Path, kind: str, column: str | None) -> Iterator[str]:
    table = TableFile(path, quotes=kind != ".tsv")
    if column is None or column not in table.columns:
        if column is not None and not column.isdecimal():
            raise unknown("column", column, table.columns, where=path)
        expected = f"--column with one of: {listed(table.columns)}"
        raise InputError("which column holds the text?", where=path, expected=expected)
    for row in table.rows([column]):
        cell = None if isinstance(row, Rejected) else row.cells[column]
        for text in cell if isinstance(cell, list) else [cell]:
            yield text if isinstance(text, str) else ""


def _coco(path: Path) -> Iterator[str]:
    try:
        content: Any = json.loads("".join(_lines(path)))
    except (ValueError, RecursionError) as error:
        if isinstance(error, InputError):
            raise
        raise InputError(f"is no JSON ({error})", where=path, expected=_COCO) from error
    fields = content if isinstance(content, dict) else {}
    annotations, images = fields.get("annotations", []), fields.get("images", [])
    if not isinstance(annotations, list) or not isinstance(images, list) or not (annotations or images):
        raise InputError("holds no captions", where=path, expected=_COCO)
    for annotation in annotations:
        yield _text(annotation, "caption")
    for image in images:
        inner = image.get("sentences") if isinstance(image, dict) else None
        for sentence in inner if isinstance(inner, list) else []:
            yield sentence if isinstance(sentence, str) else _text(sentence, "raw")


def _text(entry: Any, key: str) -> str:
    found = entry.get(key) if isinstance(entry, dict) else None
    return found if isinstance(found, str) else ""
