"""Captioning's loss is that of its tokens, one by one; pieces and processes change nothing; captions are learned."""

from __future__ import annotations

import itertools
import math
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional

from tests.objectives.caption_batches import (
    CAPTIONS,
    READER,
    SMALL,
    WORDS,
    Flat,
    batch,
    built,
    check_pieces,
    check_two_processes,
    gradients,
    read,
)
from wordsight.batching.batch import Batch
from wordsight.batching.fields.texts import TextFacts, Texts
from wordsight.errors import InputError
from wordsight.heads.caption_search import CaptionSearch
from wordsight.language.wordpiece import CLS, MASK, SEP
from wordsight.objectives import (
    SUM,
    CaptioningObjective,
    Facts,
    Seen,
    build_objective,
    objective_needs,
    objective_settings,
)
from wordsight.objectives.captioning import Captioning, reversed_ids
from wordsight.objectives.comparing import ComparingObjective
from wordsight.objectives.objective import cells_of
from wordsight.vision.backbones import Backbone

ORDERS = ["left-to-right", "both", "parallel"]


def said(objective: Captioning, step: Batch, image: int, ids: list[int], direction: int = 0) -> list[Tensor]:
    """The cross-entropy of each token of one caption, from those before it alone, one after another."""
    cells_BLC = cells_of(objective.grid(step))[image : image + 1]
    losses = []
    for place in range(1, len(ids)):
        before = torch.tensor(ids[:place])[None, None]
        known = objective.decoder(before, objective.decoder.read(cells_BLC, direction), direction=direction)[0, 0, -1]
        scores = objective.decoder.embedding.words.weight @ known + objective.decoder.embedding.bias_V
        losses.append(functional.cross_entropy(scores[None], torch.tensor(ids[place : place + 1])))
    return losses


def by_hand(objective: Captioning, step: Batch) -> Tensor:
    """The loss, token by token."""
    forward, backward = [], []
    for image, some in enumerate(CAPTIONS):
        for text in filter(None, some):
            (ids,) = READER.ids_of([text])
            assert ids[0] == CLS and ids[-1] == SEP
            forward += said(objective, step, image, ids)
            if objective.order == "both":
                backward += said(objective, step, image, ids[::-1], 1)
    total = torch.stack(forward).mean()
    return total + torch.stack(backward).mean() if backward else total


def close(one: Tensor, other: Tensor, objective: nn.Module) -> None:
    torch.testing.assert_close(one, other, rtol=1e-5, atol=1e-5)
    parameters = list(objective.parameters())
    grads = [torch.autograd.grad(each, parameters, allow_unused=True, retain_graph=True) for each in (one, other)]
    for mine, theirs in zip(*grads, strict=True):
        zero = torch.zeros(())
        torch.testing.assert_close(mine if mine is not None else zero, theirs if theirs is not None else zero)


@pytest.mark.parametrize("order", ["left-to-right", "both"])
def test_the_loss_is_the_mean_over_tokens_of_what_each_costs_after_those_before_it(order: str) -> None:
    objective = built("captioning", order=order)
    step = batch()
    close(objective(step)["loss"], by_hand(objective, step), objective)


def test_at_once_each_token_is_said_from_masks_alone_whatever_the_caption_s_length() -> None:
    objective = built("captioning", order="parallel", parallel_share=0.6)
    step = batch()
    texts, losses, at_once = step.fields["texts"], [], 0
    masks = torch.full((1, 1, READER.max_tokens - 1), MASK)
    everything = torch.ones(1, 1, 8, 8, dtype=torch.bool)
    for image, some in enumerate(CAPTIONS):
        for number, text in enumerate(some):
            if not text:
                continue
            (ids,) = READER.ids_of([text])
            if float(texts.chance_BcT3[image, number, 0, 0]) >= 0.6:
                losses += said(objective, step, image, ids)
                continue
            at_once += 1
            read_image = objective.decoder.read(cells_of(objective.grid(step))[image : image + 1])
            known = objective.decoder(masks, read_image, everything)[0, 0, : len(ids) - 1]
            scores = objective.decoder.embedding.scores(known)
            losses += list(functional.cross_entropy(scores, torch.tensor(ids[1:]), reduction="none"))
    assert 0 < at_once < 11
    close(objective(step)["loss"], torch.stack(losses).mean(), objective)


def test_from_right_to_left_captions_begin_with_sep_and_end_with_cls() -> None:
    found = reversed_ids(read([["a dog runs", "the cat"], ["here", ""]]))
    a, the, dog, cat, runs, _, here = range(5, 12)
    assert found.tolist() == [
        [[SEP, runs, dog, a, CLS], [SEP, cat, the, CLS, 0]],
        [[SEP, here, CLS, 0, 0], [0, 0, 0, 0, 0]],
    ]


@pytest.mark.parametrize("order", ORDERS)
def test_pieces_have_the_loss_and_the_gradients_of_the_whole(order: str) -> None:
    check_pieces(built("captioning", order=order), 3)


@pytest.mark.parametrize("order", ["both", "parallel"])
def test_two_processes_have_the_loss_and_gradients_of_one(tmp_path: Path, order: str) -> None:
    check_two_processes(tmp_path, "captioning", order=order)


def test_its_numbers_and_their_plots_have_the_same_names() -> None:
    for order in ORDERS:
        objective = built("captioning", order=order)
        settings = objective_settings("captioning", {**SMALL, "order": order})
        assert set(objective(batch())) - {"loss"} == set(Captioning.plots(settings))


def trained(steps: int, captions: list[list[str]], **values: Any) -> tuple[Captioning, Batch, dict[str, Tensor]]:
    """A captioner after some steps on the same images."""
    objective = built("captioning", width=48, heads=4, **values)
    step = batch(captions)
    optimizer = torch.optim.AdamW(objective.parameters(), 3e-3, weight_decay=0.0)
    found: dict[str, Tensor] = {}
    chance = torch.Generator().manual_seed(2)
    for _ in range(steps):
        texts = step.of(Texts)
        drawn = replace(texts, chance_BcT3=torch.rand(*texts.ids_BcT.shape, 3, generator=chance))
        step = replace(step, fields={"texts": drawn})
        found = objective(step)
        found["loss"].backward()
        optimizer.step()
        optimizer.zero_grad(set_to_none=True)
    objective.eval()
    return objective, step, found


THIRTY_TWO = [
    [f"{which} {colour}{animal} {does}{when}"]
    for which, colour, animal, does, when in itertools.product(
        ("a", "the"), ("", "red "), ("dog", "cats"), ("runs", "sleeps"), ("", " here")
    )
]


@pytest.mark.parametrize(("order", "steps"), [("left-to-right", 150), ("both", 150), ("parallel", 400)])
def test_it_learns_the_captions_of_32_images_by_heart(order: str, steps: int) -> None:
    objective, step, _ = trained(steps, THIRTY_TWO, order=order)
    wanted = [text for (text,) in THIRTY_TWO]
    with torch.no_grad():
        grid_BCHW = objective.grid(step)
        for search in (CaptionSearch(beams=1), CaptionSearch(beams=4)):
            written = objective.generate(grid_BCHW, search)
            assert [each.text for each in written] == wanted
            assert all(each.ended and each.log_probability > -0.7 for each in written)
            assert [each.tokens for each in written] == [len(ids) - 1 for ids in READER.ids_of(wanted)]


def test_to_say_all_at_once_is_harder_than_word_after_word() -> None:
    """CapPa, Section 3: of two captions that a picture may have, the first word tells which; without it, none does."""
    captions = [["a dog runs", "the cat sleeps"], ["the dog sleeps", "a cat runs"]]
    at_once = trained(60, captions, order="parallel", parallel_share=1.0)[2]["loss"].detach()
    in_turn = trained(60, captions, order="left-to-right")[2]["loss"].detach()
    # Of four tokens, [SEP] is sure; the others cost ln 2 each, or the first alone.
    assert float(at_once) == pytest.approx(3 / 4 * math.log(2), abs=0.05)
    assert float(in_turn) == pytest.approx(1 / 4 * math.log(2), abs=0.05)


def test_a_caption_is_never_longer_than_its_most_tokens_and_holds_no_special_token() -> None:
    objective = built("captioning", order="left-to-right").eval()
    with torch.no_grad():
        objective.decoder.embedding.bias_V[[0, 1, 2, 4]] = 99.0
        written = objective.generate(objective.grid(batch()), CaptionSearch(beams=2))
    for each in written:
        assert "[" not in each.text and each.tokens <= READER.max_tokens - 1
        assert each.ended or each.tokens == READER.max_tokens - 1


def test_it_says_where_it_looks_for_each_token() -> None:
    objective = built("captioning").eval()
    captions = ["a dog runs", "the cat", "here"]
    with torch.no_grad():
        grid_BCHW = objective.grid(batch(CAPTIONS[:3]))
        found = objective.attend(grid_BCHW, captions)
        alone = objective.attend(grid_BCHW[1:2], ["the cat"])
    assert found.ids_BT.tolist() == READER.encode(captions)[0].tolist()
    assert found.grid == (2, 2)
    rows_BT = found.attention_BTL.sum(-1)
    torch.testing.assert_close(rows_BT, torch.tensor([[0, 1, 1, 1, 1], [0, 1, 1, 1, 0], [0, 1, 1, 0, 0]]).float())
    torch.testing.assert_close(found.attention_BTL[1:2, :4], alone.attention_BTL)


def test_it_is_a_captioner_and_its_heads_have_to_divide_its_width() -> None:
    assert isinstance(built("captioning"), CaptioningObjective) and len(WORDS) == 10
    with pytest.raises(InputError, match="a width of 10 is not a multiple of 4 heads"):
        objective_settings("captioning", {"width": 10})


TOWER = {"width": 8, "heads": 2, "layers": 1, "max_tokens": 9}
PARTS: dict[str, Any] = {
    "pairs": {"kind": "clip", "width": 6, "captions": 2, "text_tower": TOWER},
    "says": {"kind": "captioning", "weight": 0.5, "captions": 2, **SMALL},
    "hidden": {"kind": "masked-lm", "weight": 2.0, "captions": 2, **SMALL},
}


def test_pieces_of_a_sum_with_contrast_have_the_gradients_of_the_whole() -> None:
    torch.manual_seed(0)
    facts = Facts({"texts": TextFacts(READER)}, images=6)
    objective = build_objective(SUM, {"objectives": PARTS}, Backbone(Flat(), {"grid": ""}, 6), facts)
    assert isinstance(objective, ComparingObjective)
    for name, parameter in objective.named_parameters():
        if parameter.ndim > 1 and "backbone" not in name:
            nn.init.normal_(parameter, std=0.4)
    whole = objective(batch())
    whole["loss"].backward()
    wanted = gradients(objective)
    objective.zero_grad(set_to_none=True)
    parts = [objective.embed(Seen(objective.backbone, piece), piece) for piece in batch().split(3)]
    found = objective.compare({name: torch.cat([part[name] for part in parts]) for name in parts[0]}, batch())
    found.total.backward()
    torch.testing.assert_close(found.total, whole["loss"])
    for name, gradient in gradients(objective).items():
        torch.testing.assert_close(gradient, wanted[name], msg=name)


def test_a_sum_whose_parts_read_captions_differently_is_refused() -> None:
    assert objective_needs(SUM, {"objectives": PARTS}).fields["texts"].chance  # type: ignore[attr-defined]
    other = {**PARTS, "says": {**PARTS["says"], "max_tokens": 30}}
    with pytest.raises(InputError, match="two objectives of a sum ask for different values"):
        objective_needs(SUM, {"objectives": other})
