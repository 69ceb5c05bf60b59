"""CLIP-Lite's loss is that of a plain loop over pairs with one negative each; two processes have the loss of one."""

from __future__ import annotations

import math
from dataclasses import replace
from pathlib import Path

import pytest
import torch
import torch.distributed as dist
from torch import Tensor

import wordsight
from tests.objectives.towers import (
    SETTINGS,
    STEP,
    assert_a_stopped_run_goes_on_to_the_same_numbers,
    assert_same_value_and_gradient,
    assert_two_processes_equal_one,
    step,
    towers,
)
from wordsight.corpus import Corpus
from wordsight.objectives import Seen, objective_chances
from wordsight.objectives.clip_lite import ClipLite, CriticBlock, other_captions
from wordsight.objectives.two_towers import matching
from wordsight.training.synced_batch_norm import synced


def built(**values: object) -> ClipLite:
    objective = towers("clip-lite", **values)
    assert isinstance(objective, ClipLite)
    # Several processes train with batch norm over the images of all.
    return synced(objective, torch.device("cpu")) if dist.is_initialized() else objective


def test_the_loss_is_that_of_a_loop_over_pairs_and_one_other_caption_each() -> None:
    objective, drawn = built(captions=2), step(*STEP)
    embedded = objective.embed(Seen(objective.backbone, drawn), drawn)
    rows = {name: value.detach().requires_grad_() for name, value in embedded.items()}
    ours = objective.compare(rows, drawn).total
    found = matching(drawn)
    texts, image_T = rows["texts"].flatten(0, 1)[found.real_n], found.image_T.tolist()
    own: list[Tensor] = []
    other: list[Tensor] = []
    for place, image in enumerate(image_T):
        scores = texts @ rows["images"][image] / 0.07
        own.append(torch.log1p((-scores[place]).exp()))
        following = [*range(place + 1, len(image_T)), *range(place)]
        negative = next(text for text in following if found.negative_BT[image, text])
        other.append(torch.log1p(scores[negative].exp()))
    assert_same_value_and_gradient(ours, torch.stack(own).mean() + torch.stack(other).mean(), list(rows.values()))


def test_the_one_other_is_never_of_the_same_image_nor_reads_alike() -> None:
    """Images 0 and 1 have a caption that reads alike, images 0 and 2 are one example: only image 3's is left for 0."""
    found = matching(step([4, 7, 4, 9], [[1], [1], [2], [3]]))
    other_T, has_T = other_captions(found.negative_BT[found.image_T])
    assert other_T.tolist() == [3, 2, 3, 0] and has_T.all()


def test_a_pair_without_any_negative_has_its_own_half_alone() -> None:
    objective, drawn = built(), step([4, 7], [[1], [1]])
    found = objective(drawn)
    embedded = objective.embed(Seen(objective.backbone, drawn), drawn)
    own = (embedded["images"] * embedded["texts"][:, 0]).sum(1) / 0.07
    assert float(found["loss"].detach()) == pytest.approx(float(torch.log1p((-own).exp()).mean().detach()), rel=1e-5)


def test_the_critic_s_shortcut_begins_as_a_noisy_copy() -> None:
    block = CriticBlock(4, 6)
    weight = block.shortcut.weight.detach()
    assert torch.equal(weight.diagonal(), torch.ones(4))
    assert float((weight - torch.eye(6, 4)).abs().max()) <= 0.01
    assert [type(layer).__name__ for layer in block.nonlinear] == ["Linear", "BatchNorm1d", "ReLU", "Linear"]


def test_two_processes_have_the_loss_and_gradients_of_one(tmp_path: Path) -> None:
    assert_two_processes_equal_one(lambda: built(captions=2), lambda rank, world: step(*STEP, rank, world), tmp_path)


def test_chance_does_not_grow_with_the_batch() -> None:
    """What the paper is about: small batches are as good a question as large ones."""
    for size in (2, 64, 4096):
        assert objective_chances("clip-lite", {}, size)["loss"].loss == pytest.approx(2 * math.log(2))


def test_it_learns_in_batches_of_four_is_resumed_and_asked(coloured_squares: Corpus, tmp_path: Path) -> None:
    assert_a_stopped_run_goes_on_to_the_same_numbers(coloured_squares, tmp_path, "clip-lite", {"captions": 2})
    settings = replace(SETTINGS, objective="clip-lite", batch_size=4, epochs=20)
    run = wordsight.pretrain(settings, corpus=coloured_squares, out=tmp_path / "run")
    metrics = run.metrics()
    assert metrics[-1]["accuracy"] > 0.85 and metrics[-1]["loss"] < 0.6 * 2 * math.log(2)
    found = wordsight.evaluate(run, corpus=coloured_squares, device="cpu")
    assert {result.protocol for result in found} == {"retrieval"}
    (zero_shot,) = wordsight.evaluate(run, task=f"corpus:{coloured_squares.path}", protocol="zero-shot", device="cpu")
    assert zero_shot.value >= 75
