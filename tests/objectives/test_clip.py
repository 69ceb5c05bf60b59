"""CLIP's loss is the paper's; no caption of an image is its negative; two processes have the loss of one."""

from __future__ import annotations

import math
import multiprocessing
from pathlib import Path
from typing import Any

import pytest
import torch
import torch.distributed as dist
from torch import Tensor, nn
from torch.nn import functional

import wordsight
from tests.conftest import MakeCorpus
from wordsight.batching.batch import Batch
from wordsight.batching.fields.texts import TextFacts, Texts
from wordsight.language.text_tokenizer import TextTokenizer
from wordsight.language.wordpiece import SPECIAL
from wordsight.objectives import Facts, ImageTextObjective, Seen, build_objective, parts_of
from wordsight.objectives.clip import Clip, contrastive_loss
from wordsight.objectives.two_towers import Matching, matching
from wordsight.training.run import Run
from wordsight.vision.backbones import Backbone

WORDS = ["a", "dog", "runs", "cat", "sleeps", "here"]
TOWER = {"width": 8, "layers": 1, "heads": 2, "max_tokens": 8}


class Flat(nn.Module):
    """A backbone without batch norm: every process sees an image alike."""

    def __init__(self) -> None:
        super().__init__()
        self.layer = nn.Conv2d(3, 6, 4, 4)

    def forward(self, images_BCHW: Tensor) -> Tensor:
        grid_BCHW: Tensor = self.layer(images_BCHW)
        return grid_BCHW


def clip(**values: object) -> Clip:
    torch.manual_seed(0)
    reader = TextTokenizer.of_vocabulary([*SPECIAL, *WORDS], max_tokens=8)
    facts = Facts({"texts": TextFacts(reader)}, images=6)
    built = build_objective(
        "clip", {"width": 5, "text_tower": TOWER, **values}, Backbone(Flat(), {"grid": ""}, 6), facts
    )
    assert isinstance(built, Clip)
    return built


def batch(examples: list[int], texts: list[list[int]], rank: int = 0, world: int = 1) -> Batch:
    """Images with c captions each; a caption is a number (-1 for none), and reads differently from other numbers."""
    torch.manual_seed(1)
    images = torch.randint(0, 256, (99, 3, 8, 8), dtype=torch.uint8)[examples]
    text_Bc = torch.tensor(texts)
    ids_BcT = torch.stack([torch.full_like(text_Bc, 2), text_Bc.clamp_min(0) % 5 + 5, text_Bc.clamp_min(0) // 5 + 5], 2)
    present_BcT = (text_Bc >= 0)[..., None].expand_as(ids_BcT).clone()
    present_BcT[..., 0] = True
    drawn = Texts(ids_BcT, present_BcT, (text_Bc >= 0).float(), text_Bc)
    mine = slice(rank, None, world)
    parts = [getattr(drawn, name)[mine] for name in ("ids_BcT", "present_BcT", "weight_Bc", "text_Bc")]
    return Batch.of_images(images[mine], torch.tensor(examples)[mine], fields={"texts": Texts(*parts)})


def whose(images: int, image_T: list[int]) -> Matching:
    own_BT = torch.arange(images)[:, None] == torch.tensor(image_T)[None]
    return Matching(torch.tensor(image_T), ~own_BT, torch.ones(len(image_T), dtype=torch.bool))


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
    assert float(ours.detach()) == pytest.approx(float(theirs.detach()))
    for one, other in zip(*(torch.autograd.grad(each, [images, texts]) for each in (ours, theirs)), strict=True):
        torch.testing.assert_close(one, other)


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
    step = batch([4, 7, 4], [[1, 2], [2, 5], [3, -1]])
    found = matching(step)
    assert found.image_T.tolist() == [0, 0, 1, 1, 2]
    assert found.negative_BT.tolist() == [
        [False, False, False, True, False],
        [True, False, False, False, True],
        [False, False, True, True, False],
    ]
    embedded = objective.embed(Seen(objective.backbone, step), step)
    assert torch.allclose(embedded["images"].norm(dim=1), torch.ones(3))
    assert torch.allclose(embedded["texts"].norm(dim=2), torch.ones(3, 2))


def test_the_temperature_is_learned_and_never_below_a_hundredth() -> None:
    objective = clip(temperature=0.5)
    found = objective(batch([0, 1, 2], [[1], [2], [3]]))
    assert float(found["temperature"]) == pytest.approx(0.5)
    found["loss"].backward()
    assert all(p.grad is not None for p in objective.parameters())
    with torch.no_grad():
        objective.log_scale.fill_(99)
    objective.after_update(0)
    assert float(objective.log_scale.detach().exp()) == pytest.approx(100)


STEP = ([3, 9, 4, 3, 8, 1], [[1, 2], [4, -1], [7, 8], [2, 3], [9, 11], [12, -1]])


def _one_of_two(rank: int, store: str, out: str) -> None:
    dist.init_process_group("gloo", init_method=f"file://{store}", rank=rank, world_size=2)
    objective = clip(captions=2)
    found = objective(batch(*STEP, rank=rank, world=2))
    found["loss"].backward()
    for parameter in objective.parameters():
        # As gradients are averaged in training.
        assert parameter.grad is not None
        dist.all_reduce(parameter.grad)
        parameter.grad /= 2
    grads = {name: parameter.grad for name, parameter in objective.named_parameters()}
    torch.save({"loss": found["loss"].detach(), "grads": grads}, f"{out}/{rank}.pt")
    dist.destroy_process_group()


def test_two_processes_have_the_loss_and_gradients_of_one(tmp_path: Path) -> None:
    context = multiprocessing.get_context("fork")
    processes = [
        context.Process(target=_one_of_two, args=(rank, str(tmp_path / "store"), str(tmp_path))) for rank in range(2)
    ]
    for process in processes:
        process.start()
    for process in processes:
        process.join(60)
        assert process.exitcode == 0
    objective = clip(captions=2)
    whole = objective(batch(*STEP))
    whole["loss"].backward()
    for rank in range(2):
        half = torch.load(tmp_path / f"{rank}.pt", weights_only=True)
        torch.testing.assert_close(half["loss"], whole["loss"].detach())
        for name, parameter in objective.named_parameters():
            torch.testing.assert_close(half["grads"][name], parameter.grad, msg=name)


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
