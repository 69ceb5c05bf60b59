"""The rows of one Arrow IPC file, mapped, and compared with what was written as they are read.

Of each record batch ``corpus.json`` keeps a checksum over its bytes. Comparing it costs reading the whole batch: it is
done once, when the batch is first touched, and for captions alone. A batch of images has 8 MB; there each row has a
checksum of its own, so that showing one image reads one image.
"""

from __future__ import annotations

import os
import zlib
from bisect import bisect_right
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from wordsight.disk import unreadable
from wordsight.errors import InputError

_MEND = "build the corpus again, or copy it again"


class Rows:
    """The record batches of one Arrow IPC file, mapped; a row is found by its number.

    Args:
        path: The file.
        schema: Columns that it must have; whatever it has where this is None.
        checksums: End of each stretch of the file and its checksum, ``END:SUM END:SUM ...``, as :class:`RowWriter`
            notes them: what is before the first batch, each batch, what is after the last one. "" where not known.
        whole: Whether batches are compared with their checksums when they are first touched.

    Raises:
        InputError: When the file can't be read or is damaged; also later, when a damaged part of it is touched.
    """

    def __init__(
        self,
        path: Path,
        schema: pa.Schema | None = None,
        checksums: str = "",
        *,
        whole: bool = True,
    ) -> None:
        self.path = path
        stretches = [each.partition(":") for each in checksums.split()]
        self._stretches = [(int(end), int(checksum, 16)) for end, _, checksum in stretches]
        try:
            self._file: Any = pa.memory_map(os.fsencode(path))
            reader = pa.ipc.open_file(self._file)
            self._batches: list[pa.RecordBatch] = [reader.get_batch(k) for k in range(reader.num_record_batches)]
        except PermissionError as error:
            raise unreadable(error, path) from error
        except (OSError, pa.ArrowException, UnicodeDecodeError) as error:
            raise InputError(f"can't be read ({error})", where=path, mend=_MEND) from error
        if schema is not None and [*reader.schema][: len(schema)] != [*schema]:
            raise self._damaged("its columns are others")
        if self._stretches and len(self._stretches) != len(self._batches) + 2:
            raise self._damaged(f"it holds {len(self._batches)} batches")
        for stretch in (0, len(self._stretches) - 1) if self._stretches else ():
            self._compare(stretch)
        self._names = set(reader.schema.names)
        self._whole = whole and bool(self._stretches)
        self._checked = [False] * len(self._batches)
        self.starts = np.cumsum([0] + [batch.num_rows for batch in self._batches]).tolist()

    def __len__(self) -> int:
        return int(self.starts[-1])

    def __iter__(self) -> Iterator[dict[str, Any]]:
        for k in range(len(self._batches)):
            yield from self._batch(k).to_pylist()

    def __getitem__(self, row: int) -> dict[str, Any]:
        k = bisect_right(self.starts, row) - 1
        found: dict[str, Any] = self._batch(k).slice(row - self.starts[k], 1).to_pylist()[0]
        return found

    @property
    def has_checksums(self) -> bool:
        """Whether each row has one."""
        return "checksum" in self._names

    def close(self) -> None:
        """Let go of the file."""
        self._batches, self._file = [], None

    def cell(self, column: str, row: int) -> pa.Scalar:
        """One value."""
        k = bisect_right(self.starts, row) - 1
        return self._batch(k).column(column)[row - self.starts[k]]

    def column(self, name: str) -> pa.ChunkedArray:
        """All values of a column."""
        return pa.chunked_array([self._batch(k).column(name) for k in range(len(self._batches))])

    def _batch(self, k: int) -> pa.RecordBatch:
        """A batch that was looked at: whatever its bytes are, nothing outside it is read and all text is UTF-8."""
        batch = self._batches[k]
        if not self._checked[k]:
            if self._whole:
                self._compare(k + 1)
            try:
                batch.validate(full=True)
            except pa.ArrowException as error:
                raise self._damaged(str(error)) from error
            self._checked[k] = True
        return batch

    def _compare(self, stretch: int) -> None:
        """Compare a stretch of the file with its checksum."""
        start = self._stretches[stretch - 1][0] if stretch else 0
        end, expected = self._stretches[stretch]
        if zlib.crc32(self._file.read_at(end - start, start)) != expected:
            raise self._damaged(f"bytes {start:,} to {end:,} are not those that were written")

    def _damaged(self, why: str) -> InputError:
        return InputError(f"is damaged ({why})", where=self.path, mend=_MEND)


def row_checksum(data: Any, *cells: object) -> int:
    """The checksum of a row of images: of the bytes of the image and of what stands beside it."""
    return zlib.crc32("\t".join(map(str, cells)).encode(), zlib.crc32(data))
