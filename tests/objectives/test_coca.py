"""CoCa's losses are open_clip's; one pass embeds a caption and says it; it finds captions, and writes them."""

from __future__ import annotations

import itertools
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from tests.objectives.caption_batches import (
    CAPTIONS,
    READER,
    SMALL,
    batch,
    built,
    check_two_processes,
    gradients,
    read,
)
from wordsight.heads.caption_search import CaptionSearch
from wordsight.objectives import (
    CaptioningObjective,
    ImageTextObjective,
    Seen,
    objective_chances,
    objective_kind,
    objective_settings,
)
from wordsight.objectives.coca import CoCa
from wordsight.objectives.comparing import ComparingObjective
from wordsight.objectives.objective import cells_of

VALUES: dict[str, Any] = {"queries": 5, "joint_width": 7}
DIFFERENT = [[first] for first, _ in CAPTIONS]


def test_the_losses_and_their_gradients_are_open_clip_s() -> None:
    loss = pytest.importorskip("open_clip.loss", reason="open_clip is not installed: pip install open_clip_torch")
    objective, step = built("coca", **VALUES), batch(DIFFERENT)
    embedded = {name: each.detach().requires_grad_() for name, each in _embedded(objective, step).items()}
    ours = objective.compare(embedded, step)
    ids = step.fields["texts"].ids_BcT[:, 0]
    weight, bias = objective.decoder.embedding.words.weight, objective.decoder.embedding.bias_V
    logits = embedded["words"][:, 0] @ weight.T + bias
    theirs = loss.CoCaLoss(caption_loss_weight=2.0, clip_loss_weight=1.0, pad_id=0)(
        embedded["images"], embedded["texts"][:, 0], logits, ids[:, 1:], objective.log_scale.exp()
    )
    torch.testing.assert_close(ours.parts["contrast"], theirs[0].detach(), rtol=1e-5, atol=1e-5)
    torch.testing.assert_close(2 * ours.parts["caption"], theirs[1].detach(), rtol=1e-5, atol=1e-5)
    leaves = [*embedded.values(), weight, bias, objective.log_scale]
    for one, other in zip(*(torch.autograd.grad(each, leaves) for each in (ours.total, sum(theirs))), strict=True):
        torch.testing.assert_close(one, other, rtol=1e-5, atol=1e-5)


def _embedded(objective: CoCa, step: object) -> dict[str, Tensor]:
    return objective.embed(Seen(objective.backbone, step), step)  # type: ignore[arg-type]


def test_weights_are_those_of_the_settings() -> None:
    found = built("coca", **VALUES, contrast_weight=0.5, caption_weight=3.0)(batch())
    wanted = 0.5 * found["contrast"] + 3 * found["caption"]
    torch.testing.assert_close(found["loss"].detach(), wanted)
    published = objective_settings("coca", {})
    assert (published.contrast_weight, published.caption_weight) == (1.0, 2.0)


def test_no_token_sees_those_after_it_and_the_end_sees_all_of_its_caption_alone() -> None:
    decoder = built("coca", **VALUES).decoder
    texts = read([["the red dog runs here now", "a cat"]])
    one = decoder.read_texts(texts.ids_BcT, texts.present_BcT)
    other_BcT = texts.ids_BcT.clone()
    other_BcT[0, 0, 3] = 8
    other = decoder.read_texts(other_BcT, texts.present_BcT)
    same_T = torch.isclose(one.tokens_BcTD, other.tokens_BcTD, atol=1e-6).all(-1)[0, 0]
    assert same_T.tolist() == [True] * 3 + [False] * 5
    assert not torch.isclose(one.whole_BcD[0, 0], other.whole_BcD[0, 0]).all()
    assert torch.equal(one.whole_BcD[0, 1], other.whole_BcD[0, 1])
    # A short caption is the same alone, without padding.
    alone = read([["a cat"]])
    found = decoder.read_texts(alone.ids_BcT, alone.present_BcT)
    torch.testing.assert_close(found.whole_BcD[0, 0], one.whole_BcD[0, 1], rtol=1e-5, atol=1e-5)


def test_a_caption_s_embedding_knows_nothing_of_the_image_and_is_that_of_the_text() -> None:
    objective, step = built("coca", **VALUES).eval(), batch(DIFFERENT)
    with torch.no_grad():
        embedded = _embedded(objective, step)
        texts = objective.embed_texts([text for (text,) in DIFFERENT])
        images = objective.embed_images(objective.backbone.prepare(step.images_BCHW))
    unit = torch.nn.functional.normalize
    torch.testing.assert_close(unit(texts, dim=1), embedded["texts"][:, 0], rtol=1e-5, atol=1e-5)
    torch.testing.assert_close(unit(images, dim=1), embedded["images"], rtol=1e-5, atol=1e-5)


def test_what_it_writes_token_by_token_is_what_it_is_trained_to_say() -> None:
    objective, step = built("coca", **VALUES).eval(), batch(DIFFERENT)
    with torch.no_grad():
        ids_BT = step.fields["texts"].ids_BcT[:, 0]
        known = _embedded(objective, step)["words"][:, 0]
        writer = objective.writer(objective.grid(step))
        for place in range(ids_BT.shape[1] - 1):
            found = writer(ids_BT[:, place : place + 1], torch.zeros(len(ids_BT), 1, dtype=torch.long))
            wanted = objective.decoder.embedding.scores(known[:, place]).log_softmax(-1)
            torch.testing.assert_close(found[:, 0], wanted, rtol=1e-5, atol=1e-5)


def test_pieces_that_are_embedded_apart_are_compared_as_the_whole() -> None:
    objective = built("coca", **VALUES)
    whole = objective(batch())
    whole["loss"].backward()
    wanted = gradients(objective)
    objective.zero_grad(set_to_none=True)
    parts = [_embedded(objective, piece) for piece in batch().split(3)]
    found = objective.compare({name: torch.cat([part[name] for part in parts]) for name in parts[0]}, batch())
    found.total.backward()
    torch.testing.assert_close(found.total, whole["loss"])
    for name, gradient in gradients(objective).items():
        torch.testing.assert_close(gradient, wanted[name], msg=name)


def test_two_processes_have_the_loss_and_gradients_of_one(tmp_path: Path) -> None:
    check_two_processes(tmp_path, "coca", **VALUES)


THIRTY_TWO = [
    [f"{which} {colour}{animal} {does}{when}"]
    for which, colour, animal, does, when in itertools.product(
        ("a", "the"), ("", "red "), ("dog", "cats"), ("runs", "sleeps"), ("", " here")
    )
]


def test_it_finds_the_captions_of_32_images_and_writes_them() -> None:
    """CoCa's point: one pretraining does both."""
    sizes: dict[str, Any] = {"width": 48, "heads": 4, "queries": 8, "joint_width": 32, "text_layers": 1, "layers": 1}
    objective = built("coca", large=False, **sizes)
    step = batch(THIRTY_TWO)
    optimizer = torch.optim.AdamW(objective.parameters(), 3e-3, weight_decay=0.0)
    for number in range(350):
        objective(step)["loss"].backward()
        optimizer.step()
        optimizer.zero_grad(set_to_none=True)
        objective.after_update(number)
    objective.eval()
    with torch.no_grad():
        found = objective(step)
        written = objective.generate(objective.grid(step), CaptionSearch(beams=3))
    assert float(found["accuracy"]) == 1
    assert [each.text for each in written] == [text for (text,) in THIRTY_TWO]


def test_it_says_where_it_looks_through_the_pooler_at_the_grid() -> None:
    objective = built("coca", **VALUES).eval()
    captions = ["a dog runs", "the cat"]
    with torch.no_grad():
        grid_BCHW = objective.grid(batch(CAPTIONS[:2]))
        found = objective.attend(grid_BCHW, captions)
    rows_BT = found.attention_BTL.sum(-1)
    torch.testing.assert_close(rows_BT, torch.tensor([[0, 1, 1, 1, 1], [0, 1, 1, 1, 0]]).float())
    assert found.grid == (2, 2) and found.ids_BT.tolist() == READER.encode(captions)[0].tolist()
    # A query that looks at one cell alone sends all looks there.
    with torch.no_grad():
        objective.caption_pooler.attention.query.weight.zero_()
        objective.caption_pooler.attention.query.bias.fill_(50.0)
        key = objective.caption_pooler.attention.read(objective.caption_pooler.norm_places(cells_of(grid_BCHW)))
        looked = objective.attend(grid_BCHW, captions).attention_BTL[:, 1]
    wanted = (key.keys_nNSd.sum(-1) * 50 / 2).softmax(-1).mean(1)
    torch.testing.assert_close(looked, wanted, rtol=1e-4, atol=1e-4)


def test_what_it_is_and_by_what_it_is_held_against_chance() -> None:
    objective = built("coca", **VALUES)
    assert isinstance(objective, ComparingObjective)
    assert isinstance(objective, ImageTextObjective) and isinstance(objective, CaptioningObjective)
    settings = objective_settings("coca", {**SMALL, **VALUES})
    assert objective_kind("coca").build.default_protocol(settings) == "retrieval"
    assert set(objective(batch())) - {"loss"} == set(CoCa.plots(settings))
    assert {name: chance.says for name, chance in objective_chances("coca", {}, 64).items()} == {"contrast": "ln 64"}
