"""Tables for the tests of their reader, in every format."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from wordsight.corpus.example import Example
from wordsight.corpus.readers.table import Table

ROWS = [
    {"image": "a.jpg", "caption": "a dog runs", "label": "dog|beach", "split": "train"},
    {"image": "b.jpg", "caption": 'a "big", red cat', "label": "cat", "split": "test"},
    {"image": "a.jpg", "caption": "two dogs run", "label": "dog", "split": "train"},
]


def examples(table: Table) -> list[Example]:
    """All that a table gives, none of it left out."""
    found = list(table)
    assert all(isinstance(each, Example) for each in found), found
    return [each for each in found if isinstance(each, Example)]


def written(path: Path, rows: list[dict[str, Any]]) -> Path:
    """A table in the format that its name ends with."""
    if path.suffix == ".parquet":
        pq.write_table(pa.Table.from_pylist(rows), path)
    elif path.suffix == ".jsonl":
        path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    else:
        between = "\t" if path.suffix == ".tsv" else ","
        cells = [list(rows[0]), *([str(cell) for cell in row.values()] for row in rows)]
        quoted = [['"' + cell.replace('"', '""') + '"' for cell in line] for line in cells]
        path.write_text("".join(between.join(line) + "\r\n" for line in quoted))
    return path
