"""Rows of a CSV, TSV, JSONL or Parquet file, one at a time, with the number of the line each stands in."""

from __future__ import annotations

import codecs
import csv
import gzip
import io
import json
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, BinaryIO, TextIO, cast

import pyarrow as pa
import pyarrow.parquet as pq

from wordsight.corpus.example import Rejected
from wordsight.errors import InputError

_KINDS = {".csv": "csv", ".tsv": "csv", ".jsonl": "jsonl", ".ndjson": "jsonl", ".parquet": "parquet"}
# The keys of this many lines are a JSONL file's columns: enough that one which many rows leave out is seen.
_LOOK_AHEAD = 2_000
# The csv module's own limit, 128 KiB a cell, is shorter than many an article.
_LARGEST_CELL = 256 << 20


@dataclass(frozen=True)
class Row:
    """The cells of one row, by column, and what to call the row ("line 17")."""

    name: str
    cells: dict[str, Any]


@dataclass(frozen=True)
class TableFile:
    """One table on disk, whatever its format; ``.gz`` after ``.csv``, ``.tsv`` or ``.jsonl`` is unpacked on the way.

    Args:
        path: The file.
        encoding: Of the text formats.
        quotes: Whether double quotes in CSV and TSV hold a cell together.
    """

    path: Path
    encoding: str = "utf-8-sig"
    quotes: bool = True

    @cached_property
    def columns(self) -> list[str]:
        """The names of the columns.

        Raises:
            InputError: When the file is absent, of another format, empty, or not in its encoding.
        """
        if self._kind == "parquet":
            with self._clear_errors():
                return [str(name) for name in pq.read_schema(self.path).names]
        with self._text() as file:
            if self._kind == "csv":
                header = next(self._csv(file), None)
                if not header:
                    raise InputError("is empty", where=self.path, expected="a first line with the names of the columns")
                return header
            names: dict[str, None] = {}
            for _, line in zip(range(_LOOK_AHEAD), file, strict=False):
                content = _json_object(line)
                names.update(dict.fromkeys(content or {}))
            if not names:
                expected = 'lines such as {"image": "a.jpg", "caption": "a dog on a beach"}'
                raise InputError("no line is a JSON object", where=self.path, expected=expected)
            return list(names)

    def holds_bytes(self, column: str) -> bool:
        """Whether a column holds images themselves, not their names."""
        if self._kind != "parquet":
            return False
        with self._clear_errors():
            kind = pq.read_schema(self.path).field(column).type
        return bool(pa.types.is_struct(kind) or pa.types.is_binary(kind) or pa.types.is_large_binary(kind))

    def rows(self, columns: Sequence[str]) -> Iterator[Row | Rejected]:
        """Yield the rows with the given columns; a broken line becomes a reject."""
        if self._kind == "parquet":
            yield from self._parquet_rows(columns)
        elif self._kind == "csv":
            yield from self._csv_rows(columns)
        else:
            yield from self._jsonl_rows(columns)

    def whole_rows(self, columns: Sequence[str]) -> list[Row]:
        """All rows with the given columns, where none may be missing.

        Raises:
            InputError: At a broken one.
        """
        found = []
        for row in self.rows(columns):
            if isinstance(row, Rejected):
                raise InputError(
                    f"{row.id} is broken ({row.detail})",
                    where=self.path,
                    mend="a cell with a comma in it stands between double quotes",
                )
            found.append(row)
        return found

    @cached_property
    def _kind(self) -> str:
        suffixes = [suffix.lower() for suffix in self.path.suffixes]
        if suffixes and suffixes[-1] == ".gz":
            suffixes.pop()
        kind = _KINDS.get(suffixes[-1] if suffixes else "")
        if kind is None:
            raise InputError("unknown kind of table", where=self.path, expected=f"a name ending in {', '.join(_KINDS)}")
        return kind

    def _csv_rows(self, columns: Sequence[str]) -> Iterator[Row | Rejected]:
        with self._text() as file:
            reader = self._csv(file)
            width = len(next(reader, []))
            where = {name: self.columns.index(name) for name in columns}
            for number, cells in enumerate(reader, start=2):
                if not cells:
                    continue
                if len(cells) != width:
                    detail = f"{len(cells)} cells, the first line has {width}"
                    yield Rejected(f"row {number}", "example", "broken row", detail)
                    continue
                yield Row(f"row {number}", {name: cells[k] for name, k in where.items()})

    def _jsonl_rows(self, columns: Sequence[str]) -> Iterator[Row | Rejected]:
        with self._text() as file:
            for number, line in enumerate(file, start=1):
                if not line.strip():
                    continue
                content = _json_object(line)
                if content is None:
                    yield Rejected(f"row {number}", "example", "broken row", f"no JSON object: {line.strip()[:100]}")
                    continue
                yield Row(f"row {number}", {name: content.get(name) for name in columns})

    def _parquet_rows(self, columns: Sequence[str]) -> Iterator[Row | Rejected]:
        number = 0
        with self._clear_errors(), pq.ParquetFile(self.path) as file:
            # Small batches: a column may hold whole images.
            for batch in file.iter_batches(batch_size=64, columns=list(columns)):
                for cells in batch.to_pylist():
                    number += 1
                    yield Row(f"row {number}", cells)

    def _csv(self, file: TextIO) -> Iterator[list[str]]:
        head = file.readline()
        tabs = ".tsv" in (suffix.lower() for suffix in self.path.suffixes)
        delimiter = "\t" if tabs or ("\t" in head and "," not in head) else ","
        if delimiter == "," and ";" in head and "," not in head:
            delimiter = ";"
        file.seek(0)
        reader = csv.reader(
            file, delimiter=delimiter, strict=True, quoting=csv.QUOTE_MINIMAL if self.quotes else csv.QUOTE_NONE
        )
        csv.field_size_limit(max(csv.field_size_limit(), _LARGEST_CELL))
        started = 1
        try:
            for cells in reader:
                yield cells
                started = reader.line_num + 1
        except csv.Error as error:
            # A quote that is never closed is noticed at the end of the file only: the row's first line helps more.
            raise InputError(
                f"line {started}: {error}",
                where=self.path,
                mend="close the quotes there, or give --quotes false when double quotes mean nothing in this file",
            ) from error

    @contextmanager
    def _text(self) -> Iterator[TextIO]:
        try:
            codecs.lookup(self.encoding)
        except LookupError as error:
            raise InputError(f"unknown encoding {self.encoding!r}", expected="utf-8, latin-1, ...") from error
        with self._clear_errors(), self._bytes() as raw:
            yield io.TextIOWrapper(raw, encoding=self.encoding, newline="")

    def _bytes(self) -> BinaryIO:
        packed = self.path.suffix.lower() == ".gz"
        return cast(BinaryIO, gzip.open(self.path)) if packed else self.path.open("rb")

    @contextmanager
    def _clear_errors(self) -> Iterator[None]:
        try:
            yield
        except FileNotFoundError as error:
            raise InputError("no such file", where=self.path, expected="a table") from error
        except UnicodeError as error:
            raise InputError(
                f"{self._place(error)} is not {self.encoding.removesuffix('-sig')}",
                where=self.path,
                mend="save it as UTF-8, or give its --encoding (latin-1, cp1252, utf-16, ...)",
            ) from error
        except (OSError, EOFError, pa.ArrowException) as error:
            raise InputError(f"can't be read ({error})", where=self.path) from error

    def _place(self, error: UnicodeError) -> str:
        """Which line holds the first byte that can't be read: the decoder itself knows no more than its block."""
        if not isinstance(error, UnicodeDecodeError):
            return "the text"
        with self._bytes() as file:
            for number, line in enumerate(file, start=1):
                try:
                    line.decode(self.encoding)
                except UnicodeDecodeError as first:
                    return f"line {number}: byte 0x{line[first.start]:02x}"
        return "the text"


def _json_object(line: str) -> dict[str, Any] | None:
    try:
        content = json.loads(line)
    except (ValueError, RecursionError):
        return None
    return content if isinstance(content, dict) else None
