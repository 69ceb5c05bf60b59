"""JSON that nests too deeply is one line."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from wordsight.corpus.json_depth import Depth
from wordsight.corpus.json_items import json_content, json_items
from wordsight.errors import InputError


def deep(levels: int, inside: Any = "x") -> Any:
    for level in range(levels):
        inside = [inside] if level % 2 else {"a": inside}
    return inside


@pytest.mark.parametrize("levels", [198, 199, 200, 201, 900])
@pytest.mark.parametrize("size", [1, 7, 1 << 16])
def test_what_nests_too_deeply_is_refused_however_it_comes(levels: int, size: int) -> None:
    text = json.dumps([1, deep(levels - 1, 'br[ack\\\\"ets]] {\\" in strings are none'), "]"]).encode()

    def follow() -> None:
        depth = Depth(Path("a.json"))
        for start in range(0, len(text), size):
            depth.follow(text[start : start + size])

    if levels <= 200:
        follow()
    else:
        with pytest.raises(InputError, match="a.json is nested too deeply"):
            follow()


def test_brackets_in_strings_are_no_nesting() -> None:
    depth = Depth(Path("a.json"))
    for text in ("[[[[" * 200, '\\"[' * 500, "\\" + '"[' * 300):
        depth.follow(json.dumps([text, {"{" * 400: text}]).encode())


@pytest.mark.parametrize("text", ["[" * 200_000, '{"a":' * 200_000, '[{"x":' + "[" * 3_000 + "]" * 3_000 + "}]"])
def test_a_file_that_nests_without_end_is_one_line(text: str, tmp_path: Path) -> None:
    (tmp_path / "a.json").write_text(text)
    with pytest.raises(InputError, match="is nested too deeply"):
        json_content(tmp_path / "a.json", "a list")
    with pytest.raises(InputError, match="is nested too deeply|is not a JSON list"):
        list(json_items(tmp_path / "a.json", "a list"))
