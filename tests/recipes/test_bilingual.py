"""The recipe of two languages: a head for each, and nothing left of its base's concepts."""

from __future__ import annotations

from pathlib import Path

import pytest

from wordsight.api import recipe_settings
from wordsight.errors import InputError


def test_a_recipe_s_several_concept_sets_replace_the_one_of_its_base() -> None:
    concepts = recipe_settings("tp-words-bilingual-resnet18-small").concepts
    assert concepts == {name: {"kind": "words", "size": 2000, "language": name} for name in ("en", "de")}


def test_a_value_of_one_of_several_concept_sets_leaves_the_others(tmp_path: Path) -> None:
    file = tmp_path / "own.yaml"
    file.write_text("base: tp-words-bilingual-resnet18-small\nconcepts:\n  de:\n    size: 50\n")
    concepts = recipe_settings(file, concepts={"en": {"size": 40}}).concepts
    assert concepts == {name: {"kind": "words", "size": n, "language": name} for name, n in (("en", 40), ("de", 50))}


def test_two_concept_sets_of_one_name_are_refused(tmp_path: Path) -> None:
    file = tmp_path / "own.yaml"
    file.write_text("concepts:\n  a: {kind: words}\n  a: {kind: topics}\n")
    with pytest.raises(InputError, match=r"own\.yaml, line 3: 'a' stands twice"):
        recipe_settings(file)
