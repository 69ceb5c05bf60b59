"""SLIP is CLIP on one view and SimCLR on two further ones: their losses, added."""

from __future__ import annotations

import math
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
import torch.distributed as dist

import wordsight
from tests.objectives.towers import (
    SETTINGS,
    STEP,
    assert_it_goes_on_to_the_same_numbers,
    assert_two_processes_equal_one,
    step,
    towers,
)
from wordsight.batching.batch import Batch
from wordsight.corpus import Corpus
from wordsight.objectives import ImageTextObjective, Objective, objective_kinds, objective_needs, parts_of
from wordsight.objectives.clip import Clip
from wordsight.objectives.simclr import SimClr
from wordsight.objectives.slip import SLIP_VIEW
from wordsight.training.synced_batch_norm import synced

VIEWS: dict[str, Any] = {"width": 5, "hidden": 6, "temperature": 0.5}


def three_views(rank: int = 0, world: int = 1) -> Batch:
    return step(*STEP, rank, world, views=3)


def built(**values: object) -> Objective:
    objective = towers("slip", captions=2, views=VIEWS, **values)
    return synced(objective, torch.device("cpu")) if dist.is_initialized() else objective


def test_the_loss_is_clip_s_on_the_first_view_and_simclr_s_on_the_others() -> None:
    objective, whole = built(views_weight=0.25), three_views()
    (clip,), (simclr,) = parts_of(objective, Clip), parts_of(objective, SimClr)
    contrast, views = clip(whole.showing([0])), simclr(whole.showing([1, 2]))
    found = objective(whole)
    both = contrast["loss"] + 0.25 * views["loss"]
    torch.testing.assert_close(found["loss"], both)
    for one, other in zip(
        *(torch.autograd.grad(each, list(objective.parameters())) for each in (found["loss"], both)), strict=True
    ):
        torch.testing.assert_close(one, other)
    assert float(found["contrast_accuracy"]) == float(contrast["accuracy"])
    assert float(found["views_accuracy"]) == float(views["accuracy"])


def test_it_needs_captions_and_two_further_views_as_published() -> None:
    needs = objective_needs("slip", {})
    assert set(needs.fields) == {"texts"} and [need.view for need in needs.views] == [None, SLIP_VIEW, SLIP_VIEW]
    without = objective_needs("slip", {"views_weight": 0})
    assert [need.view for need in without.views] == [None]
    assert parts_of(built(views_weight=0), SimClr) == []
    assert any(issubclass(kind, ImageTextObjective) for kind in objective_kinds("slip", {}))


def test_two_processes_have_the_loss_and_gradients_of_one(tmp_path: Path) -> None:
    assert_two_processes_equal_one(built, three_views, tmp_path)


VALUES = {**SETTINGS.objective_settings, "views": {**VIEWS, "temperature": 0.2, "view": {"crop_scale": 0.5}}}


def test_a_stopped_run_goes_on_and_is_asked_for_retrieval(coloured_squares: Corpus, tmp_path: Path) -> None:
    settings = replace(SETTINGS, objective="slip", objective_settings=VALUES, epochs=3)
    run = assert_it_goes_on_to_the_same_numbers(coloured_squares, tmp_path, settings)
    found = wordsight.evaluate(run, corpus=coloured_squares, device="cpu")
    assert {result.protocol for result in found} == {"retrieval"}
    assert "whose nearest other view" in wordsight.report(run).read_text("utf-8")


def test_contrast_loses_nothing_by_the_views_beside_it(coloured_squares: Corpus, tmp_path: Path) -> None:
    """Their Section 4. Squares of one colour are alike to captions, so that views of them are not told apart."""
    settings = replace(SETTINGS, objective="slip", objective_settings=VALUES)
    run = wordsight.pretrain(settings, corpus=coloured_squares, out=tmp_path / "run")
    first, last = run.metrics()[0], run.metrics()[-1]
    assert last["contrast"] < 1 < first["contrast"] and last["views"] < 0.6 * math.log(15)
