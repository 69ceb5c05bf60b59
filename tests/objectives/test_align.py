"""ALIGN's loss is CLIP's with smoothed labels: torch's where a text has one image, a plain loop's elsewhere."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
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
from wordsight.objectives.align import Align
from wordsight.objectives.clip import contrastive_loss
from wordsight.objectives.two_towers import Matching, matching


def test_with_one_text_an_image_it_is_torch_s_cross_entropy_with_smoothing() -> None:
    logits = torch.randn(6, 6).requires_grad_()
    own = torch.arange(6)
    theirs = sum(functional.cross_entropy(each, own, label_smoothing=0.1) for each in (logits, logits.T)) / 2
    assert isinstance(theirs, Tensor)
    assert_same_value_and_gradient(contrastive_loss(logits, whose(6, range(6)), label_smoothing=0.1), theirs, [logits])


def one_by_one(logits_BT: Tensor, found: Matching, smoothing: float) -> Tensor:
    """The smoothed cross-entropy of every caption in both directions, one candidate after another."""

    def of_one(scores: Tensor, own: int) -> Tensor:
        log_share = scores - scores.exp().sum().log()
        return -(1 - smoothing) * log_share[own] - smoothing * log_share.mean()

    losses, negative_BT = [], found.negative_BT
    for text, image in enumerate(found.image_T.tolist()):
        texts = [other for other in range(logits_BT.shape[1]) if negative_BT[image, other] or other == text]
        losses.append(of_one(logits_BT[image, texts], texts.index(text)))
        images = [other for other in range(len(logits_BT)) if negative_BT[other, text] or other == image]
        losses.append(of_one(logits_BT[images, text], images.index(image)))
    return torch.stack(losses).mean()


@pytest.mark.parametrize("smoothing", [0.0, 0.1, 0.4])
def test_the_smoothed_share_goes_to_candidates_alone(smoothing: float) -> None:
    found = matching(step(*STEP))
    logits = (3 * torch.randn(found.negative_BT.shape)).requires_grad_()
    ours = contrastive_loss(logits, found, label_smoothing=smoothing)
    assert_same_value_and_gradient(ours, one_by_one(logits, found, smoothing), [logits])


def test_it_begins_at_a_temperature_of_one_with_a_tenth_smoothed() -> None:
    objective = towers("align")
    assert isinstance(objective, Align) and objective.label_smoothing == 0.1
    found = objective(step([0, 1, 2], [[1], [2], [3]]))
    assert float(found["temperature"]) == pytest.approx(1)


def test_two_processes_have_the_loss_and_gradients_of_one(tmp_path: Path) -> None:
    assert_two_processes_equal_one(
        lambda: towers("align", captions=2), lambda rank, world: step(*STEP, rank, world), tmp_path
    )


def test_smoothing_keeps_a_loss_from_trusting_wrong_texts() -> None:
    """The trend that it is there for: a wrong text costs less, and perfect scores are not the aim."""
    sure = 20 * torch.eye(8)
    wrong = sure[:, [1, 0, *range(2, 8)]]
    plain, smooth = (
        [float(contrastive_loss(x, whose(8, range(8)), label_smoothing=s)) for x in (sure, wrong)] for s in (0.0, 0.1)
    )
    assert plain[0] == pytest.approx(0, abs=1e-5) and smooth[0] > 1
    assert smooth[1] - smooth[0] < plain[1] - plain[0]


def test_a_run_is_trained_resumed_and_asked_for_retrieval(coloured_squares: Corpus, tmp_path: Path) -> None:
    run = assert_a_stopped_run_goes_on_to_the_same_numbers(coloured_squares, tmp_path, "align", {"captions": 2})
    found = wordsight.evaluate(run, corpus=coloured_squares, device="cpu")
    assert {result.protocol for result in found} == {"retrieval"}
