"""A frozen tower: vectors of captions that were kept take the place of their tokens."""

from __future__ import annotations

import pytest
import torch

from wordsight.batching.batch import Batch
from wordsight.batching.fields.texts import TextFacts, Texts, TextsNeed
from wordsight.language.model import LanguageModel
from wordsight.language.towers import TowerSettings, build_tower
from wordsight.objectives import OBJECTIVES, Facts, build_objective, objective_needs
from wordsight.objectives.two_towers import TwoTowers
from wordsight.vision.backbones import build_backbone

CAPTIONS = ["a dog runs", "a red boat", "a man on a horse", "two cats"]
FROZEN = {"kind": "frozen", "max_tokens": 8}


@pytest.mark.parametrize("name", ["clip", "siglip", "clip-lite"])
def test_kept_vectors_give_the_loss_and_the_gradients_that_tokens_give(name: str, minilm: LanguageModel) -> None:
    tokenizer = minilm.text_tokenizer(8)
    ids_BT, present_BT = (torch.from_numpy(each) for each in tokenizer.encode(CAPTIONS))
    torch.manual_seed(0)
    facts = Facts({"texts": TextFacts(tokenizer, minilm)})
    objective = build_objective(name, {"width": 16, "text_tower": FROZEN}, build_backbone("resnet18"), facts)
    assert isinstance(objective, TwoTowers)
    tokens_BTD = minilm.features(ids_BT, present_BT)
    mean_BD = (tokens_BTD * present_BT[..., None]).sum(1) / present_BT.sum(1, keepdim=True)
    pixels = torch.randint(0, 256, (4, 3, 32, 32), dtype=torch.uint8)
    found = []
    for kept in (None, mean_BD.half()[:, None]):
        texts = Texts(
            ids_BT[:, None], present_BT[:, None], torch.ones(4, 1), torch.arange(4)[:, None], vectors_BcD=kept
        )
        objective.zero_grad()
        loss = objective(Batch.of_images(pixels, torch.arange(4), fields={"texts": texts}))["loss"]
        loss.backward()
        gradient = objective.text_tower.projection.weight.grad
        assert gradient is not None
        found.append((float(loss.detach()), gradient.clone()))
    (by_tokens, its_gradient), (by_vectors, their_gradient) = found
    assert by_vectors == pytest.approx(by_tokens, rel=2e-3)
    assert float((its_gradient - their_gradient).norm() / its_gradient.norm()) < 2e-2


def test_a_tower_that_learns_reads_tokens_also_where_another_of_a_sum_has_vectors(minilm: LanguageModel) -> None:
    tokenizer = minilm.text_tokenizer(8)
    ids_BT, present_BT = (torch.from_numpy(each) for each in tokenizer.encode(CAPTIONS))
    tuned = build_tower(TowerSettings(kind="tuned", max_tokens=8), 16, tokenizer, minilm).eval()
    vectors_BD = torch.randn(4, minilm.width).half()
    with torch.no_grad():
        assert torch.equal(tuned.pooled(ids_BT, present_BT, vectors_BD), tuned(ids_BT, present_BT).pooled_BZ)


def test_vectors_are_asked_for_where_no_token_is_compared() -> None:
    for name, kind in OBJECTIVES.items():
        if issubclass(kind.build, TwoTowers) and name not in ("unicl",):
            need = objective_needs(name, {"text_tower": FROZEN}).fields["texts"]
            assert getattr(need, "vectors", "") == ("" if kind.build.reads_tokens else "mean"), name


def test_vectors_of_captions_are_not_computed_for_what_compares_their_tokens() -> None:
    for name, wanted in (("clip", "mean"), ("filip", "")):
        need = objective_needs(name, {"text_tower": FROZEN}).fields["texts"]
        assert isinstance(need, TextsNeed)
        assert need.vectors == wanted
