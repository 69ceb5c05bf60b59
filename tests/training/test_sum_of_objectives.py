"""The sum of objectives that the documentation shows trains, is opened again, and answers by all of its parts."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml

import wordsight
from tests.conftest import MakeCorpus
from wordsight.language.model import LanguageModel
from wordsight.objectives import MaskedWordObjective, TagObjective, parts_of
from wordsight.training.run import Run

PAGE = (Path(__file__).parents[2] / "docs" / "recipes.md").read_text("utf-8")
CAPTIONS = [
    [f"a {word} runs on the {place}", f"one {word} sleeps"] for word in ("dog", "cat") for place in ("lawn", "road")
]
TINY: dict[str, Any] = {
    "concepts": {"kind": "words", "size": 6, "min_count": 1},
    "backbone_settings": {"stages": 1},
    "image_size": 32,
    "epochs": 2,
    "batch_size": 4,
    "device": "cpu",
    "workers": 0,
}


def recipe_of_the_page(folder: Path) -> Path:
    """The recipe, as it stands there."""
    block = PAGE.split("# words-tags-rotation.yaml\n")[1].split("\n\n")[0]
    file = folder / "words-tags-rotation.yaml"
    file.write_text("\n".join(line[4:] for line in block.splitlines()))
    assert set(yaml.safe_load(file.read_text())["objectives"]) == {"words", "tags", "turns"}
    return file


def test_the_sum_of_the_page_trains_and_answers_by_all_of_its_parts(
    make_corpus: MakeCorpus, minilm: LanguageModel, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("WORDSIGHT_CACHE", str(tmp_path / "cache"))
    corpus = make_corpus([*CAPTIONS, *CAPTIONS], ["train"] * 4 + ["test"] * 4)
    run = wordsight.pretrain(recipe_of_the_page(tmp_path), corpus=corpus, out=tmp_path / "run", **TINY)
    line = run.metrics()[-1]
    parts = line["masked"] + 0.1 * line["tag"]
    # Rotation's loss is the rest of the sum, and both accuracies have the names of their parts.
    assert line["loss"] > parts and {"words_accuracy", "turns_accuracy"} <= line.keys()
    objective = Run.open(run.path).objective()
    assert len(parts_of(objective, MaskedWordObjective)) == len(parts_of(objective, TagObjective)) == 1
    results = wordsight.evaluate(run, corpus=corpus, protocol=["masked-words", "tags"], device="cpu")
    assert {result.protocol for result in results} == {"masked-words", "tags"}
    assert "on several tasks at once" in wordsight.report(run).read_text("utf-8")
