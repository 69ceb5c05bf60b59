"""The first step of fine-tuning: at which rate network and classifier move, and what is decayed."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
import torch
from torch import Tensor, nn

from tests.evaluation.conftest import settings_of
from tests.training.tiny_runs import each_step
from wordsight.evaluation import EvaluatedModel, open_task
from wordsight.evaluation.methods.fine_tune import fine_tune
from wordsight.vision.backbones import Backbone

Update = tuple[Tensor, Tensor, Tensor]


@pytest.fixture
def network() -> Backbone:
    torch.manual_seed(0)
    return Backbone(nn.Sequential(nn.Conv2d(3, 8, 3, 2, 1), nn.BatchNorm2d(8), nn.Tanh()), {}, 8)


def first_updates(model: EvaluatedModel, folder: Path, network: Backbone, **values: float) -> list[Update]:
    """Each parameter before the first step, its gradient, and the parameter after."""
    settings = replace(settings_of("fine-tune"), epochs=1, least_steps=0, batch=24, warmup_share=0.0, lr=1e-3, **values)
    before: list[tuple[Tensor, Tensor, Tensor]] = []
    updates: list[Update] = []

    def parameters(optimizer: torch.optim.Optimizer) -> list[Tensor]:
        return [p for group in optimizer.param_groups for p in group["params"]]

    def keep(step: int, optimizer: torch.optim.Optimizer) -> None:
        if step == 0:
            before.extend((p, p.detach().clone(), p.grad.clone()) for p in parameters(optimizer) if p.grad is not None)

    def compare(step: int, optimizer: torch.optim.Optimizer) -> None:
        if step == 0:
            updates.extend((start, gradient, p.detach().clone()) for p, start, gradient in before)

    with each_step(keep, compare):
        fine_tune(model, network, open_task(f"folder:{folder}"), settings, "made")
    return updates


def of_classifier(start: Tensor) -> bool:
    return start.shape in ((2, 8), (2,))


def test_the_classifier_learns_at_its_multiple_of_the_network_s_rate(
    model: EvaluatedModel, colour_folder: Path, network: Backbone
) -> None:
    """AdamW's first step is the rate itself, up or down, wherever the gradient is far from its epsilon."""
    updates = first_updates(model, colour_folder, network, head_rate=5.0, weight_decay=0.0)
    assert sum(of_classifier(start) for start, *_ in updates) == 2 and len(updates) == 6
    for start, gradient, after in updates:
        far = gradient.abs() > 1e-4
        rate = 5e-3 if of_classifier(start) else 1e-3
        torch.testing.assert_close((after - start)[far], -rate * gradient[far].sign(), rtol=2e-3, atol=1e-6)
    assert sum(int((gradient.abs() > 1e-4).sum()) for _, gradient, _ in updates) > 50


def test_matrices_and_filters_are_decayed_and_biases_and_norms_are_not(
    model: EvaluatedModel, colour_folder: Path, network: Backbone
) -> None:
    plain = first_updates(model, colour_folder, network, head_rate=5.0, weight_decay=0.0)
    decayed = first_updates(model, colour_folder, network, head_rate=5.0, weight_decay=10.0)
    for (start, _, without), (again, _, shrunk) in zip(plain, decayed, strict=True):
        assert torch.equal(start, again)
        rate = 5e-3 if of_classifier(start) else 1e-3
        expected = -rate * 10.0 * start if start.ndim > 1 else torch.zeros_like(start)
        torch.testing.assert_close(shrunk - without, expected, rtol=1e-3, atol=1e-6)
