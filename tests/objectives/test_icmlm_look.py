"""Looking for a hidden word: the formula by a loop, which grids are negatives, two processes, and what it is for."""

from __future__ import annotations

import math
import multiprocessing
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
import torch.distributed as dist
from torch import Tensor, nn
from torch.nn import functional

import wordsight
from tests.objectives.towers import SETTINGS, assert_it_goes_on_to_the_same_numbers
from wordsight.batching.batch import Batch
from wordsight.batching.fields.masked import MaskedNeed
from wordsight.batching.masks import MaskedWords
from wordsight.corpus import Corpus
from wordsight.errors import InputError
from wordsight.objectives import Facts, MaskedFacts, Seen, objective_kind
from wordsight.objectives.icmlm import words_present
from wordsight.objectives.icmlm_look import LookWords, LookWordSettings
from wordsight.objectives.objective import cells_of
from wordsight.vision.backbones import Backbone

WIDTH, MASKABLE = 6, [3, 5, 7, 11, 12]
TEXT_HEAD = {
    "dense.weight": torch.eye(WIDTH),
    "dense.bias": torch.zeros(WIDTH),
    "norm.weight": torch.ones(WIDTH),
    "norm.bias": torch.zeros(WIDTH),
    "bias": torch.tensor([0.3, -0.2, 0.1, 0.0, 0.4]),
}


class Flat(nn.Module):
    """A backbone without batch norm: every process sees an image alike."""

    def __init__(self) -> None:
        super().__init__()
        self.layer = nn.Conv2d(3, 8, 4, 4)

    def forward(self, images_BCHW: Tensor) -> Tensor:
        grid_BCHW: Tensor = self.layer(images_BCHW)
        return grid_BCHW


def look(**values: Any) -> LookWords:
    torch.manual_seed(0)
    words = MaskedFacts(torch.randn(15, WIDTH), torch.tensor(MASKABLE), text_head=TEXT_HEAD)
    settings = LookWordSettings(**{"joint_width": 4, **values})
    kind = objective_kind("icmlm-look").in_sum
    assert kind is not None
    built = kind.built(Backbone(Flat(), {"grid": ""}, 8), Facts({"masked": words}), settings)
    assert isinstance(built, LookWords)
    with torch.no_grad():
        for name, parameter in built.named_parameters():
            # Biases and scales too: at zero and one they would hide a mistake.
            if "prior" not in name:
                parameter.add_(0.3 * torch.randn_like(parameter))
    return built


def batch(rank: int = 0, world: int = 1, shown: list[list[int]] | None = None) -> Batch:
    """Five images with two hidden words each, of captions of 3 to 6 tokens; the last image has one alone."""
    torch.manual_seed(1)
    target_Bm = torch.tensor([[3, 5], [7, 3], [11, 5], [12, 7], [3, 0]])
    said = shown or [[3, 5, 7], [3, 7], [5, 11], [7, 12], [3]]
    present_BmT = torch.arange(6) < torch.tensor([[3, 6], [4, 4], [6, 5], [3, 3], [5, 1]])[..., None]
    words = MaskedWords(
        ids_BmT=torch.zeros(5, 2, 6, dtype=torch.long),
        tokens_BmTD=torch.randn(5, 2, 6, WIDTH),
        present_BmT=present_BmT,
        position_Bm=torch.tensor([[1, 2], [1, 1], [4, 3], [1, 1], [2, 0]]),
        target_Bm=target_Bm,
        weight_Bm=torch.tensor([[1.0, 1.0]] * 4 + [[1.0, 0.0]]),
        shown_BS=torch.tensor([[*row, *[-1] * (3 - len(row))] for row in said]),
    )
    images = torch.randint(0, 256, (5, 3, 8, 8), dtype=torch.uint8)
    mine = slice(rank, None, world)
    own = {name: value[mine] for name, value in vars(words).items() if isinstance(value, Tensor)}
    # As the loader does, each process pads to its own longest caption and its own most words.
    own["shown_BS"] = own["shown_BS"][:, : int((own["shown_BS"] >= 0).sum(1).max())]
    return Batch.of_images(images[mine], torch.tensor([4, 9, 2, 8, 6])[mine], fields={"masked": MaskedWords(**own)})


def by_the_formula(objective: LookWords, step: Batch) -> tuple[Tensor, Tensor]:
    """L_look and L_word of the module's first lines, a caption, a grid and a word at a time."""
    words, cells_BLC = step.of(MaskedWords), cells_of(objective.grid(step))
    assert words.shown_BS is not None
    att, fc, candidates = objective.att, objective.fc, objective.candidates.tolist()
    look, word = [], []

    def feature(tokens_TD: Tensor, cells_LC: Tensor) -> Tensor:
        scores_L = []
        keys = list(att.visual(cells_LC))
        if att.null_key is not None:
            keys.append(att.null_key)
        for key_NZ in keys:
            of_heads = (att.textual(tokens_TD) * key_NZ).sum(-1).div(math.sqrt(4)).logsumexp(0)
            scores_L.append(of_heads.squeeze() if att.average is None else att.average(of_heads).squeeze())
        share_L = torch.stack(scores_L).softmax(0)
        unseen = 1 - share_L[: len(cells_LC)].sum()
        seen_C = (share_L[: len(cells_LC), None] * cells_LC).sum(0) / (1 - unseen)
        found_D: Tensor = (1 - unseen) * fc(seen_C)
        return found_D

    for j in range(len(cells_BLC)):
        for m in range(words.target_Bm.shape[1]):
            if words.weight_Bm[j, m] == 0:
                continue
            tokens_TD = words_present(words)[j, m][words.present_BmT[j, m]]
            target = int(words.target_Bm[j, m])
            vector_D = objective.vocabulary.vectors_VD[candidates.index(target)]
            others = [i for i in range(len(cells_BLC)) if i != j and target not in words.shown_BS[i].tolist()]
            own_D = feature(tokens_TD, cells_BLC[j])
            if others:
                zero = math.log(len(others))
                terms = [functional.softplus(-(own_D @ vector_D - zero))]
                terms += [functional.softplus(feature(tokens_TD, cells_BLC[i]) @ vector_D - zero) for i in others]
                look.append(torch.stack(terms).sum())
            logits_V = objective.vocabulary.vectors_VD @ own_D
            if objective.prior is not None:
                logits_V = logits_V + objective.prior(tokens_TD[int(words.position_Bm[j, m])]).log_softmax(0)
            word.append(-logits_V.log_softmax(0)[candidates.index(target)])
    return torch.stack(look).mean(), torch.stack(word).mean()


@pytest.mark.parametrize(
    "values",
    [
        {},
        {"heads": 3},
        {"hidden_layers": 0},
        {"hidden_layers": 2, "hidden_width": 7},
        {"null_cell": False},
        {"text_prior": False, "word_weight": 0.25},
    ],
)
def test_losses_and_gradients_are_those_of_a_loop_over_the_formula(values: dict[str, Any]) -> None:
    objective, step = look(**values), batch()
    found = objective(step)
    look_loss, word_loss = by_the_formula(objective, step)
    torch.testing.assert_close(found["look"], look_loss, rtol=1e-5, atol=1e-5)
    torch.testing.assert_close(found["masked"], word_loss, rtol=1e-5, atol=1e-5)
    whole = look_loss + values.get("word_weight", 1.0) * word_loss
    torch.testing.assert_close(found["loss"], whole, rtol=1e-5, atol=1e-5)
    learned = {name: p for name, p in objective.named_parameters() if p.requires_grad}
    expected = torch.autograd.grad(whole, list(learned.values()))
    found["loss"].backward()
    for (name, parameter), gradient in zip(learned.items(), expected, strict=True):
        torch.testing.assert_close(parameter.grad, gradient, rtol=1e-4, atol=1e-5, msg=name)


@pytest.mark.parametrize("block", [1, 2, 4])
def test_a_step_in_blocks_of_captions_is_that_at_once(monkeypatch: pytest.MonkeyPatch, block: int) -> None:
    def gradients() -> list[Tensor]:
        objective = look()
        found = objective(batch())
        found["loss"].backward()
        return [found["loss"].detach(), *(p.grad for p in objective.parameters() if p.grad is not None)]

    whole = gradients()
    # What one caption holds beside all grids: 5 images, 4 cells, 6 tokens, 8 hidden.
    monkeypatch.setitem(
        vars(__import__("wordsight.objectives.icmlm_look", fromlist=["x"]))["_BLOCK"], "cpu", block * 160
    )
    for one, other in zip(gradients(), whole, strict=True):
        torch.testing.assert_close(one, other)


def test_a_picture_whose_captions_hold_the_word_is_no_negative() -> None:
    objective = look()
    image_M, negative_MB = objective._negatives(batch())
    assert image_M.tolist() == [0, 0, 1, 1, 2, 2, 3, 3, 4, 4]
    # The words of images 0 (3 and 5), 1 (7 and 3), 2 (11 and 5): 5 stands in a caption of image 0 and of image 2.
    assert negative_MB[0].tolist() == [False, False, True, True, False]
    assert negative_MB[1].tolist() == [False, True, False, True, True]
    assert negative_MB[2].tolist() == [False, False, True, False, True]
    assert negative_MB[4].tolist() == [True, True, False, True, True]


def test_one_example_twice_in_a_step_is_no_negative_of_itself() -> None:
    step = batch(shown=[[3], [7], [11], [12], [5]])
    once = look()._negatives(step)[1]
    twice = look()._negatives(replace(step, examples_B=torch.tensor([4, 9, 4, 8, 6])))[1]
    assert once[0, 2] and not twice[0, 2] and not twice[4, 0]
    assert (once != twice).sum() == 4


def test_a_step_in_which_all_pictures_have_the_word_has_no_contrast_and_still_words() -> None:
    objective = look()
    found = objective(batch(shown=[MASKABLE[:3]] * 4 + [MASKABLE[:3]]))
    assert float(found["masked"]) > 0
    # Words 11 and 12 are said of no picture here; all others of every one.
    found = objective(batch(shown=[[3, 5, 7]] * 5))
    assert math.isfinite(float(found["look"]))
    everywhere = batch()
    words = everywhere.of(MaskedWords)
    all_said = replace(words, shown_BS=torch.tensor(MASKABLE).expand(5, -1))
    found = objective(replace(everywhere, fields={"masked": all_said}))
    assert float(found["look"]) == 0 == float(found["found"]) and float(found["masked"]) > 0
    found["loss"].backward()
    assert all(torch.isfinite(p.grad).all() for p in objective.parameters() if p.grad is not None)


def test_what_looks_at_nothing_is_predicted_as_from_the_caption_alone() -> None:
    objective, step = look(), batch()
    words = step.of(MaskedWords)
    seen = objective.predict_masked(objective.grid(step), words)
    assert seen.unseen_Bm is not None and ((seen.unseen_Bm > 0) & (seen.unseen_Bm < 1)).all()
    assert torch.allclose(seen.attention_BmL.sum(-1), torch.ones(5, 2)), "over the cells alone"
    assert objective.att.null_key is not None and objective.prior is not None
    with torch.no_grad():
        objective.att.null_key.fill_(1e4)
    blind = objective.predict_masked(objective.grid(step), words)
    assert blind.unseen_Bm is not None and torch.allclose(blind.unseen_Bm, torch.ones(5, 2))
    at_mask = words_present(words)[torch.arange(5)[:, None], torch.arange(2), words.position_Bm]
    assert torch.allclose(blind.logits_BmV, objective.prior(at_mask), atol=1e-5)


def test_the_text_only_scores_reach_no_gradient_of_the_contrast() -> None:
    objective = look(word_weight=0.0)
    before = objective(batch())
    assert objective.prior is not None
    with torch.no_grad():
        objective.prior.bias.add_(torch.randn(5))
    after = objective(batch())
    assert torch.equal(before["loss"], after["loss"]) and not torch.equal(before["masked"], after["masked"])


def test_a_text_only_head_over_the_whole_vocabulary_is_refused() -> None:
    with pytest.raises(InputError, match="candidates: maskable"):
        LookWordSettings(candidates="vocabulary")


def test_a_sum_of_att_fc_and_of_this_asks_for_what_either_needs() -> None:
    both = MaskedNeed(text_prior=True).joined(MaskedNeed(shown=True))
    assert both == MaskedNeed(text_prior=True, shown=True)
    with pytest.raises(InputError, match="different values"):
        MaskedNeed(per_image=2).joined(MaskedNeed(per_image=3, shown=True))


def _one_of_two(rank: int, store: str, out: str) -> None:
    dist.init_process_group("gloo", init_method=f"file://{store}", rank=rank, world_size=2)
    objective = look()
    found = objective(batch(rank, 2))
    found["loss"].backward()
    for parameter in objective.parameters():
        # As gradients are averaged in training.
        if parameter.grad is not None:
            dist.all_reduce(parameter.grad)
            parameter.grad /= 2
    numbers = {}
    for name, value in found.items():
        numbers[name] = value.detach().clone()
        dist.all_reduce(numbers[name])
        numbers[name] /= 2
    grads = {name: p.grad for name, p in objective.named_parameters() if p.grad is not None}
    torch.save({"numbers": numbers, "grads": grads}, f"{out}/{rank}.pt")
    dist.destroy_process_group()


def test_two_processes_have_the_losses_and_gradients_of_one(tmp_path: Path) -> None:
    context = multiprocessing.get_context("fork")
    processes = [
        context.Process(target=_one_of_two, args=(rank, str(tmp_path / "store"), str(tmp_path))) for rank in range(2)
    ]
    for process in processes:
        process.start()
    for process in processes:
        process.join(60)
        assert process.exitcode == 0
    objective = look()
    whole = objective(batch())
    whole["loss"].backward()
    grads = {name: p.grad for name, p in objective.named_parameters() if p.grad is not None}
    for rank in range(2):
        half = torch.load(tmp_path / f"{rank}.pt", weights_only=True)
        assert half["grads"].keys() == grads.keys()
        for name, value in whole.items():
            torch.testing.assert_close(half["numbers"][name], value.detach(), msg=name)
        for name, gradient in grads.items():
            torch.testing.assert_close(half["grads"][name], gradient, rtol=1e-4, atol=1e-6, msg=name)


def test_embedding_pieces_and_comparing_them_at_once_is_the_whole_step() -> None:
    objective, step = look(), batch()
    whole = objective(step)["loss"]
    pieces = [objective.embed(Seen(objective.backbone, one), one)["cells"] for one in _halves(step)]
    torch.testing.assert_close(objective.compare({"cells": torch.cat(pieces)}, step).total, whole)


def _halves(step: Batch) -> list[Batch]:
    return [replace(step, views=views, examples_B=step.examples_B[rows]) for views, rows in _cuts(step)]


def _cuts(step: Batch) -> list[tuple[Any, slice]]:
    (view,) = step.views
    cuts = [slice(0, 2), slice(2, 5)]
    return [
        ((replace(view, **{k: v[rows] for k, v in vars(view).items() if isinstance(v, Tensor)}),), rows)
        for rows in cuts
    ]


class Colours(nn.Module):
    """A grid of 2 x 2 colours."""

    def forward(self, images_BCHW: Tensor) -> Tensor:
        return functional.avg_pool2d(images_BCHW, 4)


def test_after_training_the_word_is_found_in_its_own_picture_and_not_named_from_another() -> None:
    """One cell of each picture has a colour, all others are grey; captions are all alike, and the colour is hidden."""
    torch.manual_seed(0)
    colours = torch.tensor([[255, 0, 0], [0, 255, 0], [0, 0, 255], [255, 255, 0]])
    facts = Facts({"masked": MaskedFacts(torch.randn(4, WIDTH), torch.arange(4), text_head=None)})
    settings = LookWordSettings(joint_width=16, hidden_width=16, text_prior=False)
    objective = LookWords(Backbone(Colours(), {"grid": ""}, 3), facts, settings)
    optimizer = torch.optim.AdamW(objective.parameters(), 0.02)
    tokens_TD = torch.randn(3, WIDTH)

    def drawn(count: int) -> tuple[Batch, Tensor]:
        colour_B, cell_B = torch.randint(4, (count,)), torch.randint(4, (count,))
        images = torch.full((count, 3, 8, 8), 128, dtype=torch.uint8)
        for row, (colour, cell) in enumerate(zip(colour_B.tolist(), cell_B.tolist(), strict=True)):
            top, left = 4 * (cell // 2), 4 * (cell % 2)
            images[row, :, top : top + 4, left : left + 4] = colours[colour][:, None, None]
        words = MaskedWords(
            ids_BmT=torch.zeros(count, 1, 3, dtype=torch.long),
            tokens_BmTD=tokens_TD.expand(count, 1, 3, WIDTH),
            present_BmT=torch.ones(count, 1, 3, dtype=torch.bool),
            position_Bm=torch.ones(count, 1, dtype=torch.long),
            target_Bm=colour_B[:, None],
            weight_Bm=torch.ones(count, 1),
            shown_BS=colour_B[:, None],
        )
        return Batch.of_images(images, torch.arange(count), fields={"masked": words}), cell_B

    for _ in range(150):
        found = objective(drawn(16)[0])
        found["loss"].backward()
        optimizer.step()
        optimizer.zero_grad()
    step, cell_B = drawn(200)
    words = step.of(MaskedWords)
    with torch.no_grad():
        assert float(objective(step)["found"]) > 0.9, "grids without the word score lower"
        grid_BCHW = objective.grid(step)
        right, wrong = (objective.predict_masked(grid, words) for grid in (grid_BCHW, grid_BCHW.roll(1, 0)))
    hit, missed = ((each.logits_BmV.argmax(-1) == words.target_Bm).float().mean() for each in (right, wrong))
    assert hit > 0.9 and missed < 0.5
    assert (right.attention_BmL[:, 0].argmax(1) == cell_B).float().mean() > 0.5, "chance is a quarter"


def test_a_run_is_trained_resumed_and_asked_for_hidden_words(coloured_squares: Corpus, tmp_path: Path) -> None:
    settings = replace(
        SETTINGS,
        objective="icmlm-look",
        objective_settings={"joint_width": 16},
        concepts={"kind": "words", "size": 8, "min_count": 1},
        masks_per_image=2,
        epochs=3,
    )
    run = assert_it_goes_on_to_the_same_numbers(coloured_squares, tmp_path, settings)
    found = wordsight.evaluate(run, corpus=coloured_squares, device="cpu")
    assert found and {result.protocol for result in found} == {"masked-words"}
    assert "own picture found" in wordsight.report(run).read_text("utf-8")
