"""What holds where, written to disk as it is found, so that memory does not grow with a concept set's matrix."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

import numpy as np
import scipy.sparse
from numpy.typing import NDArray

from wordsight.concepts.concept_set import Occurrences
from wordsight.concepts.disk_columns import Columns
from wordsight.progress import progress_bar

Caption = tuple[int, int, str]
# Example, number of the caption in it, concepts (-1 for none), first character of each, one past the last of each.
Found = tuple[int, int, Sequence[int], Sequence[int], Sequence[int]]
_PLACES = {"example": np.int64, "caption": np.int32, "start": np.int32, "end": np.int32, "concept": np.int32}
_MATRIX = {"indptr": np.int64, "indices": np.int32, "data": np.float32}
# How many numbers are gathered before they go to disk.
_PIECE = 1 << 18
# Rows of a matrix that are looked at together.
_ROWS = 1 << 14
# Texts between two steps of a progress bar: drawing it for each would take as long as the work.
_STEP = 1024


def write_rows(
    found: Iterable[Found], examples: int, size: int, *, places: bool = False, folder: Path | None = None
) -> tuple[scipy.sparse.csr_matrix, Occurrences | None]:
    """Gather which concepts hold for which example.

    Args:
        found: What was found in each caption, in ascending order. Without ``places`` nobody looks at the characters.
        examples: How many rows there are.
        size: K.
        places: Whether the places are kept.
        folder: Where temporary files go.

    Returns:
        The matrix ``[examples, K]`` float32, 1 where a concept holds, and the places; the arrays of both are mapped
        from unnamed files.
    """
    with Columns({**_MATRIX, **_PLACES}, folder) as columns:
        columns.append({"indptr": np.zeros(1, np.int64)})
        rows, held = 0, 0
        for upto, piece in _pieces(found, examples, places):
            if places:
                columns.append(piece)
            pairs = np.unique((piece["example"] - rows) * size + piece["concept"])
            ends = held + np.cumsum(np.bincount(pairs // size, minlength=upto - rows))
            columns.append({"indptr": ends, "indices": pairs % size, "data": np.ones(len(pairs))})
            rows, held = upto, held + len(pairs)
        made = columns.mapped()
    matrix = scipy.sparse.csr_matrix(
        (made["data"], made["indices"], made["indptr"]), shape=(examples, size), copy=False
    )
    return matrix, Occurrences(**{name: made[name] for name in _PLACES}) if places else None


def take_columns(
    matrix: scipy.sparse.csr_matrix, columns_K: NDArray[np.int64], weights_K: NDArray[np.float32], folder: Path | None
) -> scipy.sparse.csr_matrix:
    """Some columns of a matrix, with a weight each where it holds anything; again in memory that does not grow.

    Args:
        matrix: ``[examples, any]``.
        columns_K: Those that are taken, in ascending order.
        weights_K: What stands in them; where this is 0, nothing does.
        folder: Where temporary files go.
    """
    number = np.full(matrix.shape[1] + 1, -1, dtype=np.int64)
    number[columns_K] = np.where(weights_K > 0, np.arange(len(columns_K)), -1)
    with Columns(_MATRIX, folder) as columns:
        columns.append({"indptr": np.zeros(1, np.int64)})
        held = 0
        for first in range(0, matrix.shape[0], _ROWS):
            ends = matrix.indptr[first : first + _ROWS + 1].astype(np.int64)
            indices = number[matrix.indices[ends[0] : ends[-1]]]
            kept = np.concatenate([[0], np.cumsum(indices >= 0)])
            indices = indices[indices >= 0]
            columns.append({"indptr": held + kept[ends[1:] - ends[0]], "indices": indices, "data": weights_K[indices]})
            held += len(indices)
        made = columns.mapped()
    shape = (matrix.shape[0], len(columns_K))
    return scipy.sparse.csr_matrix((made["data"], made["indices"], made["indptr"]), shape=shape, copy=False)


def counts_in_rows(matrix: scipy.sparse.csr_matrix, rows: NDArray[np.int64]) -> NDArray[np.int64]:
    """In how many of some rows each column holds, ``[columns]``; in memory that does not grow with the rows."""
    counts = np.zeros(matrix.shape[1], dtype=np.int64)
    for first in range(0, len(rows), _ROWS):
        counts += np.bincount(matrix[rows[first : first + _ROWS]].indices, minlength=len(counts))
    return counts


def _pieces(found: Iterable[Found], examples: int, places: bool) -> Iterator[tuple[int, dict[str, NDArray[np.int64]]]]:
    """Whole examples at a time: the number of the first that is not in it, and the columns."""
    heads: list[tuple[int, int, int]] = []
    concepts: list[int] = []
    starts: list[int] = []
    ends: list[int] = []

    def piece() -> dict[str, NDArray[np.int64]]:
        concept = np.array(concepts, dtype=np.int64)
        kept = concept >= 0
        head = np.array(heads, dtype=np.int64).reshape(-1, 3)
        columns = {"concept": concept[kept], "example": np.repeat(head[:, 0], head[:, 2])[kept]}
        if places:
            columns["caption"] = np.repeat(head[:, 1], head[:, 2])[kept]
            columns["start"] = np.array(starts, dtype=np.int64)[kept]
            columns["end"] = np.array(ends, dtype=np.int64)[kept]
        return columns

    for example, caption, some, first, last in found:
        if len(concepts) >= _PIECE and example != heads[-1][0]:
            yield example, piece()
            for gathered in (heads, concepts, starts, ends):
                gathered.clear()
        heads.append((example, caption, len(some)))
        concepts.extend(some)
        if places:
            starts.extend(first)
            ends.extend(last)
    yield examples, piece()


def numbered(texts: Sequence[Sequence[str]]) -> Iterator[Caption]:
    """(example, number of the text in it, text) of texts that come as a list for each example."""
    return ((i, j, text) for i, example in enumerate(texts) for j, text in enumerate(example))


def shown(captions: Iterable[Caption], what: str, examples: int) -> Iterator[Caption]:
    """Captions in the order of their examples, behind a progress bar.

    Args:
        captions: (example, number of the caption in it, text).
        what: What is being done.
        examples: How many examples there are.
    """
    with progress_bar() as bar:
        task = bar.add_task(what, total=examples, note="")
        for number, caption in enumerate(captions):
            yield caption
            if number % _STEP == 0:
                bar.update(task, completed=caption[0])
