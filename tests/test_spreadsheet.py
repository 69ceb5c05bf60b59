"""No cell that we write is taken for a formula."""

from __future__ import annotations

import csv
import doctest
import io

import pytest

from wordsight import spreadsheet
from wordsight.spreadsheet import SpreadsheetWriter, original, plain, read_rows

FORMULAS = ["=1+1", "@SUM(1)", "+a", "-a", "\t=1", "\r=1", "\n=1", "=", "-", "\uff1d1+1", "'=1", "''-x"]
TEXTS = ["", "a = b", "a-b", "'tis", "dog.jpg", "1+1"]
NUMBERS = ["-0.5", "+3", "-1e-05", "-12 %".replace(" ", ""), "7"]


@pytest.mark.parametrize("cell", FORMULAS)
def test_what_begins_like_a_formula_does_not_any_more_and_comes_back(cell: str) -> None:
    assert plain(cell) == f"'{cell}" and original(plain(cell)) == cell


@pytest.mark.parametrize("cell", TEXTS + NUMBERS)
def test_texts_and_numbers_stay_what_they_are(cell: str) -> None:
    assert plain(cell) == cell == original(cell)


def test_rows_come_back_as_they_were() -> None:
    file = io.StringIO(newline="")
    writer = SpreadsheetWriter(file)
    writer.write(["id", "value"])
    for cell in FORMULAS + TEXTS:
        writer.write([cell, -0.25])
    assert [row["id"] for row in read_rows(io.StringIO(file.getvalue(), newline=""))] == FORMULAS + TEXTS
    cells = [cell for row in csv.reader(io.StringIO(file.getvalue(), newline="")) for cell in row]
    assert cells.count("-0.25") == len(FORMULAS + TEXTS)
    assert not any(cell[:1] in "=+-@\t\r\n" for cell in cells if cell not in ("", "-0.25"))


def test_the_examples_of_the_docs_hold() -> None:
    assert doctest.testmod(spreadsheet).failed == 0
