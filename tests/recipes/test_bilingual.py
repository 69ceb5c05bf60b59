"""The recipe of two languages: a head for each, and nothing left of its base's concepts."""

from __future__ import annotations

from wordsight.api import recipe_settings


def test_a_recipe_s_several_concept_sets_replace_the_one_of_its_base() -> None:
    concepts = recipe_settings("tp-words-bilingual-resnet18-small").concepts
    assert concepts == {name: {"kind": "words", "size": 2000, "language": name} for name in ("en", "de")}
