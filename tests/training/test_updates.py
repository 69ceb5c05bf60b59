"""The first step of a run: from which weights, at which rate for backbone and heads, and what is decayed."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any, Literal

import pytest
import torch
from torch import Tensor

import wordsight
from tests.training.tiny_runs import SMALL, each_step, weights
from wordsight.corpus import Corpus
from wordsight.training.pretrain_settings import OptimizerSettings, PretrainSettings
from wordsight.training.run import Run
from wordsight.vision.backbones import BackboneSettings

MakeCorpus = Callable[..., Corpus]
Name = Literal["adamw", "sgd"]
# One step over all sixteen images, at the full rate, without momentum.
ONE_STEP = replace(
    SMALL,
    objective_settings={"tag_head": "mlp", "tag_hidden": 8},
    concepts={"kind": "words", "size": 4},
    backbone_settings=BackboneSettings(stages=1),
    epochs=1,
    batch_size=16,
    lr=0.125,
    optimizer=OptimizerSettings(weight_decay=0.0, momentum=0.0, warmup_share=0.0, clip_norm=0.0),
    device="cpu",
    seed=5,
)


@pytest.fixture
def corpus(make_corpus: MakeCorpus) -> Corpus:
    """Sixteen pictures of noise, with a word each."""
    return make_corpus([[f"one {word} runs here"] for word in ("dog", "cat", "car", "tree") * 4])


@pytest.fixture
def trained(corpus: Corpus, tmp_path: Path) -> Callable[..., dict[str, Tensor]]:
    """The weights after one step with some values of the optimiser."""

    def train(name: Name, *, lr: float = ONE_STEP.lr, **values: Any) -> dict[str, Tensor]:
        settings = replace(ONE_STEP, lr=lr, optimizer=replace(ONE_STEP.optimizer, name=name, **values))
        out = tmp_path / f"{name}-{lr}-{values}"
        return weights(wordsight.pretrain(settings, corpus=corpus, out=out).path)

    return train


def changes(after: dict[str, Tensor], before: dict[str, Tensor]) -> dict[str, Tensor]:
    """What a step changed of each weight; running statistics and counts are no weights."""
    return {
        name: after[name] - before[name]
        for name in before
        if before[name].is_floating_point() and "running" not in name
    }


@pytest.mark.parametrize("objective", ["tag-prediction", "rotation"])
def test_the_random_backbone_has_the_weights_that_the_first_step_found(
    corpus: Corpus, tmp_path: Path, objective: str
) -> None:
    found: list[Tensor] = []

    def keep(step: int, optimizer: torch.optim.Optimizer) -> None:
        if step == 0:
            found.extend(p.detach().clone() for group in optimizer.param_groups for p in group["params"])

    settings: PretrainSettings = replace(ONE_STEP, objective=objective, objective_settings={})
    with each_step(before=keep):
        run: Run = wordsight.pretrain(settings, corpus=corpus, out=tmp_path / "run")
    begun = dict(run.backbone("random").named_parameters())
    assert len(begun) > 10
    for name, parameter in begun.items():
        assert any(parameter.shape == other.shape and torch.equal(parameter, other) for other in found), name


@pytest.mark.parametrize("name", ["sgd", "adamw"])
def test_heads_learn_at_their_multiple_of_the_backbone_s_rate(trained: Any, name: Name) -> None:
    before = trained(name, lr=1e-30)
    same, faster = (changes(trained(name, heads_rate=rate), before) for rate in (1.0, 4.0))
    heads = {weight for weight in same if weight.startswith("tag_heads.")}
    assert len(heads) > 3 and len(same) > len(heads) + 10
    for weight, change in same.items():
        assert change.abs().max() > 0, weight
        torch.testing.assert_close(faster[weight], change * (4 if weight in heads else 1), rtol=1e-3, atol=1e-5)


@pytest.mark.parametrize("name", ["sgd", "adamw"])
def test_matrices_and_filters_are_decayed_and_biases_and_norms_are_not(trained: Any, name: Name) -> None:
    before = trained(name, lr=1e-30)
    plain, decayed = trained(name), trained(name, weight_decay=0.5)
    shrunk = changes(decayed, plain)
    kinds = {tensor.ndim for tensor in before.values()}
    assert {1, 2, 4} <= kinds, "biases and norms, matrices, filters"
    for weight, change in shrunk.items():
        expected = -0.125 * 0.5 * before[weight] if before[weight].ndim > 1 else torch.zeros_like(change)
        torch.testing.assert_close(change, expected, rtol=1e-3, atol=1e-6, msg=weight)


def test_a_step_of_sgd_is_the_gradient_times_the_rate(corpus: Corpus, tmp_path: Path) -> None:
    """With Nesterov's momentum m the first step is (1 + m) times the gradient."""
    seen: dict[str, list[tuple[Tensor, Tensor]]] = {"before": [], "after": []}

    def keep(when: str) -> Callable[[int, torch.optim.Optimizer], None]:
        def look(step: int, optimizer: torch.optim.Optimizer) -> None:
            for group in optimizer.param_groups:
                seen[when] += [(p.detach().clone(), p.grad.clone()) for p in group["params"] if p.grad is not None]

        return look

    settings = replace(ONE_STEP, optimizer=replace(ONE_STEP.optimizer, name="sgd", momentum=0.5))
    with each_step(keep("before"), keep("after")):
        wordsight.pretrain(settings, corpus=corpus, out=tmp_path / "run")
    for (before, gradient), (after, _) in zip(seen["before"], seen["after"], strict=True):
        torch.testing.assert_close(after, before - 0.125 * 1.5 * gradient)


@pytest.mark.parametrize(("longest", "kept"), [(1e-3, True), (1e12, False)])
def test_gradients_longer_than_the_norm_are_shortened_to_it(
    corpus: Corpus, tmp_path: Path, longest: float, kept: bool
) -> None:
    norms: list[float] = []

    def look(step: int, optimizer: torch.optim.Optimizer) -> None:
        grads = [p.grad for group in optimizer.param_groups for p in group["params"] if p.grad is not None]
        norms.append(float(torch.cat([g.flatten() for g in grads]).norm()))

    settings = replace(ONE_STEP, optimizer=replace(ONE_STEP.optimizer, clip_norm=longest))
    with each_step(before=look):
        run = wordsight.pretrain(settings, corpus=corpus, out=tmp_path / "run")
    (told,) = [line["gradient_norm"] for line in run.metrics()]
    assert told > 0.01
    assert norms[0] == pytest.approx(longest if kept else told, rel=1e-3)
