"""Rows of text with separators between the cells: CSV, TSV, and the token files of Flickr8k and Flickr30k.

The one rule of the project: between commas and semicolons double quotes hold a cell together, and a cell may then run
over a line's end; between tabs and pipes they are characters like others. A file whose first line has all its names in
quotes is quoted whatever stands between them.
"""

from __future__ import annotations

import csv
import re
from collections import deque
from collections.abc import Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass, replace
from functools import cached_property
from itertools import islice
from pathlib import Path
from typing import TextIO

from wordsight.corpus.image_formats import is_image_name
from wordsight.corpus.lines import DEFAULT, opened_text
from wordsight.errors import InputError, setting

# In the order in which they are believed where the first line has several: a tab stands in no text, a comma in many.
_SEPARATORS = "\t|;,"
_QUOTED = ",;"
_NAMED = {"tab": "\t", "\\t": "\t", "comma": ",", "semicolon": ";", "pipe": "|"}
_MEND = ("save it as UTF-8", f"give its {setting('encoding')} (latin-1, cp1252, utf-16, ...)")
# The csv module's own limit, 128 KiB a cell, is shorter than many an article.
_LARGEST_CELL = 256 << 20
# So many lines tell what stands between the cells and whether the first has names, and are looked at in a cell that
# runs over line ends.
_LOOKED_AT = 50
_NUMBERED = re.compile(r"(.+)#\d+")
_FILE = re.compile(r"\S+(\s.*)?(\.\w{1,5})")


@dataclass(frozen=True)
class Broken:
    """A row that can't be read, and why."""

    why: str


@dataclass(frozen=True)
class Record:
    """One row of a file.

    Args:
        line: The number of the line that it begins in.
        lines: How many lines it has.
        cells: Its cells, as many as there are columns.
    """

    line: int
    lines: int
    cells: list[str] | Broken


@dataclass(frozen=True)
class SeparatedFile:
    """One file of cells with separators between them.

    Args:
        path: The file.
        encoding: Of files without a mark.
        quotes: Whether double quotes hold a cell together; by default as the separator says.
        separator: What stands between the cells; by default what the first lines say.
        headed: Whether the first line holds the names of the columns; by default it does, unless an image's name is in
            it, or a column counts on from it. Columns without names are called by their numbers, from 1.
    """

    path: Path
    encoding: str = DEFAULT
    quotes: bool | None = None
    separator: str | None = None
    headed: bool | None = None

    @cached_property
    def columns(self) -> list[str]:
        """The names of the columns, or their numbers.

        Raises:
            InputError: When the file is absent, empty, or not in its encoding.
        """
        first = self.first
        return first if self.has_names else [str(number) for number in range(1, len(first) + 1)]

    @property
    def has_names(self) -> bool:
        """Whether the first line holds the names of the columns."""
        if self.headed is not None:
            return self.headed
        return not any(map(_is_image, self.first)) and not self._goes_on

    @cached_property
    def _goes_on(self) -> bool:
        """Whether the first line is like those after it: a column counts on (``ROCO_00001``, ``ROCO_00002``).

        Columns may be called by numbers, above numbers as well: such a line also holds a text of several words.
        """
        with self._opened() as file:
            found = [record.cells for record in islice(self._records(_LineSource(file)), _LOOKED_AT)]
        first, rest = self.first, [cells for cells in found[1:] if isinstance(cells, list)]
        forms = [form_of(cell) for cell in first]
        texts = any(re.search(r"\w\s+\w", cell) for cell in first)
        return any(
            bool(rest) and all(len(cells) > column and form_of(cells[column]) == form for cells in rest)
            for column, form in enumerate(forms)
            if form and (texts or (column == 0 and re.search("[A-Za-z]", form)))
        )

    @cached_property
    def first(self) -> list[str]:
        """The cells of the first line, without blanks around them.

        Raises:
            InputError: When there is none.
        """
        with self._opened() as file:
            for record in self._records(_LineSource(file)):
                if isinstance(record.cells, list):
                    return [cell.strip() for cell in record.cells]
                break
        raise InputError("is empty", where=self.path, expected="a first line with the names of the columns")

    def rows(self) -> Iterator[Record]:
        """Yield every row but that of the columns' names."""
        width = len(self.columns)
        skipped = not self.has_names
        with self._opened() as file:
            for record in self._records(_LineSource(file)):
                cells = record.cells
                if not skipped:
                    skipped = True
                elif isinstance(cells, list) and len(cells) != width:
                    opens = not self._form.quotes and any(cell.startswith('"') for cell in cells)
                    mend = "; if double quotes hold cells together, set quotes to true" if opens else ""
                    why = f"{len(cells)} cells, the first line has {width}{mend}"
                    yield replace(record, cells=Broken(why))
                else:
                    yield record

    def _opened(self) -> AbstractContextManager[TextIO]:
        return opened_text(self.path, self.encoding, "a table", _MEND)

    def _records(self, lines: _LineSource) -> Iterator[Record]:
        """Every row that holds something, by the rule of the separator."""
        if not self._form.quotes:
            for line in lines:
                lines.taken.clear()
                if line.strip(" \r\n"):
                    yield Record(lines.number, 1, line.rstrip("\r\n").split(self._form.separator))
            return
        csv.field_size_limit(max(csv.field_size_limit(), _LARGEST_CELL))
        reader, width = self._form.reader(lines), 0
        while True:
            lines.taken.clear()
            try:
                cells: list[str] | Broken = next(reader)
            except StopIteration:
                return
            except csv.Error as error:
                cells = self._why(error, lines, width)
            number, taken = lines.number - len(lines.taken) + 1, len(lines.taken)
            if taken > 1 and isinstance(cells, list) and width and self._form.swallowed(lines.taken, width):
                cells = Broken(f"a quote opens in line {number}, and the cell runs on over rows that follow")
            if isinstance(cells, Broken):
                # Only the row in which it began is lost: those after it are read for what they are.
                lines.put_back(lines.taken[1:])
                reader = self._form.reader(lines)
            elif not cells or (len(cells) == 1 and not cells[0].strip()):
                continue
            else:
                width = width or len(cells)
            yield Record(number, taken, cells)

    def _why(self, error: csv.Error, lines: _LineSource, width: int) -> Broken:
        """What is wrong with a row.

        Raises:
            InputError: When a quote is never closed, and nobody can tell where its cell was meant to end.
        """
        number = lines.number - len(lines.taken) + 1
        if "unexpected end" in str(error) and not (width and self._form.swallowed(lines.taken, width)):
            raise InputError(
                f"line {number}: a quote opens there and is never closed",
                where=self.path,
                mend=(
                    "close the quotes there",
                    f"give {setting('quotes', False)} when double quotes mean nothing in this file",
                ),
            ) from error
        if "expected after" in str(error):
            return Broken(f"line {number}: text after a closing quote; a quote within quotes is written twice")
        return Broken(f"line {number}: {error}")

    @cached_property
    def _form(self) -> _Form:
        with self._opened() as file:
            lines = [line for line in islice(file, _LOOKED_AT) if line.strip()]
        head = lines[0] if lines else ""
        separator = self._separator(lines)
        cells = [cell.strip() for cell in head.rstrip("\r\n").split(separator)]
        whole = all(len(cell) > 1 and cell[0] == cell[-1] == '"' for cell in cells)
        quotes = separator in _QUOTED or whole if self.quotes is None else self.quotes
        return _Form(separator, quotes, blanks=_blanks(separator, lines))

    def _separator(self, lines: list[str]) -> str:
        if self.separator is not None:
            found = _NAMED.get(self.separator.lower(), self.separator)
            if len(found) != 1 or found in '"\r\n':
                raise InputError(f"{self.separator!r} can't be", setting="separator", expected="one character, or tab")
            return found
        if ".tsv" in (suffix.lower() for suffix in self.path.suffixes):
            return "\t"
        there = [mark for mark in _SEPARATORS if lines and mark in lines[0]]
        for mark in there if len(there) > 1 else ():
            widths = {len(next(_Form(mark, mark in _QUOTED, False, strict=False).reader([line]), [])) for line in lines}
            if len(widths) == 1:
                return mark
        return "," if "," in there or not there else there[0]


def cells_of(line: str, separator: str) -> list[str]:
    """The cells of a line that stands alone, in a list whose lines have different numbers of them.

    Args:
        line: The line.
        separator: What stands between the cells.
    """
    return next(_Form(separator, separator in _QUOTED, False, strict=False).reader([line]), [])


@dataclass(frozen=True)
class _Form:
    """How cells are told apart."""

    separator: str
    quotes: bool
    blanks: bool
    strict: bool = True

    def reader(self, lines: Iterator[str] | list[str]) -> Iterator[list[str]]:
        return csv.reader(
            lines,
            delimiter=self.separator,
            strict=self.strict,
            quoting=csv.QUOTE_MINIMAL if self.quotes else csv.QUOTE_NONE,
            skipinitialspace=self.blanks,
        )

    def swallowed(self, lines: list[str], width: int) -> bool:
        """Whether a cell that runs over line ends has rows in it: two of its lines are rows of one form by themselves.

        An article of several lines is none: its lines have fewer cells, or nothing in the form of a file's name or a
        number where the first line has one.
        """
        seen: set[tuple[int, str]] = set()
        for line in lines[:_LOOKED_AT]:
            own = {
                (column, form)
                for quoted in (True, False)
                for cells in _Form(self.separator, quoted, self.blanks, strict=False).reader([line])
                # Commas in its texts may have made more of them.
                if len(cells) >= width
                for column, cell in enumerate(cells[:width])
                if (form := form_of(cell))
            }
            if own & seen:
                return True
            seen |= own
        return False


def _blanks(separator: str, lines: list[str]) -> bool:
    """Whether a blank follows every separator, so that a quote after it opens a cell: some line fits the first so."""
    apart, joined = (_Form(separator, True, blanks, strict=False) for blanks in (False, True))
    width = len(next(apart.reader(lines[:1]), []))
    quoted = [line for line in lines[1:] if f'{separator} "' in line]
    return any(len(next(apart.reader([line]), [])) != width == len(next(joined.reader([line]), [])) for line in quoted)


def form_of(cell: str) -> str:
    """What the names or numbers of a column have in common: a file's ending, or all but the digits; "" of texts.

    Args:
        cell: The cell, as it is written.
    """
    name = cell.strip().strip('"')
    if found := _FILE.fullmatch(name):
        # Names of images may have blanks in them.
        return found[2].lower() if is_image_name(name) or not found[1] else ""
    return re.sub(r"\d+", "0", name) if not re.search(r"\s", name) and re.search(r"\d", name) else ""


def _is_image(cell: str) -> bool:
    numbered = _NUMBERED.fullmatch(cell)
    return is_image_name(numbered[1] if numbered else cell)


class _LineSource:
    """Lines of a file with their numbers, which can be put back to be read again."""

    def __init__(self, file: Iterator[str]) -> None:
        self._file, self._back = file, deque[str]()
        self.number = 0
        self.taken: list[str] = []

    def __iter__(self) -> _LineSource:
        return self

    def __next__(self) -> str:
        line = self._back.popleft() if self._back else next(self._file)
        self.number += 1
        self.taken.append(line)
        return line

    def put_back(self, lines: list[str]) -> None:
        self._back.extendleft(reversed(lines))
        self.number -= len(lines)
