"""What a network that ignores the image reaches, for the losses of which that is known."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
import scipy.sparse
import torch

from wordsight.batching.fields.tags import tags_of
from wordsight.batching.sampling import ConceptSampler, ImageSampler, Sampler
from wordsight.concepts.concept_set import ConceptSet
from wordsight.objectives.tag_losses import tag_loss
from wordsight.training.diagnostics import Watch, blind_guess
from wordsight.training.pretrain_settings import PretrainSettings

MATRIX = scipy.sparse.csr_matrix(np.array([[1, 1, 0], [1, 0, 1], [0, 1, 0], [0, 1, 1]], dtype=np.float32))
LABELS = ConceptSet("words", ["a", "b", "c"], MATRIX, "labels", "")
TOPICS = ConceptSet("topics", ["a", "b", "c"], (MATRIX * 0.4).tocsr(), "probabilities", "")
IMAGES = ImageSampler(np.arange(4), 2, 0)
CONCEPTS = ConceptSampler(np.arange(4), 2, 0, MATRIX)


def best_constant(loss: str, concepts: ConceptSet, sampler: Sampler) -> float:
    """The lowest loss of scores that are the same for all images, found by descent."""
    scores_K = torch.zeros(3, requires_grad=True)
    optimizer = torch.optim.LBFGS([scores_K], max_iter=200, line_search_fn="strong_wolfe")

    def closure() -> torch.Tensor:
        optimizer.zero_grad()
        total = torch.zeros(())
        for number, chance in enumerate(sampler.chances_N):
            tags = tags_of(concepts.matrix[[number]], np.zeros(1))
            total = total + float(chance) * tag_loss(scores_K[None], tags, loss, concepts.target)
        total.backward()
        return total.detach()

    optimizer.step(closure)
    return float(closure())


@pytest.mark.parametrize("sampler", [IMAGES, CONCEPTS])
@pytest.mark.parametrize("concepts", [LABELS, TOPICS])
@pytest.mark.parametrize("loss", ["softmax", "sigmoid"])
def test_the_blind_guess_is_the_best_constant_one(loss: str, concepts: ConceptSet, sampler: Sampler) -> None:
    guess = blind_guess(loss, concepts, sampler)
    assert guess is not None and guess.blind == pytest.approx(best_constant(loss, concepts, sampler), abs=1e-4)


def test_a_concept_drawn_evenly_is_guessed_at_the_entropy_of_even_chances() -> None:
    guess = blind_guess("one-drawn", LABELS, CONCEPTS, weight=2.0)
    assert guess is not None and guess.blind == pytest.approx(2 * math.log(3)) == pytest.approx(guess.even)


@pytest.mark.parametrize("loss", ["sampled-softmax", "sampled-one-drawn", "focal", "asymmetric"])
def test_other_losses_are_not_judged(loss: str) -> None:
    assert blind_guess(loss, LABELS, IMAGES) is None


def watch_of(objective: str, values: dict[str, Any], steps: int) -> Watch:
    settings = PretrainSettings(objective=objective, objective_settings=values, concepts={}, batch_size=8)
    return Watch(settings, list(range(steps)), {}, torch.nn.Module())  # type: ignore[arg-type]


def told(watch: Watch, losses: dict[int, dict[str, float]], capsys: pytest.CaptureFixture[str]) -> str:
    """What is said after each of some steps, and by which."""
    said = ""
    for number, means in losses.items():
        watch.line(number, means)
        if line := " ".join(capsys.readouterr().err.split()):
            said += f"{number}: {line}"
    return said


def test_a_contrastive_loss_that_stays_at_chance_is_told_once(capsys: pytest.CaptureFixture[str]) -> None:
    said = told(watch_of("clip", {}, 1000), {n: {"loss": math.log(8) - 0.01} for n in range(20, 400, 20)}, capsys)
    assert said.startswith("100: warning: after 100 steps the loss is 2.07, still that of guessing (2.08, ln 8)")
    assert said.count("warning") == 1


def test_a_contrastive_loss_that_falls_is_left_alone(capsys: pytest.CaptureFixture[str]) -> None:
    falls = {n: {"loss": math.log(8) * (0.9 if n > 60 else 1)} for n in range(20, 400, 20)}
    # One step that is as bad as guessing makes no warning.
    falls[200] = {"loss": math.log(8)}
    assert told(watch_of("clip", {}, 1000), falls, capsys) == ""
    assert told(watch_of("rotation", {}, 1000), {n: {"loss": math.log(4)} for n in range(20, 400, 20)}, capsys) == ""


def test_a_loss_that_comes_back_to_chance_is_told(capsys: pytest.CaptureFixture[str]) -> None:
    back = {n: {"loss": math.log(8) * (0.9 if 60 < n < 300 else 1)} for n in range(20, 500, 20)}
    assert told(watch_of("clip", {}, 1000), back, capsys).startswith("380: warning")


def test_a_part_of_a_sum_is_held_against_its_own_chance(capsys: pytest.CaptureFixture[str]) -> None:
    parts = {"pairs": {"kind": "clip", "weight": 0.5}, "turns": {"kind": "rotation"}}
    losses = {n: {"loss": 0.1, "pairs": math.log(8)} for n in range(20, 200, 20)}
    said = told(watch_of("weighted-sum", {"objectives": parts}, 1000), losses, capsys)
    assert "the loss of pairs is 2.08, still that of guessing" in said
