"""Rows into Arrow IPC files, a record batch at a time, so that memory does not grow with the corpus."""

from __future__ import annotations

import io
import zlib
from collections.abc import Sequence
from pathlib import Path
from types import TracebackType
from typing import Any

import pyarrow as pa

BATCH_ROWS = 1024
BATCH_BYTES = 8 << 20
FILE_BYTES = 256 << 20


class _ChecksumWriter(io.BufferedWriter):
    """A file that keeps a checksum over each stretch of what is written to it."""

    def __init__(self, path: Path) -> None:
        super().__init__(io.FileIO(path, "wb"))
        self.stretches: list[tuple[int, int]] = []
        self._sum = 0

    def write(self, data: Any) -> int:
        self._sum = zlib.crc32(data, self._sum)
        return super().write(data)

    def end_stretch(self) -> None:
        """Note the checksum up to here, and begin a new one."""
        self.stretches.append((self.tell(), self._sum))
        self._sum = 0


class RowWriter:
    """Writes rows to ``<stem>.arrow``, or, when numbered, to ``<stem>-00000.arrow``, ... of about 256 MB each.

    Args:
        folder: Where the files go.
        stem: The first part of their names.
        schema: Their columns.
        numbered: Whether to start a new file when one is full.
    """

    def __init__(self, folder: Path, stem: str, schema: pa.Schema, *, numbered: bool = False) -> None:
        self.folder, self.stem, self.schema, self.numbered = folder, stem, schema, numbered
        self.files: list[dict[str, Any]] = []
        self._columns: list[list[Any]] = [[] for _ in schema]
        self._bytes = 0
        self._sink: _ChecksumWriter | None = None
        self._writer: Any = None

    def __enter__(self) -> RowWriter:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, _: TracebackType | None) -> None:
        if error is None:
            self._flush()
            if not self.files:
                self._start_file()
            self._end_file()
        elif self._sink is not None:
            self._sink.close()

    def add(self, row: Sequence[Any], size: int) -> None:
        """Append a row of one value per column; ``size`` is about how many bytes it takes."""
        for column, value in zip(self._columns, row, strict=True):
            column.append(value)
        self._bytes += size
        if self._bytes >= BATCH_BYTES or len(self._columns[0]) >= BATCH_ROWS:
            self._flush()

    def _flush(self) -> None:
        rows = len(self._columns[0])
        if not rows:
            return
        sink = self._sink or self._start_file()
        arrays = [pa.array(column, type=field.type) for column, field in zip(self._columns, self.schema, strict=True)]
        self._writer.write_batch(pa.record_batch(arrays, schema=self.schema))
        sink.end_stretch()
        self.files[-1]["rows"] += rows
        self._columns, self._bytes = [[] for _ in self.schema], 0
        if self.numbered and sink.tell() >= FILE_BYTES:
            self._end_file()

    def _start_file(self) -> _ChecksumWriter:
        name = f"{self.stem}-{len(self.files):05d}.arrow" if self.numbered else f"{self.stem}.arrow"
        # A Python file, not Arrow's own: its errors carry the system's error number, which says that a disk is full.
        self._sink = _ChecksumWriter(self.folder / name)
        self._writer = pa.ipc.new_file(self._sink, self.schema)
        self._sink.end_stretch()
        self.files.append({"file": name, "rows": 0, "bytes": 0})
        return self._sink

    def _end_file(self) -> None:
        if self._sink is None:
            return
        self._writer.close()
        self._sink.end_stretch()
        self.files[-1]["checksums"] = " ".join(f"{end}:{checksum:08x}" for end, checksum in self._sink.stretches)
        self._sink.close()
        self.files[-1]["bytes"] = (self.folder / self.files[-1]["file"]).stat().st_size
        self._writer = self._sink = None
