"""A name stands for one thing: what is found under it is what was looked for."""

from __future__ import annotations

import ast
from collections import defaultdict
from pathlib import Path

import wordsight

HOUSE = Path(wordsight.__file__).parent


def test_no_two_classes_share_a_name() -> None:
    places: dict[str, list[str]] = defaultdict(list)
    for file in sorted(HOUSE.rglob("*.py")):
        for node in ast.walk(ast.parse(file.read_text("utf-8"))):
            if isinstance(node, ast.ClassDef):
                places[node.name].append(file.relative_to(HOUSE).as_posix())
    assert len(places) > 100
    assert {name: files for name, files in places.items() if len(files) > 1} == {}
