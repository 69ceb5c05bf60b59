"""Lists of words that a person gives: pairs with a score of their similarity, and pairs that translate each other."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

from wordsight.concepts.splitters import normal
from wordsight.corpus.lines import read_lines
from wordsight.corpus.separated import cells_of
from wordsight.errors import InputError

_SEPARATORS = "\t;,"
Pair = TypeVar("Pair")


@dataclass(frozen=True)
class ScoredPair:
    """Two words, and how similar people find them."""

    first: str
    second: str
    score: float


def read_similarity(file: Path) -> list[ScoredPair]:
    """Read a list of word similarities: two words a line and, after them, a number.

    Cells lie between tabs, semicolons, commas or blanks; of several numbers the first counts (SimLex-999, WordSim-353
    and MEN can be given as they are). A first line without a number is a heading.

    Args:
        file: The list.

    Raises:
        InputError: When it can't be read, is empty, or a line has no two words and a number.
    """
    found = []
    for number, cells in _lines(file):
        score = next((value for value in map(_number, cells[2:]) if value is not None), None)
        if score is not None:
            found.append(ScoredPair(cells[0], cells[1], score))
        elif number > 1:
            raise InputError(
                f"line {number} is {' '.join(cells)!r}",
                where=file,
                expected="two words and a score, for example: dog cat 7.5",
            )
    return _some(found, file, "two words and a score a line, for example: dog cat 7.5")


def read_dictionary(file: Path) -> list[tuple[str, str]]:
    """Read a dictionary: a word and its translation a line. A word with several translations has several lines.

    Args:
        file: The dictionary.

    Raises:
        InputError: When it can't be read, is empty, or a line has no two words.
    """
    found = []
    for number, cells in _lines(file):
        if len(cells) < 2 or not all(cells[:2]):
            raise InputError(
                f"line {number} is {' '.join(cells)!r}",
                where=file,
                expected="a word and its translation, for example: dog Hund",
            )
        found.append((cells[0], cells[1]))
    return _some(found, file, "a word and its translation a line, for example: dog Hund")


def _lines(file: Path) -> Iterator[tuple[int, list[str]]]:
    """Number and cells of every line that holds something, words as concepts are named."""
    lines = list(read_lines(Path(file), what="a text file with two words a line"))
    filled = next((line for line in lines if line.strip()), "")
    separator = next((one for one in _SEPARATORS if one in filled), None)
    for number, line in enumerate(lines, start=1):
        cells = line.split() if separator is None else cells_of(line, separator)
        cells = [normal(cell.strip()) for cell in cells]
        if any(cells):
            yield number, cells


def _number(cell: str) -> float | None:
    try:
        return float(cell)
    except ValueError:
        return None


def _some(found: list[Pair], file: Path, expected: str) -> list[Pair]:
    if not found:
        raise InputError("holds no pairs of words", where=file, expected=expected)
    return found
