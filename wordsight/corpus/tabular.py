"""Rows of a CSV, TSV, JSONL, Parquet or Arrow file, one at a time, with the number of the line each stands in."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from itertools import islice
from pathlib import Path
from typing import Any, Protocol

from wordsight.corpus.columnar import Columnar
from wordsight.corpus.example import Rejected
from wordsight.corpus.lines import DEFAULT, ending_of, opened_text
from wordsight.corpus.literals import BrokenLiteral, printed
from wordsight.corpus.nested import value_at
from wordsight.corpus.separated import Broken, SeparatedFile
from wordsight.errors import InputError, setting

KINDS = {
    ".csv": "text", ".tsv": "text", ".jsonl": "jsonl", ".ndjson": "jsonl", ".parquet": "columnar", ".arrow": "columnar",
    ".txt": "text", ".token": "text",
}  # fmt: skip
"""How a table is read, by its file's ending (before ``.gz``)."""

# The keys of this many lines are a JSONL file's columns: enough that one which many rows leave out is seen.
_LOOK_AHEAD = 2_000
_MEND = ("save it as UTF-8", f"give its {setting('encoding')} (latin-1, cp1252, utf-16, ...)")


@dataclass(frozen=True)
class Row:
    """One row of a table.

    Args:
        name: What to call it: "row 17", by the line that it begins in.
        cells: By column.
        lines: How many lines of text it has.
    """

    name: str
    cells: dict[str, Any]
    lines: int = 1


class Tabular(Protocol):
    """Rows with named columns, whatever they are read from."""

    @property
    def path(self) -> Path:
        """The file."""

    @property
    def columns(self) -> list[str]:
        """The names of the columns."""

    @property
    def has_names(self) -> bool:
        """Whether the columns have names; else they are called by their numbers."""

    def holds_bytes(self, column: str) -> bool:
        """Whether a column holds images themselves, not their names."""

    def class_names(self, column: str) -> list[str]:
        """What the classes are called whose numbers stand in a column; empty where the file does not say."""

    def rows(self, columns: Sequence[str]) -> Iterator[Row | Rejected]:
        """Yield the rows with the given columns; a broken one becomes a reject."""


@dataclass(frozen=True)
class TableFile:
    """One table on disk, whatever its format; ``.gz`` after a text format's ending is unpacked on the way.

    Args:
        path: The file.
        encoding: Of the text formats, where the file has no mark.
        quotes: Whether double quotes hold a cell of text together; by default between commas and semicolons.
        separator: What stands between cells of text; by default what the first lines say.
        headed: Whether the first line of text holds the names of the columns; by default unless an image's name is in
            it. Columns without names are called by their numbers, from 1.
    """

    path: Path
    encoding: str = DEFAULT
    quotes: bool | None = None
    separator: str | None = None
    headed: bool | None = None

    @cached_property
    def columns(self) -> list[str]:
        """The names of the columns.

        Raises:
            InputError: When the file is absent, of another format, empty, or not in its encoding.
        """
        if self._kind == "columnar":
            return [str(name) for name in self._columnar.schema.names]
        if self._kind == "text":
            return self.text.columns
        names: dict[str, None] = {}
        with opened_text(self.path, self.encoding, "a table", _MEND) as file:
            for line in islice(file, _LOOK_AHEAD):
                names.update(dict.fromkeys(_json_object(line) or {}))
        if not names:
            expected = 'lines such as {"image": "a.jpg", "caption": "a dog on a beach"}'
            raise InputError("no line is a JSON object", where=self.path, expected=expected)
        return list(names)

    @property
    def is_text(self) -> bool:
        """Whether it is text with separators between the cells."""
        return self._kind == "text"

    @property
    def has_names(self) -> bool:
        """Whether the columns have names; else they are called by their numbers."""
        return self._kind != "text" or self.text.has_names

    @cached_property
    def text(self) -> SeparatedFile:
        """The file as one of cells with separators."""
        return SeparatedFile(self.path, self.encoding, self.quotes, self.separator, self.headed)

    def holds_bytes(self, column: str) -> bool:
        """Whether a column holds images themselves, not their names."""
        return self._kind == "columnar" and column in self.columns and self._columnar.holds_bytes(column)

    def class_names(self, column: str) -> list[str]:
        """What the classes are called whose numbers stand in a column; empty where the file does not say."""
        return self._columnar.class_names(column) if self._kind == "columnar" else []

    def rows(self, columns: Sequence[str]) -> Iterator[Row | Rejected]:
        """Yield the rows with the given columns; a broken line becomes a reject.

        A column's name may go on with a dot and a field of the structs in it: ``objects.category``.

        Raises:
            InputError: When the file can't be read, or has two columns of one of these names.
        """
        whole = {name: self._column_of(name) for name in columns}
        for row in self._rows(list(dict.fromkeys(whole.values()))):
            if isinstance(row, Row) and any(name != column for name, column in whole.items()):
                yield replace(
                    row, cells={name: _field(row.cells[column], name, column) for name, column in whole.items()}
                )
            else:
                yield row

    def _column_of(self, name: str) -> str:
        """The column that a name begins with."""
        if name in self.columns:
            return name
        return max((each for each in self.columns if name.startswith(f"{each}.")), key=len, default=name)

    def _rows(self, columns: Sequence[str]) -> Iterator[Row | Rejected]:
        for name in columns:
            if (times := self.columns.count(name)) > 1:
                raise InputError(
                    f"{times} columns are called {name!r}",
                    where=self.path,
                    expected="one column of each name",
                    mend="rename or remove the others",
                )
        if self._kind == "columnar":
            for number, cells in enumerate(self._columnar.rows(columns), start=1):
                yield Row(f"row {number}", cells)
        elif self._kind == "text":
            yield from self._text_rows(columns)
        else:
            yield from self._jsonl_rows(columns)

    def whole_rows(self, columns: Sequence[str], several_lines: bool = False) -> list[Row]:
        """All rows with the given columns, where none may be missing.

        Args:
            columns: The columns.
            several_lines: Whether a cell may run over a line's end.

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
            for name, cell in row.cells.items():
                if not several_lines and isinstance(cell, str) and "\n" in cell.strip():
                    what = f"{row.name}: the cell of {name!r} runs over the line's end"
                    raise InputError(what, where=self.path, mend="close the double quotes that it begins with")
            found.append(row)
        return found

    @cached_property
    def _kind(self) -> str:
        kind = KINDS.get(ending_of(self.path))
        if kind is None:
            reader = f"read it by: wordsight corpus build json {self.path} IMAGES"
            mend = reader if ending_of(self.path) == ".json" else None
            expected = f"a name ending in {', '.join(KINDS)}"
            raise InputError("unknown kind of table", where=self.path, expected=expected, mend=mend)
        return kind

    @cached_property
    def _columnar(self) -> Columnar:
        return Columnar(self.path)

    def _text_rows(self, columns: Sequence[str]) -> Iterator[Row | Rejected]:
        where = {name: self.columns.index(name) for name in columns}
        for record in self.text.rows():
            name, cells = f"row {record.line}", record.cells
            if isinstance(cells, Broken):
                yield Rejected(name, "example", "broken row", cells.why)
            else:
                yield Row(name, {column: cells[k] for column, k in where.items()}, record.lines)

    def _jsonl_rows(self, columns: Sequence[str]) -> Iterator[Row | Rejected]:
        with opened_text(self.path, self.encoding, "a table", _MEND) as file:
            for number, line in enumerate(file, start=1):
                if not line.strip():
                    continue
                content = _json_object(line)
                if content is None:
                    yield Rejected(f"row {number}", "example", "broken row", f"no JSON object: {line.strip()[:100]}")
                    continue
                yield Row(f"row {number}", {name: content.get(name) for name in columns})


def _field(cell: Any, name: str, column: str) -> Any:
    """A cell, or the field in it that a name with dots goes on with."""
    if name == column:
        return cell
    if isinstance(cell, str):
        try:
            cell = printed(cell)
        except BrokenLiteral:
            return None
    return value_at(cell, name[len(column) + 1 :])


def _json_object(line: str) -> dict[str, Any] | None:
    try:
        content = json.loads(line)
    except (ValueError, RecursionError):
        return None
    return content if isinstance(content, dict) else None
