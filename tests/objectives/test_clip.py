"""CLIP's loss is the paper's; no caption of an image is its negative; two processes have the loss of one."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor
from torch.nn import functional

import wordsight
from tests.conftest import MakeCorpus
from tests.objectives.towers import (
    STEP,
    TOWER,
    assert_same_value_and_gradient,
    assert_two_processes_equal_one,
    step,
    towers,
    whose,
)
from wordsight.objectives import ImageTextObjective, Seen, objective_chances, objective_settings, parts_of
from wordsight.objectives.clip import Clip, contrastive_loss
from wordsight.objectives.two_towers import Matching, matching
from wordsight.training.run import Run


def clip(**values: object) -> Clip:
    built = towers("clip", **values)
    assert isinstance(built, Clip)
    return built


def test_the_loss_of_two_images_by_hand() -> None:
    logits = torch.tensor([[2.0, 0.0], [1.0, 3.0]])
    to_text = math.log(1 + math.exp(0 - 2)) + math.log(1 + math.exp(1 - 3))
    to_image = math.log(1 + math.exp(1 - 2)) + math.log(1 + math.exp(0 - 3))
    assert float(contrastive_loss(logits, whose(2, [0, 1]))) == pytest.approx((to_text + to_image) / 4)


def test_the_loss_and_its_gradients_are_open_clip_s() -> None:
    loss = pytest.importorskip("open_clip.loss", reason="open_clip is not installed: pip install open_clip_torch")
    images, texts = (functional.normalize(torch.randn(7, 4), dim=1).requires_grad_() for _ in range(2))
    theirs = loss.ClipLoss()(images, texts, 12.5)
    ours = contrastive_loss(12.5 * images @ texts.T, whose(7, list(range(7))))
    assert_same_value_and_gradient(ours, theirs, [images, texts])


def test_another_caption_of_an_image_is_never_its_negative() -> None:
    logits = torch.randn(2, 3)
    found = float(contrastive_loss(logits, whose(2, [0, 0, 1])))
    # The two captions of image 0 each against that of image 1; that of image 1 against both.
    to_text = [functional.cross_entropy(logits[0, [own, 2]][None], torch.tensor([0])) for own in (0, 1)]
    to_text.append(functional.cross_entropy(logits[1][None], torch.tensor([2])))
    to_image = functional.cross_entropy(logits.T, torch.tensor([0, 0, 1]))
    assert found == pytest.approx(float((sum(to_text) / 3 + to_image) / 2))


def test_which_captions_are_negatives() -> None:
    """Images 0 and 2 of the step are one example; the caption of image 1 reads like one of image 0's."""
    objective = clip(captions=2)
    drawn = step([4, 7, 4], [[1, 2], [2, 5], [3, -1]])
    found = matching(drawn)
    assert found.image_T.tolist() == [0, 0, 1, 1, 2]
    assert found.negative_BT.tolist() == [
        [False, False, False, True, False],
        [True, False, False, False, True],
        [False, False, True, True, False],
    ]
    embedded = objective.embed(Seen(objective.backbone, drawn), drawn)
    assert torch.allclose(embedded["images"].norm(dim=1), torch.ones(3))
    assert torch.allclose(embedded["texts"].norm(dim=2), torch.ones(3, 2))


def test_the_temperature_is_learned_and_never_below_a_hundredth() -> None:
    objective = clip(temperature=0.5)
    found = objective(step([0, 1, 2], [[1], [2], [3]]))
    assert float(found["temperature"]) == pytest.approx(0.5)
    found["loss"].backward()
    assert all(p.grad is not None for p in objective.parameters())
    with torch.no_grad():
        objective.log_scale.fill_(99)
    objective.after_update(0)
    assert float(objective.log_scale.detach().exp()) == pytest.approx(100)


def test_two_processes_have_the_loss_and_gradients_of_one(tmp_path: Path) -> None:
    assert_two_processes_equal_one(lambda: clip(captions=2), lambda rank, world: step(*STEP, rank, world), tmp_path)


CAPTIONS = [
    [f"a {kind} {does} here", f"one {kind} that {does}"] for kind in ("dog", "cat") for does in ("runs", "sleeps")
]


def test_a_run_is_trained_read_back_and_asked_for_retrieval(make_corpus: MakeCorpus, tmp_path: Path) -> None:
    corpus = make_corpus([captions for captions in CAPTIONS for _ in range(3)], ["train"] * 8 + ["test"] * 4)
    given: dict[str, Any] = {
        "backbone_settings": {"stages": 1},
        "image_size": 32,
        "epochs": 1,
        "batch_size": 4,
        "workers": 0,
    }
    values = {"text_tower": {**TOWER, "vocabulary": 60}, "captions": 2}
    run = wordsight.pretrain(
        "clip-resnet18-small", corpus=corpus, out=tmp_path / "run", objective_settings=values, device="cpu", **given
    )
    assert (run.info.concepts, run.info.language) == ({}, None)
    (one,), (other,) = (parts_of(Run.open(run.path).objective(), ImageTextObjective) for _ in range(2))
    with torch.no_grad():
        assert torch.equal(one.embed_texts(["a dog runs"]), other.embed_texts(["a dog runs"]))
    found = wordsight.evaluate(run, corpus=corpus)
    assert {result.protocol for result in found} == {"retrieval"} and len(found) == 2
    assert "what similarities are divided by" in wordsight.report(run).read_text("utf-8")


def together_one_by_one(logits_BT: Tensor, found: Matching) -> Tensor:
    """Each image over its own captions and its negatives, each caption over its image and those it is a negative of."""
    to_text, to_image = [], []
    for image in range(len(logits_BT)):
        own = [text for text, of in enumerate(found.image_T.tolist()) if of == image]
        among = [text for text in range(logits_BT.shape[1]) if text in own or found.negative_BT[image, text]]
        shares = [-(logits_BT[image, text] - logits_BT[image, among].exp().sum().log()) for text in own]
        to_text.append(torch.stack(shares).mean())
    for text, image in enumerate(found.image_T.tolist()):
        others = [other for other in range(len(logits_BT)) if other == image or found.negative_BT[other, text]]
        to_image.append(-(logits_BT[image, text] - logits_BT[others, text].exp().sum().log()))
    return (torch.stack(to_text).mean() + torch.stack(to_image).mean()) / 2


def test_captions_together_share_one_softmax() -> None:
    found = matching(step(*STEP))
    logits = (3 * torch.randn(found.negative_BT.shape)).requires_grad_()
    ours = contrastive_loss(logits, found, positives="together")
    assert_same_value_and_gradient(ours, together_one_by_one(logits, found), [logits])
    assert float(ours.detach()) != pytest.approx(float(contrastive_loss(logits, found).detach()))


def test_captions_together_are_supervised_contrast_from_images() -> None:
    losses = pytest.importorskip("pytorch_metric_learning.losses", reason="pip install pytorch-metric-learning")
    leaves = [torch.randn(count, 4, requires_grad=True) for count in (4, 8)]
    images, texts = (functional.normalize(each, dim=1) for each in leaves)
    found = whose(4, [0, 0, 1, 1, 2, 2, 3, 3])
    # The mean over images of their SupCon loss over all captions; theirs divides by the temperature.
    theirs = losses.SupConLoss(temperature=0.2)(images, torch.arange(4), ref_emb=texts, ref_labels=found.image_T)
    to_image = functional.cross_entropy(5 * texts @ images.T, found.image_T)
    ours = contrastive_loss(5 * images @ texts.T, found, positives="together")
    assert_same_value_and_gradient(ours, (theirs + to_image) / 2, leaves)


def test_with_one_caption_an_image_apart_and_together_are_one_loss() -> None:
    logits = torch.randn(5, 5)
    apart, together = (contrastive_loss(logits, whose(5, range(5)), positives=each) for each in ("apart", "together"))
    torch.testing.assert_close(apart, together)


@pytest.mark.parametrize(("captions", "positives"), [(1, "apart"), (3, "apart"), (3, "together")])
@pytest.mark.parametrize("name", ["clip", "align"])
def test_chance_is_the_loss_of_scores_that_are_all_alike(name: str, captions: int, positives: str) -> None:
    texts = [[captions * image + place for place in range(captions)] for image in range(7)]
    found = matching(step(range(7), texts))
    values = {"captions": captions, "positives": positives}
    smoothing = objective_settings("align", {}).label_smoothing if name == "align" else 0.0
    loss = contrastive_loss(
        torch.zeros(found.negative_BT.shape),
        found,
        positives=objective_settings("clip", values).positives,
        label_smoothing=smoothing,
    )
    assert objective_chances(name, values, 7)["loss"].loss == pytest.approx(float(loss))
