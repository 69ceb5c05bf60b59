"""What tests of losses over images and captions share: small objectives, steps, two processes, and runs of seconds."""

from __future__ import annotations

import multiprocessing
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
import torch.distributed as dist
from torch import Tensor, nn

import wordsight
from tests.training.tiny_runs import signal_within
from wordsight.batching.batch import Batch, Views
from wordsight.batching.fields.texts import TextFacts, Texts
from wordsight.corpus import Corpus
from wordsight.language.text_tokenizer import TextTokenizer
from wordsight.language.wordpiece import SPECIAL
from wordsight.objectives import Facts, Objective, build_objective
from wordsight.objectives.two_towers import Matching
from wordsight.training.pretrain_settings import OptimizerSettings, PretrainSettings
from wordsight.training.run import Run
from wordsight.vision.backbones import Backbone, BackboneSettings
from wordsight.vision.views import ViewSettings

WORDS = ["a", "dog", "runs", "cat", "sleeps", "here"]
TOWER = {"width": 8, "layers": 1, "heads": 2, "max_tokens": 8}
# Six images with up to two captions each, of which images 0 and 3 are one example, and captions 2 read alike.
STEP = ([3, 9, 4, 3, 8, 1], [[1, 2], [4, -1], [7, 8], [2, 3], [9, 11], [12, -1]])
# Runs on `coloured_squares` (`tests/conftest.py`) that learn in a second.
SETTINGS = PretrainSettings(
    objective="clip",
    objective_settings={"width": 16, "text_tower": {"width": 16, "heads": 2, "layers": 1, "vocabulary": 100}},
    concepts={},
    backbone_settings=BackboneSettings(stages=1),
    view=ViewSettings(crop_scale=0.5),
    image_size=16,
    epochs=40,
    batch_size=8,
    lr=5e-3,
    optimizer=OptimizerSettings(warmup_share=0.1),
    workers=0,
    device="cpu",
)


class Flat(nn.Module):
    """A backbone without batch norm: every process sees an image alike. Of 8 pixels a side, a grid of 2 x 2 cells."""

    def __init__(self) -> None:
        super().__init__()
        self.layer = nn.Conv2d(3, 6, 4, 4)

    def forward(self, images_BCHW: Tensor) -> Tensor:
        grid_BCHW: Tensor = self.layer(images_BCHW)
        return grid_BCHW


def towers(objective: str, **values: object) -> Objective:
    """A small objective with a text tower from scratch, the same weights each time.

    Args:
        objective: Its name.
        values: Its settings besides ``width`` and ``text_tower``, or in their place.
    """
    torch.manual_seed(0)
    reader = TextTokenizer.of_vocabulary([*SPECIAL, *WORDS], max_tokens=8)
    facts = Facts({"texts": TextFacts(reader)}, images=6)
    backbone = Backbone(Flat(), {"grid": ""}, 6)
    return build_objective(objective, {"width": 5, "text_tower": TOWER, **values}, backbone, facts)


def step(
    examples: Sequence[int], texts: Sequence[Sequence[int]], rank: int = 0, world: int = 1, views: int = 1
) -> Batch:
    """Images with c captions each; a caption is a number below 30 (-1 for none), and reads unlike others.

    Args:
        examples: The examples' numbers; images of one example are the same.
        texts: Captions of each image.
        rank: The process whose share it is.
        world: How many processes share the step.
        views: Views of each image, which differ.
    """
    text_Bc = torch.tensor(texts)
    ids_BcT = torch.stack([torch.full_like(text_Bc, 2), text_Bc.clamp_min(0) % 5 + 5, text_Bc.clamp_min(0) // 5 + 5], 2)
    present_BcT = (text_Bc >= 0)[..., None].expand_as(ids_BcT).clone()
    present_BcT[..., 0] = True
    mine = slice(rank, None, world)
    drawn = Texts(ids_BcT[mine], present_BcT[mine], (text_Bc >= 0).float()[mine], text_Bc[mine])
    pixels = torch.randint(0, 256, (views, 99, 3, 8, 8), dtype=torch.uint8, generator=torch.Generator().manual_seed(1))
    seen = tuple(Views.whole(pixels[view][list(examples)][mine]) for view in range(views))
    return Batch(seen, torch.tensor(examples)[mine], {"texts": drawn})


def whose(images: int, image_T: Sequence[int]) -> Matching:
    """Which captions are whose, where all captions of other images are negatives.

    Args:
        images: How many images.
        image_T: The image of each caption.
    """
    own_BT = torch.arange(images)[:, None] == torch.tensor(image_T)[None]
    return Matching(torch.tensor(image_T), ~own_BT, torch.ones(len(image_T), dtype=torch.bool))


def _one_of_two(make: Callable[[], Objective], share: Callable[[int, int], Batch], rank: int, folder: Path) -> None:
    torch.set_num_threads(1)
    dist.init_process_group("gloo", init_method=f"file://{folder}/store", rank=rank, world_size=2)
    objective = make()
    found = objective(share(rank, 2))
    found["loss"].backward()
    grads = {name: parameter.grad for name, parameter in objective.named_parameters() if parameter.grad is not None}
    for grad in grads.values():
        # As gradients are averaged in training.
        dist.all_reduce(grad)
        grad /= 2
    torch.save(
        {"found": {name: value.detach() for name, value in found.items()}, "grads": grads}, folder / f"{rank}.pt"
    )
    dist.destroy_process_group()


def assert_two_processes_equal_one(
    make: Callable[[], Objective], share: Callable[[int, int], Batch], folder: Path, *, apart: bool = False
) -> None:
    """The loss, all numbers and the averaged gradients of two processes are those of one on the joined batch.

    Args:
        make: Builds the objective, with the same weights each time; no batch norm, no dropout.
        share: The batch of a process, by its rank and their number.
        folder: An empty folder.
        apart: Whether a process has the loss of its own images: then it is their mean that is that of one process.
    """
    context = multiprocessing.get_context("fork")
    processes = [context.Process(target=_one_of_two, args=(make, share, rank, folder)) for rank in range(2)]
    for process in processes:
        process.start()
    for process in processes:
        process.join(60)
        assert process.exitcode == 0
    objective = make()
    whole = objective(share(0, 1))
    whole["loss"].backward()
    halves = [torch.load(folder / f"{rank}.pt", weights_only=True) for rank in range(2)]
    for rank, half in enumerate(halves):
        pairs = {name: (half["found"][name], value.detach()) for name, value in whole.items()}
        if apart:
            pairs = {"loss": (sum(each["found"]["loss"] for each in halves) / 2, whole["loss"].detach())}
        grads = {f"gradient of {name}": parameter.grad for name, parameter in objective.named_parameters()}
        pairs |= {name: (half["grads"][name[12:]], grad) for name, grad in grads.items() if grad is not None}
        for name, (found, expected) in pairs.items():
            assert torch.allclose(found, expected, rtol=1e-5, atol=1e-5), f"process {rank}: {name}"


def assert_same_value_and_gradient(ours: Tensor, theirs: Tensor, leaves: Sequence[Tensor]) -> None:
    """Two losses are equal to 1e-5, and so are their gradients at some tensors.

    Args:
        ours: A loss.
        theirs: The other.
        leaves: What both were computed from.
    """
    torch.testing.assert_close(ours, theirs, rtol=1e-5, atol=1e-5)
    for one, other in zip(
        *(torch.autograd.grad(each, leaves, retain_graph=True) for each in (ours, theirs)), strict=True
    ):
        torch.testing.assert_close(one, other, rtol=1e-5, atol=1e-5)


def assert_a_stopped_run_goes_on_to_the_same_numbers(
    corpus: Corpus,
    folder: Path,
    objective: str,
    values: Mapping[str, Any] | None = None,
    *,
    small_towers: bool = True,
    **given: Any,
) -> Run:
    """Train three epochs whole, and stopped within the second: all losses and numbers are the same.

    Args:
        corpus: What is trained on; `coloured_squares` has three steps of 8 images an epoch.
        folder: An empty folder.
        objective: Name of the objective.
        values: Its settings besides ``width`` and ``text_tower``, or in their place.
        small_towers: Whether it has settings of towers at all.
        given: Other settings of the run.

    Returns:
        The run that was not stopped.
    """
    own = {**(SETTINGS.objective_settings if small_towers else {}), **(values or {})}
    settings = replace(SETTINGS, objective=objective, objective_settings=own, epochs=3, **given)
    return assert_it_goes_on_to_the_same_numbers(corpus, folder, settings)


def assert_it_goes_on_to_the_same_numbers(corpus: Corpus, folder: Path, settings: PretrainSettings) -> Run:
    """Train whole, and stopped at the fifth step: all losses and numbers are the same.

    Args:
        corpus: What is trained on.
        folder: An empty folder.
        settings: The run's settings.

    Returns:
        The run that was not stopped.
    """
    whole = wordsight.pretrain(settings, corpus=corpus, out=folder / "whole")
    with pytest.raises(KeyboardInterrupt), signal_within(4):
        wordsight.pretrain(settings, corpus=corpus, out=folder / "stopped")
    resumed = wordsight.pretrain(settings, corpus=corpus, out=folder / "stopped", resume=True)
    timed = ("images_per_second", "seconds")
    first, second = (
        [{name: value for name, value in line.items() if name not in timed} for line in run.metrics()]
        for run in (resumed, whole)
    )
    assert first == second
    return whole
