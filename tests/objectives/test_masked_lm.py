"""Masked language modelling hides as BERT does, predicts from both sides and the picture, and comes in pieces."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
import torch
from torch.nn import functional

from tests.objectives.caption_batches import CAPTIONS, READER, batch, built, check_pieces, check_two_processes, read
from wordsight.errors import InputError
from wordsight.language.wordpiece import CLS, MASK, SEP
from wordsight.objectives import CaptionAttentionObjective, CaptioningObjective, objective_settings
from wordsight.objectives.masked_lm import MaskedLm, hidden_tokens, with_hidden
from wordsight.objectives.objective import cells_of


def test_the_loss_is_that_of_the_hidden_tokens_caption_by_caption() -> None:
    objective = built("masked-lm", masked_share=0.4)
    step = batch()
    texts = step.fields["texts"]
    hidden = hidden_tokens(texts, 0.4)
    given = with_hidden(texts, hidden, READER.size)
    losses = []
    for image, some in enumerate(CAPTIONS):
        read_image = objective.decoder.read(cells_of(objective.grid(step))[image : image + 1])
        for number, text in enumerate(some):
            if not text:
                continue
            (ids,) = READER.ids_of([text])
            mine = hidden[image, number, : len(ids)]
            everything = torch.ones(1, 1, len(ids), len(ids), dtype=torch.bool)
            known = objective.decoder(given[image, number, : len(ids)][None, None], read_image, everything)[0, 0, mine]
            losses.append(
                functional.cross_entropy(
                    objective.decoder.embedding.scores(known), torch.tensor(ids)[mine], reduction="none"
                )
            )
    wanted, found = torch.cat(losses).mean(), objective(step)["loss"]
    torch.testing.assert_close(found, wanted, rtol=1e-5, atol=1e-5)
    parameters = list(objective.parameters())
    for one, other in zip(*(torch.autograd.grad(each, parameters) for each in (found, wanted)), strict=True):
        torch.testing.assert_close(one, other, rtol=1e-5, atol=1e-5)


def test_a_share_of_each_caption_is_hidden_rounded_up_and_never_its_ends() -> None:
    texts = read([["here", ""], ["a dog runs here", "the red dog runs here now a"]])
    hidden = hidden_tokens(texts, 0.15)
    assert hidden.sum(-1).tolist() == [[1, 0], [1, 2]]
    assert not (hidden & torch.isin(texts.ids_BcT, torch.tensor([0, CLS, SEP]))).any()
    # A whole number is not rounded up by the last digit of a float.
    assert int(hidden_tokens(texts, 2 / 7).sum(-1)[1, 1]) == 2


def test_of_ten_hidden_tokens_eight_are_masks_one_is_another_and_one_stays() -> None:
    texts = read([["the red dog runs here now a"]] * 3000)
    drawn = replace(texts, chance_BcT3=torch.rand(*texts.ids_BcT.shape, 3, generator=torch.Generator().manual_seed(0)))
    hidden = hidden_tokens(drawn, 0.15)
    # Every word is hidden as often as the others.
    assert hidden.float().mean((0, 1))[1:-1].tolist() == pytest.approx([2 / 7] * 7, abs=0.03)
    given = with_hidden(drawn, hidden, READER.size)
    assert torch.equal(given[~hidden], texts.ids_BcT[~hidden])
    masked, same = given[hidden] == MASK, given[hidden] == texts.ids_BcT[hidden]
    assert float(masked.float().mean()) == pytest.approx(0.8, abs=0.02)
    # One of ten words that are put in is the word itself.
    assert float(same.float().mean()) == pytest.approx(0.1 + 0.1 / 10, abs=0.02)
    others = given[hidden][~masked & ~same]
    assert set(others.tolist()) == set(range(5, READER.size))


def test_a_token_after_the_hidden_one_tells_of_it() -> None:
    objective = built("masked-lm")
    texts = read([["a dog runs"]])
    image = objective.decoder.read(torch.randn(1, 4, 6))
    other = texts.ids_BcT.clone()
    other[0, 0, 3] = 10
    known = [objective.decoder(ids, image, texts.present_BcT.unsqueeze(2)) for ids in (texts.ids_BcT, other)]
    assert not torch.isclose(known[0][0, 0, 1], known[1][0, 0, 1]).all()


def test_pieces_have_the_loss_and_the_gradients_of_the_whole() -> None:
    check_pieces(built("masked-lm"), 3)


def test_two_processes_have_the_loss_and_gradients_of_one(tmp_path: Path) -> None:
    check_two_processes(tmp_path, "masked-lm")


def test_it_learns_the_hidden_word_from_the_picture() -> None:
    """VirTex's premise: what the words leave open, the picture tells."""
    objective = built("masked-lm", width=32, heads=4)
    step = batch([["a dog runs"], ["a cat runs"], ["a dog sleeps"], ["a cat sleeps"]] * 2)
    optimizer = torch.optim.AdamW(objective.parameters(), 3e-3, weight_decay=0.0)
    chance = torch.Generator().manual_seed(2)
    for _ in range(150):
        texts = step.fields["texts"]
        drawn = replace(texts, chance_BcT3=torch.rand(*texts.ids_BcT.shape, 3, generator=chance))
        objective(replace(step, fields={"texts": drawn}))["loss"].backward()
        optimizer.step()
        optimizer.zero_grad(set_to_none=True)
    objective.eval()
    texts = step.fields["texts"]
    ids, allowed = texts.ids_BcT, texts.present_BcT.unsqueeze(2)
    hidden = torch.zeros_like(ids, dtype=torch.bool)
    hidden[:, :, 2] = True
    with torch.no_grad():
        cells = cells_of(objective.grid(step))
        right = []
        for seen in (cells, cells.roll(1, 0)):
            known = objective.decoder(ids.masked_fill(hidden, MASK), objective.decoder.read(seen), allowed)
            right.append((objective.decoder.embedding.scores(known[hidden]).argmax(-1) == ids[hidden]).float().mean())
    assert float(right[0]) == 1 and float(right[1]) < 0.3


def test_it_says_where_it_looks_for_each_word_while_that_is_hidden() -> None:
    objective = built("masked-lm").eval()
    captions = ["a dog runs", "the cat"]
    with torch.no_grad():
        grid_BCHW = objective.grid(batch(CAPTIONS[:2]))
        found = objective.attend(grid_BCHW, captions)
        hidden = torch.tensor([[[CLS, 5, MASK, 9, SEP]]])
        image = objective.decoder.read(cells_of(grid_BCHW[:1]))
        wanted = objective.decoder.looks(hidden, image, torch.ones(1, 1, 1, 5, dtype=torch.bool))[0, 0, 2]
    torch.testing.assert_close(found.attention_BTL[0, 2], wanted)
    rows_BT = found.attention_BTL.sum(-1)
    torch.testing.assert_close(rows_BT, torch.tensor([[0, 1, 1, 1, 0], [0, 1, 1, 0, 0]]).float())


def test_it_looks_at_pictures_but_writes_no_captions() -> None:
    assert isinstance(built("masked-lm"), CaptionAttentionObjective)
    assert not issubclass(MaskedLm, CaptioningObjective)
    with pytest.raises(InputError, match="masked_share is 0"):
        objective_settings("masked-lm", {"masked_share": 0.0})
