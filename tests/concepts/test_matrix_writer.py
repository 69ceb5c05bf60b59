"""Rows and columns written to disk as they are found: the same as in memory, whatever the size of the pieces."""

from __future__ import annotations

import errno
from pathlib import Path

import numpy as np
import pytest

from wordsight.concepts import matrix_writer
from wordsight.concepts.counting import BoundedCounter
from wordsight.concepts.disk_columns import Columns
from wordsight.concepts.matrix_writer import write_rows
from wordsight.errors import InputError


@pytest.mark.parametrize("piece", [1, 7, 1 << 18])
def test_rows_do_not_depend_on_the_pieces_they_are_written_in(
    piece: int, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(matrix_writer, "_PIECE", piece)
    drawn = np.random.default_rng(0)
    dense = np.zeros((50, 20), dtype=np.float32)
    found = []
    for example in range(0, 50, 3):
        for caption in range(2):
            concepts = drawn.integers(-1, 20, drawn.integers(0, 6)).tolist()
            dense[example, [k for k in concepts if k >= 0]] = 1
            starts = list(range(len(concepts)))
            found.append((example, caption, concepts, starts, [start + 1 for start in starts]))
    matrix, places = write_rows(iter(found), 50, 20, places=True, folder=tmp_path)
    np.testing.assert_array_equal(matrix.toarray(), dense)
    assert matrix.has_canonical_format
    assert matrix.dtype == np.float32
    assert places is not None
    told = zip(
        *(column.tolist() for column in (places.example, places.caption, places.start, places.concept)), strict=True
    )
    assert list(told) == [
        (i, j, start, k) for i, j, ks, starts, _ in found for start, k in zip(starts, ks, strict=True) if k >= 0
    ]
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("together", [2, 1 << 14])
def test_columns_are_taken_with_their_weights(together: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(matrix_writer, "_ROWS", together)
    matrix, places = write_rows([(0, 0, [3, 1, 3, -1, 0], (), ()), (2, 0, [2], (), ()), (3, 0, [0], (), ())], 5, 5)
    assert places is None
    np.testing.assert_array_equal(matrix_writer.counts_in_rows(matrix, np.array([0, 3, 4])), [2, 1, 0, 1, 0])
    taken = matrix_writer.take_columns(matrix, np.array([1, 2, 3]), np.array([0.5, 2, 0], dtype=np.float32), None)
    np.testing.assert_array_equal(taken.toarray(), [[0.5, 0, 0], [0, 0, 0], [0, 2, 0], [0, 0, 0], [0, 0, 0]])
    assert taken.nnz == 2


def test_nothing_found_gives_empty_rows() -> None:
    matrix, places = write_rows([], 3, 2, places=True)
    assert matrix.shape == (3, 2)
    assert matrix.nnz == 0
    assert places is not None
    assert len(places) == 0


def test_a_full_disk_is_said_in_a_line(monkeypatch: pytest.MonkeyPatch) -> None:
    class Full:
        def write(self, content: object) -> None:
            raise OSError(errno.ENOSPC, "No space left on device")

    with Columns({"a": np.int32}) as columns, monkeypatch.context() as patched:
        patched.setitem(columns._files, "a", Full())
        with pytest.raises(InputError, match="the disk is full"):
            columns.append({"a": np.zeros(3)})


def test_counts_are_exact_until_there_is_no_room() -> None:
    counter = BoundedCounter(capacity=3)
    counter.update(["a", "b", "a", "c"])
    assert dict(counter.counts) == {"a": 2, "b": 1, "c": 1}
    assert counter.too_low_by == 0


def test_what_is_more_frequent_than_the_bound_is_never_lost() -> None:
    drawn = np.random.default_rng(0)
    text = [f"w{k}" for k in drawn.zipf(1.3, 30_000).tolist()]
    counter = BoundedCounter(capacity=200)
    for start in range(0, len(text), 100):
        counter.update(text[start : start + 100])
    assert len(counter.counts) <= 200
    assert counter.too_low_by > 0
    names, counts = np.unique(text, return_counts=True)
    for name, count in zip(names.tolist(), counts.tolist(), strict=True):
        assert count - counter.too_low_by <= counter.counts[name] <= count
