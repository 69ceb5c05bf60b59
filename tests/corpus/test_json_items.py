"""A long JSON list is read item by item, in bounded memory."""

from __future__ import annotations

import json
import resource
import sys
from pathlib import Path

import pytest

from wordsight.corpus.json_items import json_items
from wordsight.errors import InputError


@pytest.mark.parametrize("start", ["", "\ufeff", " \n"])
def test_the_items_are_those_that_json_reads(start: str, tmp_path: Path) -> None:
    items: list[object] = [{"id": 1, "x": 0.25, "phrase": "café ☕"}, [], None, -3, 1e3]
    (tmp_path / "a.json").write_text(start + json.dumps(items), encoding="utf-8")
    assert list(json_items(tmp_path / "a.json", "a list")) == items
    (tmp_path / "a.json").write_text(f"{start}[ ]", encoding="utf-8")
    assert list(json_items(tmp_path / "a.json", "a list")) == []


def test_memory_does_not_grow_with_the_list(tmp_path: Path) -> None:
    line = json.dumps({"phrase": "a dog runs " * 100})
    with (tmp_path / "a.json").open("w") as file:
        file.write("[" + line)
        file.writelines("," + line for _ in range(40_000))
        file.write("]")
    assert (tmp_path / "a.json").stat().st_size > 40e6
    next(json_items(tmp_path / "a.json", "a list"))
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    assert sum(1 for _ in json_items(tmp_path / "a.json", "a list")) == 40_001
    grown = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before
    assert grown * (1 if sys.platform == "darwin" else 1024) < 8e6


@pytest.mark.parametrize(
    ("content", "what"),
    [
        (b'[{"a": 1}, {"a": 2}, {"a" 3}, {"a": 4}]', "broken JSON after 2 entries"),
        (b'[{"a": 1}, {"a":', "broken JSON after 1 entries"),
        (b'[{"a": "caf\xe9"}]', "broken JSON after 0 entries"),
        (b'[{"a": 1}] nonsense', "broken JSON after 1 entries"),
        (b'{"a": 1}', "is not a JSON list; expected a list of things"),
        (b"", "is not a JSON list"),
        (b"PK\x03\x04 ...", "is damaged or cut off"),
        (b"\x1f\x8b\x08 ...", "is damaged or cut off"),
        (b"\x28\xb5\x2f\xfd ...", r"is packed \(zstd\); unpack it first"),
    ],
)
def test_what_is_broken_is_one_line(content: bytes, what: str, tmp_path: Path) -> None:
    (tmp_path / "a.json").write_bytes(content)
    with pytest.raises(InputError, match=f"a.json:? {what}"):
        list(json_items(tmp_path / "a.json", "a list of things"))


def test_an_absent_file_or_a_folder_is_one_line(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no such file; expected a list"):
        list(json_items(tmp_path / "none.json", "a list"))
    with pytest.raises(InputError, match="can't be read"):
        list(json_items(tmp_path, "a list"))
