"""Fine-tuning: its schedule, what it leaves alone, its shares of labels, its baseline from scratch."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

from tests.evaluation.conftest import settings_of
from wordsight.errors import InputError
from wordsight.evaluation import EvalProtocol, EvaluatedModel, Task, evaluate, open_task
from wordsight.evaluation.methods.fine_tune import FineTuneSettings, fine_tune
from wordsight.vision.backbones import Backbone

FULL: FineTuneSettings = settings_of("fine-tune")
BRIEF = replace(FULL, epochs=3, least_steps=0, batch=8, lr=1e-3)


@pytest.fixture
def task(colour_folder: Path) -> Task:
    return open_task(f"folder:{colour_folder}")


@pytest.fixture
def network() -> Backbone:
    torch.manual_seed(0)
    return Backbone(nn.Sequential(nn.Conv2d(3, 8, 3, 2, 1), nn.BatchNorm2d(8), nn.ReLU(), nn.Dropout(0.1)), {}, 8)


def test_the_rate_rises_and_falls_to_zero() -> None:
    settings = replace(FULL, warmup_share=0.2)
    rates = [settings.rates.rate(step, 10) for step in range(10)]
    assert rates[:3] == [0.5, 1.0, 1.0]
    # Half a cosine over the eight steps after the warm-up: its middle is a half.
    assert rates[6] == pytest.approx(0.5)
    assert rates[-1] == pytest.approx(0.5 * (1 + np.cos(np.pi * 7 / 8)))
    assert sorted(rates[2:], reverse=True) == rates[2:]
    assert replace(FULL, warmup_share=0.0).rates.rate(0, 10) == 1


def test_the_backbone_of_the_subject_is_not_changed(model: EvaluatedModel, task: Task, network: Backbone) -> None:
    network.requires_grad_(False).eval()
    before = {name: tensor.clone() for name, tensor in network.state_dict().items()}
    state = torch.get_rng_state()
    found = fine_tune(model, network, task, BRIEF, "made")
    assert found.steps == 9
    assert found.images == 24
    assert all(torch.equal(tensor, before[name]) for name, tensor in network.state_dict().items())
    assert not any(parameter.requires_grad for parameter in network.parameters())
    assert not network.training
    assert torch.equal(torch.get_rng_state(), state)


def test_colours_are_learned_by_a_network_that_sees_only_their_brightness_at_first(
    model: EvaluatedModel, task: Task
) -> None:
    long = replace(BRIEF, epochs=10, lr=0.05, head_rate=2.0)
    blind = fine_tune(model, model.random_backbone(), task, replace(long, lr=1e-9), "made")
    seeing = fine_tune(model, model.random_backbone(), task, long, "made")
    assert seeing.value == 100
    assert blind.value <= 75


def test_a_seed_pins_the_scores(model: EvaluatedModel, task: Task, network: Backbone) -> None:
    first, second, other = (
        fine_tune(model, network, task, replace(BRIEF, epochs=1, seed=seed), "made").scores for seed in (0, 0, 1)
    )
    np.testing.assert_array_equal(first, second)
    assert not np.array_equal(first, other)


def test_few_labels_are_learned_from_for_as_many_steps(model: EvaluatedModel, task: Task) -> None:
    few = replace(BRIEF, label_share=0.25, least_steps=7)
    found = fine_tune(model, model.backbone, task, few, "made")
    assert (found.images, found.steps) == (6, 7)
    hundredth = fine_tune(model, model.backbone, task, replace(few, label_share=0.01), "made")
    assert (hundredth.images, hundredth.steps) == (2, 7)


def test_the_baseline_is_learned_from_scratch_once(model: EvaluatedModel, task: Task) -> None:
    built = 0
    make = model.random_backbone

    def random_init() -> Backbone:
        nonlocal built
        built += 1
        return make()

    brief = EvalProtocol("brief", "fine-tune", BRIEF)
    seen = replace(model, random_backbone=random_init)
    (first,) = evaluate(seen, task, [brief])
    assert first.metric == "top-1 accuracy"
    assert first.random_weights == fine_tune(model, make(), task, BRIEF, "made").value
    assert first.outcomes is not None
    assert first.outcomes.value == first.value
    assert first.counts["labelled_images"] == 24
    assert first.settings["views"]["flip"] == 0.5
    again = evaluate(seen, task, [brief])
    assert again == [first]
    renamed = evaluate(seen, task, [replace(brief, name="renamed")])
    assert renamed[0].random_weights == first.random_weights


def test_learning_that_diverges_is_said(model: EvaluatedModel, task: Task) -> None:
    with pytest.raises(InputError, match="diverged"):
        fine_tune(model, model.backbone, task, replace(BRIEF, lr=1e30), "fine-tuning")


@pytest.mark.parametrize(
    "change", [{"label_share": 0.0}, {"label_share": 1.5}, {"batch": 1}, {"lr": 0.0}, {"warmup_share": 1.0}]
)
def test_settings_that_mean_nothing_are_refused(change: dict[str, object]) -> None:
    with pytest.raises(InputError):
        settings_of("fine-tune", **change)


@pytest.mark.parametrize(("name", "share"), [("fine-tune-10-percent", 0.1), ("fine-tune-1-percent", 0.01)])
def test_shares_of_the_labels_have_protocols(name: str, share: float) -> None:
    settings = settings_of(name)
    assert settings.label_share == share
    kept = replace(settings, label_share=1.0, least_steps=FULL.least_steps, epochs=FULL.epochs)
    assert kept == FULL, "all else is the same"
