"""SimSiam's loss is the paper's: lightly's; no gradient flows to what is predicted, or all images become one vector."""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from pathlib import Path

import pytest
import torch

import wordsight
from tests.objectives.image_pairs import small, two_views
from tests.objectives.towers import (
    SETTINGS,
    assert_it_goes_on_to_the_same_numbers,
    assert_same_value_and_gradient,
    assert_two_processes_equal_one,
)
from wordsight.corpus import Corpus
from wordsight.objectives import objective_needs, simsiam
from wordsight.objectives.simsiam import SIMSIAM_VIEW, SimSiam, negative_cosine, spread

VALUES = {"width": 16, "predictor_hidden": 4, "view": {"crop_scale": 0.5}}


def test_the_loss_and_its_gradients_are_lightly_s() -> None:
    loss = pytest.importorskip("lightly.loss", reason="lightly is not installed: pip install lightly")
    predicted, target = (torch.randn(7, 5, requires_grad=True) for _ in range(2))
    ours = negative_cosine(predicted, target)
    assert_same_value_and_gradient(ours, loss.NegativeCosineSimilarity()(predicted, target.detach()), [predicted])
    (flows,) = torch.autograd.grad(negative_cosine(predicted, target), [target], allow_unused=True)
    assert not isinstance(flows, torch.Tensor)


def test_each_view_predicts_the_other() -> None:
    objective, step = small("simsiam", **VALUES), two_views()
    assert isinstance(objective, SimSiam)
    found = objective(step)
    one, other = (objective.projection(objective.grid(step.showing([view])).mean((2, 3))) for view in range(2))
    terms = [
        -torch.cosine_similarity(objective.predictor(first), second, dim=1).mean()
        for first, second in ((one, other), (other, one))
    ]
    assert float(found["loss"].detach()) == pytest.approx(float((terms[0] + terms[1]).detach()) / 2, rel=1e-5)
    found["loss"].backward()
    assert all(parameter.grad is not None for parameter in objective.parameters())


def test_the_spread_is_zero_for_one_vector_and_near_one_for_all_directions() -> None:
    torch.manual_seed(0)
    assert float(spread(torch.ones(8, 32))) == 0
    assert float(spread(torch.randn(4096, 32))) == pytest.approx(1, abs=0.01)


def test_two_processes_have_the_mean_loss_and_the_gradients_of_one(tmp_path: Path) -> None:
    assert_two_processes_equal_one(partial(small, "simsiam", **VALUES), two_views, tmp_path, apart=True)


def test_it_needs_two_views_and_no_captions() -> None:
    needs = objective_needs("simsiam", {})
    assert not needs.fields and [need.view for need in needs.views] == [SIMSIAM_VIEW, SIMSIAM_VIEW]


def trained() -> float:
    """The loss after some steps on one batch."""
    objective, step = small("simsiam", **VALUES), two_views()
    optimizer = torch.optim.SGD(objective.parameters(), lr=0.5, momentum=0.9)
    for _ in range(100):
        loss = objective(step)["loss"]
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    return float(loss.detach())


def test_where_a_gradient_flows_to_what_is_predicted_the_loss_falls_to_its_least(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Section 4.1 and Figure 2, left."""
    stopped = trained()
    monkeypatch.setattr(
        simsiam, "negative_cosine", lambda one, other: -torch.cosine_similarity(one, other, dim=1).mean()
    )
    assert trained() < -0.995 < -0.97 < stopped < -0.8


def test_a_stopped_run_goes_on_to_the_same_numbers(coloured_squares: Corpus, tmp_path: Path) -> None:
    settings = replace(SETTINGS, objective="simsiam", objective_settings=VALUES, epochs=3)
    run = assert_it_goes_on_to_the_same_numbers(coloured_squares, tmp_path, settings)
    assert "spread" in run.metrics()[-1]
    assert "go in all directions" in wordsight.report(run).read_text("utf-8")
