"""Records of images in JSON, however they are nested: a list, JSON Lines, lists by class or by split, captions by file.

Nested fields have names with dots: ``image.file_name`` of ``{"image": {"file_name": "a.jpg"}}``.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import islice
from pathlib import Path
from typing import Any, Literal

from wordsight.corpus.columns import names_image
from wordsight.corpus.example import Rejected
from wordsight.corpus.image_formats import is_image_name
from wordsight.corpus.json_depth import Depth
from wordsight.corpus.json_items import json_content, json_items
from wordsight.corpus.nested import value_at
from wordsight.corpus.packed import unpacked
from wordsight.corpus.splits import part_of
from wordsight.corpus.tabular import Row
from wordsight.errors import InputError, listed, setting

LAYOUT = 'records such as {"image": "a.jpg", "caption": "a dog on a beach"}, in a list, by line, or by class'
# The fields of this many records are the columns: enough that one which many records leave out is seen.
_LOOK_AHEAD = 2_000
_DEEPEST = 4
_MARK = b"\xef\xbb\xbf"
# Names of lists that say nothing of what is in them.
_CONTAINERS = (
    "annotations",
    "images",
    "data",
    "records",
    "items",
    "samples",
    "examples",
    "rows",
    "captions",
    "entries",
)

Record = tuple[str, Mapping[str, Any]]
"""What to call a record ("record 17"), and its fields."""


@dataclass(frozen=True)
class JsonRecords:
    """One JSON file of records.

    A key above a list of records is their split where all such keys are splits (``{"train": [...], "val": [...]}``),
    else their label (NWPU-Captions); above anything else it is the name of the image.

    Args:
        path: The file, packed or not.
        records: The field that holds the records, where it can't be told; a nested one with dots.
    """

    path: Path
    records: str | None = None

    @cached_property
    def columns(self) -> list[str]:
        """The fields of the records, nested ones with dots.

        Raises:
            InputError: When the file can't be read, or holds no records.
        """
        found: dict[str, None] = {}
        for item in islice(self._records(), _LOOK_AHEAD):
            if not isinstance(item, Rejected):
                found.update(dict.fromkeys(_fields(item[1])))
        if not found:
            raise InputError("holds no records", where=self.path, expected=LAYOUT)
        return list(found)

    @property
    def has_names(self) -> bool:
        """Fields always have names."""
        return True

    def holds_bytes(self, column: str) -> bool:
        """JSON holds no bytes as they are."""
        return False

    def class_names(self, column: str) -> list[str]:
        """JSON declares no classes."""
        return []

    def rows(self, columns: Sequence[str]) -> Iterator[Row | Rejected]:
        """Yield the records with the given fields; what is no record becomes a reject."""
        for item in self._records():
            if isinstance(item, Rejected):
                yield item
            else:
                name, record = item
                yield Row(name, {column: value_at(record, column) for column in columns})

    def _records(self) -> Iterator[Record | Rejected]:
        if self._kind == "lines":
            yield from self._lines()
        elif self._kind == "list" and self.records is None:
            for number, entry in enumerate(json_items(self.path, LAYOUT), start=1):
                yield _record(f"record {number:,}", entry)
        else:
            yield from self._of_object(self._content)

    @cached_property
    def _kind(self) -> Literal["list", "lines", "object"]:
        """How the file is laid out, by its first two lines that are not blank."""
        try:
            with unpacked(self.path) as file:
                if file.read(64).removeprefix(_MARK).lstrip().startswith(b"["):
                    return "list"
                file.seek(0)
                lines = (line for line in iter(file.readline, b"") if line.removeprefix(_MARK).strip())
                first, second = (next(lines, b"").removeprefix(_MARK).strip() for _ in range(2))
        except FileNotFoundError as error:
            raise InputError("no such file", where=self.path, expected="a JSON file") from error
        except OSError as error:
            raise InputError(f"can't be read ({error})", where=self.path, expected="a JSON file") from error
        if self._is_called_lines or (second.startswith(b"{") and _parsed(first) is not None):
            return "lines"
        return "object"

    @property
    def _is_called_lines(self) -> bool:
        return any(suffix.lower() in (".jsonl", ".ndjson") for suffix in self.path.suffixes[-2:])

    def _lines(self) -> Iterator[Record | Rejected]:
        try:
            with unpacked(self.path) as file:
                for number, line in enumerate(iter(file.readline, b""), start=1):
                    text = line.removeprefix(_MARK).strip()
                    if text:
                        Depth(self.path).follow(text)
                        yield _record(f"line {number:,}", _parsed(text), text=text)
        except OSError as error:
            raise InputError(f"can't be read ({error})", where=self.path, expected=LAYOUT) from error

    @cached_property
    def _content(self) -> Any:
        content = json_content(self.path, LAYOUT)
        if self.records is None:
            return content
        found = value_at(content, self.records)
        if not isinstance(found, list | dict):
            what = "has none" if found is None else f"has a {type(found).__name__}"
            keys = f"; its keys: {listed(content)}" if isinstance(content, dict) else ""
            raise InputError(
                f"{what} at {self.records!r} ({setting('records')}){keys}", where=self.path, expected=LAYOUT
            )
        return found

    def _of_object(self, content: Any, split: str = "") -> Iterator[Record | Rejected]:
        """The records in what is no plain list."""
        if isinstance(content, list):
            for number, entry in enumerate(content, start=1):
                yield _record(f"record {number:,}", entry, {"split": split})
        elif not isinstance(content, dict):
            raise InputError(f"holds {type(content).__name__}", where=self.path, expected=LAYOUT)
        elif content and all(map(is_image_name, content)):
            yield from self._by_image(content, split)
        elif lists := {key: entries for key, entries in content.items() if self._is_list_of_records(entries)}:
            yield from self._of_lists(content, lists, split)
        elif self._is_record(content):
            yield _record("record 1", content, {"split": split})
        elif (
            len(inner := [key for key in content if key in _CONTAINERS and isinstance(content[key], list | dict)]) == 1
        ):
            yield from self._of_object(content[inner[0]], split)
        elif not split and content and all(part_of(key) and isinstance(each, dict) for key, each in content.items()):
            for key, each in content.items():
                yield from self._of_object(each, key)
        else:
            yield from self._by_image(content, split)

    def _of_lists(
        self, content: dict[str, Any], lists: dict[str, list[Any]], split: str
    ) -> Iterator[Record | Rejected]:
        """The records in lists that have keys, and what the keys say of them."""
        if "images" in lists and "annotations" in content:
            mend = f"read it by: wordsight corpus build coco {self.path} IMAGES"
            raise InputError("has COCO's layout, images and annotations", where=self.path, expected=LAYOUT, mend=mend)
        names = {name for entries in lists.values() for name in entries[0]}
        told = ""
        if all(part_of(key) for key in lists):
            told = "split"
        elif len(lists) > 1 or (len(content) == 1 and next(iter(lists)) not in _CONTAINERS):
            told = "class" if "label" in names else "label"
        for key, entries in lists.items():
            for number, entry in enumerate(entries, start=1):
                yield _record(f"{key} {number:,}", entry, {"split": split} | ({told: key} if told else {}))

    def _by_image(self, content: dict[str, Any], split: str) -> Iterator[Record | Rejected]:
        """Captions, or records without an image of their own, by the names of their images."""
        if not any(isinstance(each, str | list | dict) for each in content.values()):
            raise InputError(f"has the keys {listed(content) or 'none'}", where=self.path, expected=LAYOUT)
        for name, said in content.items():
            if isinstance(said, dict):
                has_own = any(map(names_image, said))
                yield _record(name, said, {"split": split} if has_own else {"split": split, "image": name})
            elif isinstance(said, str | list):
                yield _record(name, {"image": name, "caption": said}, {"split": split})
            else:
                yield Rejected(name, "example", "broken record", f"{type(said).__name__} {str(said)[:100]}")

    def _is_record(self, content: dict[str, Any]) -> bool:
        """Whether an object is one record: it names an image, not a list of them, and says more."""
        named = any(names_image(name) and isinstance(each, str | int) for name, each in content.items())
        return named and len(content) > 1

    def _is_list_of_records(self, entries: Any) -> bool:
        if not isinstance(entries, list) or not entries or not isinstance(entries[0], dict):
            return False
        return any(names_image(name.rpartition(".")[2]) for name in _fields(entries[0]))


def _record(name: str, entry: Any, told: Mapping[str, str] = {}, text: bytes = b"") -> Record | Rejected:
    """A record, with what is told of it from outside: what it says itself counts first."""
    if not isinstance(entry, dict):
        shown = text.decode("utf-8", "replace") if text else str(entry)
        return Rejected(name, "example", "broken record", f"no JSON object: {shown[:100]}")
    return name, {**{key: value for key, value in told.items() if value}, **entry}


def _fields(record: Mapping[str, Any], depth: int = 1) -> Iterator[str]:
    """The names of a record's fields, those inside objects and lists of objects with dots behind those around them."""
    for name, value in record.items():
        yield name
        inner = value[0] if isinstance(value, list) and value else value
        if isinstance(inner, dict) and depth < _DEEPEST:
            yield from (f"{name}.{each}" for each in _fields(inner, depth + 1))


def _parsed(line: bytes) -> dict[str, Any] | None:
    try:
        content = json.loads(line)
    except (ValueError, RecursionError):
        return None
    return content if isinstance(content, dict) else None
