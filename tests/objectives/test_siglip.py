"""SigLIP's loss is open_clip's; no process holds all pairs, and two have the loss and gradients of one."""

from __future__ import annotations

import math
from pathlib import Path

import pytest
import torch
import torch.distributed as dist
from torch import Tensor
from torch.nn import functional

import wordsight
from tests.objectives.towers import (
    STEP,
    assert_a_stopped_run_goes_on_to_the_same_numbers,
    assert_same_value_and_gradient,
    assert_two_processes_equal_one,
    step,
    towers,
    whose,
)
from wordsight.corpus import Corpus
from wordsight.errors import InputError
from wordsight.objectives import Objective, objective_chances, objective_settings, siglip
from wordsight.objectives.siglip import SigLip, pairs_loss
from wordsight.objectives.two_towers import matching


def built(**values: object) -> SigLip:
    objective = towers("siglip", **values)
    assert isinstance(objective, SigLip)
    return objective


def test_the_loss_and_its_gradients_are_open_clip_s() -> None:
    loss = pytest.importorskip("open_clip.loss", reason="open_clip is not installed: pip install open_clip_torch")
    images, texts = (functional.normalize(torch.randn(7, 4), dim=1).requires_grad_() for _ in range(2))
    log_scale, bias = torch.tensor(2.0, requires_grad=True), torch.tensor(-3.0, requires_grad=True)
    found = whose(7, range(7))
    ours = pairs_loss(images, texts, log_scale, bias, found.positive_BT, found.negative_BT) / 7
    theirs = loss.SigLipLoss()(images, texts, log_scale.exp(), bias)
    assert_same_value_and_gradient(ours, theirs, [images, texts, log_scale, bias])


def test_each_caption_has_one_image_and_what_reads_alike_is_left_out() -> None:
    objective, drawn = built(captions=2), step(*STEP)
    embedded = {name: rows.detach().requires_grad_() for name, rows in objective.embed(seen(objective), drawn).items()}
    ours = objective.compare(embedded, drawn).total
    found = matching(drawn)
    texts = embedded["texts"].flatten(0, 1)[found.real_n]
    theirs = []
    for image in range(6):
        for text, of in enumerate(found.image_T.tolist()):
            score = objective.log_scale.exp() * (embedded["images"][image] @ texts[text]) + objective.bias
            if of == image:
                theirs.append(torch.log1p((-score).exp()))
            elif found.negative_BT[image, text]:
                theirs.append(torch.log1p(score.exp()))
    # Images 0 and 3 are one example: neither's two captions are held against the other.
    assert len(theirs) == 6 * 10 - 4
    assert_same_value_and_gradient(ours, torch.stack(theirs).sum() / 10, [*embedded.values()])


def seen(objective: Objective) -> wordsight.objectives.Seen:
    return wordsight.objectives.Seen(objective.backbone, step(*STEP))


def test_two_processes_have_the_loss_and_gradients_of_one_without_all_pairs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def small(images_BZ: Tensor, texts_TZ: Tensor, *given: Tensor) -> Tensor:
        world = dist.get_world_size() if dist.is_initialized() else 1
        assert len(images_BZ) * len(texts_TZ) <= 7 * 11 / world**2 + 10, "a block of one process's pairs with another's"
        return pairs_loss(images_BZ, texts_TZ, *given)

    monkeypatch.setattr(siglip, "pairs_loss", small)
    # Seven images: the first process has one more than the second.
    whole = ([*STEP[0], 5], [*STEP[1], [13, -1]])
    assert_two_processes_equal_one(lambda: built(captions=2), lambda rank, world: step(*whole, rank, world), tmp_path)


def test_a_nearest_caption_that_reads_like_the_image_s_own_is_right() -> None:
    objective, drawn = built(), step([0, 1], [[4], [4]])
    assert float(objective(drawn)["accuracy"]) == 1


def test_chance_is_what_the_best_bias_reaches_alone() -> None:
    found = whose(16, range(16))
    zeros = torch.zeros(16, 1)
    losses = [
        float(pairs_loss(zeros, zeros, torch.zeros(()), bias, found.positive_BT, found.negative_BT)) / 16
        for bias in torch.linspace(-8, 0, 801)
    ]
    assert objective_chances("siglip", {}, 16)["loss"].loss == pytest.approx(min(losses), abs=1e-4)


def test_it_begins_with_the_published_temperature_and_bias() -> None:
    objective = built()
    assert float(objective.log_scale.detach()) == pytest.approx(math.log(10))
    assert float(objective.bias.detach()) == -10
    with pytest.raises(InputError, match="bias is -200.0; expected a number from -100 to 100"):
        objective_settings("siglip", {"bias": -200.0})


def test_the_bias_keeps_the_many_negative_pairs_from_ruling_the_start() -> None:
    """Their Section 3.2: without it the first steps undo what all wrong pairs claim at once."""
    drawn = step(range(30), [[number] for number in range(30)])
    with_bias, without = (float(built(bias=bias)(drawn)["loss"].detach()) for bias in (-10.0, 0.0))
    assert with_bias < 12 and without > 18


def test_a_run_is_trained_resumed_and_asked_for_retrieval(coloured_squares: Corpus, tmp_path: Path) -> None:
    run = assert_a_stopped_run_goes_on_to_the_same_numbers(coloured_squares, tmp_path, "siglip")
    found = wordsight.evaluate(run, corpus=coloured_squares, device="cpu")
    assert {result.protocol for result in found} == {"retrieval"}
    assert "what is added to every pair" in wordsight.report(run).read_text("utf-8")
