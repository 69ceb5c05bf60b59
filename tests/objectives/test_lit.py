"""A locked backbone keeps every byte, texts learn to meet it, and the loss is CLIP's."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file
from torch.nn import functional

import wordsight
from tests.objectives.towers import (
    SETTINGS,
    STEP,
    assert_it_goes_on_to_the_same_numbers,
    assert_same_value_and_gradient,
    assert_two_processes_equal_one,
    step,
    towers,
)
from wordsight.corpus import Corpus
from wordsight.errors import InputError
from wordsight.objectives import Seen
from wordsight.objectives.lit import Lit
from wordsight.training.optimizer import build_optimizer
from wordsight.training.pretrain_settings import OptimizerSettings, PretrainSettings
from wordsight.training.run import Run
from wordsight.vision.backbones import BackboneSettings


def lit(**values: object) -> Lit:
    built = towers("lit", **values)
    assert isinstance(built, Lit)
    return built


@pytest.fixture(scope="module")
def teacher(coloured_squares: Corpus, tmp_path_factory: pytest.TempPathFactory) -> Run:
    """A run whose backbone has learned colours."""
    settings = replace(SETTINGS, backbone_settings=BackboneSettings(stages=2))
    return wordsight.pretrain(settings, corpus=coloured_squares, out=tmp_path_factory.mktemp("teacher") / "clip")


def after(teacher: Run, **values: Any) -> PretrainSettings:
    """Settings of a run that begins with the backbone of another; a rate and a decay that would change anything."""
    return replace(
        SETTINGS,
        objective="lit",
        objective_settings={**SETTINGS.objective_settings, **values},
        backbone_settings=BackboneSettings(stages=2),
        weights=str(teacher.path / "backbone.safetensors"),
        optimizer=OptimizerSettings(warmup_share=0.1, weight_decay=0.5),
    )


def changed(one: Run, other: Run) -> set[str]:
    """The parts of the network of which any byte differs."""
    first, second = (load_file(run.path / "backbone.safetensors") for run in (one, other))
    return {name.split(".")[0] for name in first if first[name].numpy().tobytes() != second[name].numpy().tobytes()}


def test_the_loss_and_its_gradients_are_open_clip_s_on_what_the_backbone_sees() -> None:
    loss = pytest.importorskip("open_clip.loss", reason="open_clip is not installed: pip install open_clip_torch")
    objective, drawn = lit(), step([3, 9, 4, 8], [[1], [4], [7], [9]])
    texts = [p for p in objective.text_tower.parameters() if p.requires_grad]
    seen = Seen(objective.backbone, drawn)
    images = functional.normalize(seen.grid().mean((2, 3)), dim=1)
    assert torch.equal(objective.embed(seen, drawn)["images"], images) and not images.requires_grad
    theirs = loss.ClipLoss()(images, objective.embed(seen, drawn)["texts"][:, 0], objective.log_scale.exp())
    assert_same_value_and_gradient(objective.losses(seen, drawn).total, theirs, [*texts, objective.log_scale])


def test_two_processes_have_the_loss_and_gradients_of_one(tmp_path: Path) -> None:
    assert_two_processes_equal_one(
        lambda: lit(captions=2, image_projection=True), lambda rank, world: step(*STEP, rank, world), tmp_path
    )


def test_only_what_learns_is_given_to_the_optimiser() -> None:
    def learned(**values: object) -> set[str]:
        objective = lit(**values)
        of = {id(p): name.split(".")[0] for name, p in objective.named_parameters()}
        groups = build_optimizer(objective, OptimizerSettings(), 1e-3).param_groups
        return {of[id(p)] for group in groups for p in group["params"]}

    assert learned() == {"log_scale", "text_tower"}
    assert learned(image_projection=True) == {"log_scale", "text_tower", "image_projection"}
    assert learned(unlocked_layers=1) == {"log_scale", "text_tower", "backbone"}


def test_texts_are_as_wide_as_the_backbone_unless_there_is_a_projection() -> None:
    with torch.no_grad():
        assert lit().embed_texts(["a dog"]).shape == (1, 6)
        assert lit(image_projection=True).embed_texts(["a dog"]).shape == (1, 5)


def test_a_locked_backbone_keeps_every_byte_and_texts_learn_to_read_it(
    teacher: Run, coloured_squares: Corpus, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """The paper's Section 4: zero-shot classification by a tower that never saw a pair."""
    run = wordsight.pretrain(after(teacher), corpus=coloured_squares, out=tmp_path / "lit")
    assert changed(run, teacher) == set()
    assert "0.7M parameters (locked)" in capsys.readouterr().err
    (found,) = wordsight.evaluate(run, task=f"corpus:{coloured_squares.path}", protocol="zero-shot", device="cpu")
    assert found.value >= 75 and found.baselines["chance"] == 25
    assert {result.protocol for result in wordsight.evaluate(run, corpus=coloured_squares, device="cpu")} == {
        "retrieval"
    }
    assert "to read captions in what a backbone had learned before" in wordsight.report(run).read_text("utf-8")


def test_unlocked_layers_alone_learn_and_a_stopped_run_goes_on_to_the_same_numbers(
    teacher: Run, coloured_squares: Corpus, tmp_path: Path
) -> None:
    settings = replace(after(teacher, unlocked_layers=1), epochs=3)
    run = assert_it_goes_on_to_the_same_numbers(coloured_squares, tmp_path, settings)
    assert changed(run, teacher) == {"layer2"}


def test_two_processes_lock_it_too(teacher: Run, coloured_squares: Corpus, tmp_path: Path) -> None:
    settings = replace(after(teacher, unlocked_layers=1), epochs=1, devices=2)
    run = wordsight.pretrain(settings, corpus=coloured_squares, out=tmp_path / "two")
    assert changed(run, teacher) == {"layer2"}


def test_in_a_sum_the_backbone_is_locked_for_all(teacher: Run, coloured_squares: Corpus, tmp_path: Path) -> None:
    texts = {"kind": "lit", **SETTINGS.objective_settings}
    settings = replace(
        after(teacher),
        objective="weighted-sum",
        objective_settings={"objectives": {"texts": texts, "tags": {"kind": "tag-prediction"}}},
        concepts={"kind": "words", "size": 4},
        epochs=1,
    )
    run = wordsight.pretrain(settings, corpus=coloured_squares, out=tmp_path / "sum")
    assert changed(run, teacher) == set()


@pytest.mark.parametrize("within", ["alone", "in a sum"])
def test_random_weights_are_refused_before_anything_is_made(
    coloured_squares: Corpus, tmp_path: Path, within: str
) -> None:
    settings = replace(SETTINGS, objective="lit")
    if within == "in a sum":
        settings = replace(
            SETTINGS, objective="weighted-sum", objective_settings={"objectives": {"a": {"kind": "lit"}}}
        )
    with pytest.raises(
        InputError, match=r"builds on a backbone that has learned before.*random.*weights='RUN/"
    ) as found:
        wordsight.pretrain(settings, corpus=coloured_squares, out=tmp_path / "run")
    assert "\n" not in str(found.value)
    assert list(tmp_path.iterdir()) == []


def test_more_layers_than_there_are_can_not_be_unlocked() -> None:
    with pytest.raises(InputError, match="unlocked_layers: 2 layers are to learn, and the backbone has 1; expected at"):
        lit(unlocked_layers=2)
