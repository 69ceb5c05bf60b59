"""CSV files that may be opened in a spreadsheet: no cell of ours is taken for a formula.

A file name or a caption of somebody else's that begins with ``=`` is run when the file is opened. Such a cell is
written with an apostrophe before it, which spreadsheets show as text; see OWASP, "CSV Injection".
"""

from __future__ import annotations

import csv
import re
from collections.abc import Iterable, Iterator
from typing import Any, Protocol

# The wide forms are taken for the same signs where texts are Chinese or Japanese.
_FORMULA = re.compile("'*[=+\\-@\t\r\n\uff1d\uff0b\uff0d\uff20]")
_NUMBER = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?%?")


class Writable(Protocol):
    """What can be written to."""

    def write(self, text: str, /) -> object:
        """Write text."""


class SpreadsheetWriter:
    """Writes rows of cells as CSV; numbers stay numbers, also negative ones.

    Args:
        file: A text file, opened with ``newline=""``.
        end: What ends a line.

    Examples:
        >>> import sys
        >>> SpreadsheetWriter(sys.stdout, end="\\n").write(["=1+1", "a dog, running", 3])
        '=1+1,"a dog, running",3
    """

    def __init__(self, file: Writable, end: str = "\r\n") -> None:
        self._csv = csv.writer(file, lineterminator=end)

    def write(self, cells: Iterable[Any]) -> None:
        """Write one row."""
        self._csv.writerow([plain(cell) if isinstance(cell, str) else cell for cell in cells])


def plain(cell: str) -> str:
    """A cell as it is written: with an apostrophe before what would be taken for a formula.

    >>> plain("=1+1"), plain("-0.5"), plain("a = b")
    ("'=1+1", '-0.5', 'a = b')
    """
    return f"'{cell}" if _FORMULA.match(cell) and not _NUMBER.fullmatch(cell) else cell


def original(cell: str) -> str:
    """What a cell was before :func:`plain`.

    >>> original("'=1+1"), original("'tis")
    ('=1+1', "'tis")
    """
    return cell[1:] if cell.startswith("'") and _FORMULA.match(cell) else cell


def read_rows(lines: Iterable[str]) -> Iterator[dict[str, str]]:
    """The rows of a file that :class:`SpreadsheetWriter` wrote, by column, as they were before."""
    for row in csv.DictReader(lines):
        yield {name: original(cell) for name, cell in row.items() if isinstance(name, str) and isinstance(cell, str)}
