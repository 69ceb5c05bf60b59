"""SimCLR's loss is lightly's; no image is its own negative; it learns from images alone, and beside contrast."""

from __future__ import annotations

import math
from dataclasses import asdict, replace
from functools import partial
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from torch.nn import functional

import wordsight
from tests.objectives.image_pairs import EXAMPLES, small, two_views
from tests.objectives.towers import (
    SETTINGS,
    assert_it_goes_on_to_the_same_numbers,
    assert_same_value_and_gradient,
    assert_two_processes_equal_one,
)
from wordsight.corpus import Corpus
from wordsight.corpus.build import build_corpus
from wordsight.corpus.readers.folder import Folder
from wordsight.errors import InputError
from wordsight.objectives import objective_chances, objective_needs
from wordsight.objectives.simclr import STRONG, SimClr, nt_xent
from wordsight.vision.views import ViewSettings


@pytest.mark.parametrize("temperature", [0.1, 0.5])
def test_the_loss_and_its_gradients_are_lightly_s(temperature: float) -> None:
    loss = pytest.importorskip("lightly.loss", reason="lightly is not installed: pip install lightly")
    one, other = (torch.randn(7, 5, requires_grad=True) for _ in range(2))
    views_B2Z = functional.normalize(torch.stack([one, other], 1), dim=2)
    ours, _ = nt_xent(views_B2Z, torch.arange(7), temperature)
    assert_same_value_and_gradient(ours, loss.NTXentLoss(temperature)(one, other), [one, other])


def test_an_image_that_stands_in_a_step_twice_is_never_its_own_negative() -> None:
    views_B2Z = functional.normalize(torch.randn(3, 2, 4), dim=2)
    example_B = torch.tensor([5, 8, 5])
    found, accuracy = nt_xent(views_B2Z, example_B, 0.5)
    terms, right = [], []
    for i in range(3):
        for v in range(2):
            own = float(views_B2Z[i, v] @ views_B2Z[i, 1 - v]) / 0.5
            others = [
                float(views_B2Z[i, v] @ views_B2Z[j, w]) / 0.5
                for j in range(3)
                for w in range(2)
                if example_B[j] != example_B[i]
            ]
            terms.append(-own + math.log(sum(math.exp(score) for score in [own, *others])))
            right.append(own > max(others))
    assert float(found) == pytest.approx(sum(terms) / 6)
    assert float(accuracy) == pytest.approx(sum(right) / 6)


def test_views_are_embedded_together_and_compared_as_the_whole_step() -> None:
    objective, step = small("simclr", width=5), two_views()
    assert isinstance(objective, SimClr)
    found = objective(step)
    grids = [objective.grid(step.showing([view])).mean((2, 3)) for view in range(2)]
    both_B2Z = torch.stack(objective.projection(torch.cat(grids)).chunk(2), 1)
    expected, _ = nt_xent(functional.normalize(both_B2Z, dim=2), torch.tensor(EXAMPLES), 0.1)
    assert float(found["loss"].detach()) == pytest.approx(float(expected.detach()), rel=1e-5)
    found["loss"].backward()
    assert all(parameter.grad is not None for parameter in objective.parameters())


def test_two_processes_have_the_loss_and_gradients_of_one(tmp_path: Path) -> None:
    assert_two_processes_equal_one(partial(small, "simclr", width=5, temperature=0.5), two_views, tmp_path)


def test_it_needs_two_strong_views_and_no_captions() -> None:
    needs = objective_needs("simclr", {})
    assert not needs.fields and [need.view for need in needs.views] == [STRONG, STRONG]
    own = objective_needs("simclr", {"view": {"crop_scale": 0.5}})
    assert own.views[0].view == ViewSettings(crop_scale=0.5)
    with pytest.raises(InputError, match="objective_settings.view.hue is 3.0; expected a number from 0 to 0.5"):
        objective_needs("simclr", {"view": {"hue": 3}})
    assert objective_chances("simclr", {}, 32)["loss"].loss == pytest.approx(math.log(63))


# Squares differ in nothing but their colours.
SQUARES = replace(
    SETTINGS,
    objective="simclr",
    objective_settings={"width": 16, "temperature": 0.2, "view": {"crop_scale": 0.5}},
    epochs=30,
)


def test_colours_tell_images_apart_as_long_as_views_keep_them(coloured_squares: Corpus, tmp_path: Path) -> None:
    """Section 3.1, Figure 6: cut-outs of one image share its colours, which have to change for it to learn more."""
    strong = {"width": 16, "temperature": 0.2, "view": asdict(STRONG)}
    kept, changed = (
        wordsight.pretrain(
            replace(SQUARES, objective_settings=values), corpus=coloured_squares, out=tmp_path / name
        ).metrics()
        for name, values in (("kept", SQUARES.objective_settings), ("changed", strong))
    )
    assert kept[-1]["loss"] < 0.75 * kept[0]["loss"] and kept[-1]["accuracy"] > 0.3
    assert kept[-1]["loss"] < changed[-1]["loss"] - 0.3


def test_a_stopped_run_goes_on_to_the_same_numbers_without_captions(tmp_path: Path) -> None:
    (tmp_path / "photos" / "grey").mkdir(parents=True)
    for k in range(16):
        Image.fromarray(np.full((16, 16, 3), 15 * k, np.uint8)).save(tmp_path / "photos" / "grey" / f"{k}.png")
    corpus = build_corpus(Folder(tmp_path / "photos"), tmp_path / "corpus")
    run = assert_it_goes_on_to_the_same_numbers(corpus, tmp_path, replace(SQUARES, epochs=4))
    assert run.info.concepts == {} and run.info.fields == {}
    assert "whose nearest other view" in wordsight.report(run).read_text("utf-8")


def test_it_stands_beside_contrast_in_a_sum(coloured_squares: Corpus, tmp_path: Path) -> None:
    parts = {
        "contrast": {"kind": "clip", **SETTINGS.objective_settings},
        "views": {"kind": "simclr", "weight": 1, **SQUARES.objective_settings},
    }
    settings = replace(SETTINGS, objective="weighted-sum", objective_settings={"objectives": parts}, epochs=3)
    run = assert_it_goes_on_to_the_same_numbers(coloured_squares, tmp_path, settings)
    first = run.metrics()[0]
    assert {"contrast_accuracy", "views_accuracy", "temperature"} <= set(first)
    assert {result.protocol for result in wordsight.evaluate(run, corpus=coloured_squares, device="cpu")} == {
        "retrieval"
    }
    # The contrast has the run's view, and SimCLR two of its own.
    assert [need.view for need in objective_needs("weighted-sum", {"objectives": parts}).views] == [
        None,
        ViewSettings(crop_scale=0.5),
        ViewSettings(crop_scale=0.5),
    ]
