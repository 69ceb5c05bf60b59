"""Rows of a Parquet or Arrow file, and what the datasets library wrote into it about its columns."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from wordsight.errors import InputError

# Small batches: a column may hold whole images.
_BATCH = 64
_FILE_MAGIC = b"ARROW1"


@dataclass(frozen=True)
class Columnar:
    """One Parquet file, or one Arrow file or stream, as ``save_to_disk`` writes them.

    Args:
        path: The file.
    """

    path: Path

    @cached_property
    def schema(self) -> pa.Schema:
        """The names and types of the columns.

        Raises:
            InputError: When the file is absent or of another format.
        """
        with self._clear_errors():
            if self._is_parquet:
                return pq.read_schema(self.path)
            with self._arrow() as reader:
                return reader.schema

    def holds_bytes(self, column: str) -> bool:
        """Whether a column holds images themselves, not their names."""
        kind = self.schema.field(column).type
        return bool(pa.types.is_struct(kind) or pa.types.is_binary(kind) or pa.types.is_large_binary(kind))

    def class_names(self, column: str) -> list[str]:
        """What the classes are called whose numbers stand in a column, by the datasets library; empty where unknown."""
        if column in self._features:
            return _class_names(self._features[column])
        first, _, rest = column.partition(".")
        feature = self._features.get(first)
        for name in rest.split(".") if rest else ():
            feature = _inner(feature).get(name)
        return _class_names(feature)

    def rows(self, columns: Sequence[str]) -> Iterator[dict[str, Any]]:
        """Yield the cells of each row.

        Raises:
            InputError: When the file can't be read to its end.
        """
        wanted = list(columns)
        with self._clear_errors(), ExitStack() as stack:
            if self._is_parquet:
                file = stack.enter_context(pq.ParquetFile(self.path))
                batches: Iterator[Any] = file.iter_batches(batch_size=_BATCH, columns=wanted)
            else:
                batches = _slices(stack.enter_context(self._arrow()), wanted)
            for batch in batches:
                # Arrow follows the offsets of texts and lists wherever they point, and takes any bytes for text.
                batch.validate(full=True)
                yield from batch.to_pylist()

    @property
    def _is_parquet(self) -> bool:
        return self.path.suffix.lower() == ".parquet"

    @contextmanager
    def _arrow(self) -> Iterator[Any]:
        with pa.memory_map(os.fsencode(self.path)) as mapped:
            is_file = mapped.read(len(_FILE_MAGIC)) == _FILE_MAGIC
            mapped.seek(0)
            with pa.ipc.open_file(mapped) if is_file else pa.ipc.open_stream(mapped) as reader:
                yield reader

    @cached_property
    def _features(self) -> Mapping[str, Any]:
        """The datasets library's types of the columns: in the schema, or in ``dataset_info.json`` beside the file."""
        held = (self.schema.metadata or {}).get(b"huggingface", b"")
        beside = self.path.parent / "dataset_info.json"
        for text in (held, beside.read_bytes() if beside.is_file() else b""):
            try:
                content = json.loads(text) if text else {}
            except ValueError:
                continue
            info = content.get("info", content) if isinstance(content, dict) else {}
            features = info.get("features") if isinstance(info, dict) else None
            if isinstance(features, dict) and features:
                return features
        return {}

    @contextmanager
    def _clear_errors(self) -> Iterator[None]:
        try:
            yield
        except FileNotFoundError as error:
            raise InputError("no such file", where=self.path, expected="a table") from error
        except (OSError, EOFError, pa.ArrowException) as error:
            raise InputError(f"can't be read ({error})", where=self.path) from error


def _slices(reader: Any, columns: list[str]) -> Iterator[Any]:
    """The batches of an Arrow file or stream, a few rows at a time."""
    files = isinstance(reader, pa.ipc.RecordBatchFileReader)
    for batch in map(reader.get_batch, range(reader.num_record_batches)) if files else reader:
        chosen = batch.select(columns)
        for start in range(0, batch.num_rows, _BATCH):
            yield chosen.slice(start, _BATCH)


def _inner(feature: Any) -> dict[str, Any]:
    """The types of a struct's fields, also of one within a list."""
    if isinstance(feature, list):
        return _inner(feature[0]) if feature else {}
    if not isinstance(feature, dict):
        return {}
    return _inner(feature["feature"]) if isinstance(feature.get("_type"), str) and "feature" in feature else feature


def _class_names(feature: Any) -> list[str]:
    """The names in a ClassLabel, also within a list or a struct, in each of the spellings that the library has had."""
    if isinstance(feature, list):
        return _class_names(feature[0]) if feature else []
    if not isinstance(feature, dict):
        return []
    kind = feature.get("_type")
    names = feature.get("names", feature.get("class_label") if kind is None else None)
    if kind == "ClassLabel" or (kind is None and "class_label" in feature):
        names = names.get("names", names) if isinstance(names, dict) and "names" in names else names
        if isinstance(names, dict):
            names = [names[key] for key in sorted(names, key=lambda key: int(key) if str(key).isdecimal() else 0)]
        return [str(name) for name in names] if isinstance(names, list) else []
    inner = feature.get("feature") if kind is not None else list(feature.values())
    if isinstance(inner, list) or kind is None:
        return next(filter(None, map(_class_names, inner or [])), [])
    return _class_names(inner)
