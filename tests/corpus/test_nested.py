"""Paths with dots lead into nested records."""

from __future__ import annotations

from typing import Any

import pytest

from wordsight.corpus.nested import numbered, value_at


@pytest.mark.parametrize(
    ("path", "found"),
    [
        ("a", 1), ("b.c", "x"), ("b.d.e", None), ("d.raw", ["one", "two"]), ("x.y", 7), ("x.z.w", 8), ("none", None),
        ("a.b", None), ("b", {"c": "x"}), ("e.raw", None),
    ],
)  # fmt: skip
def test_a_path_leads_into_objects_and_through_lists(path: str, found: Any) -> None:
    content = {"a": 1, "b": {"c": "x"}, "d": [{"raw": "one"}, {"raw": "two"}, {}], "x.y": 7, "x.z": {"w": 8}, "e": [1]}
    assert value_at(content, path) == found


def test_numbered_names_belong_to_their_stem() -> None:
    names = ["raw", "raw_1", "raw_2", "caption0", "caption-1", "captioner", "raw_x", "2", "rawest_1"]
    assert numbered(names, ("raw", "caption")) == ["raw", "raw_1", "raw_2", "caption0", "caption-1"]
