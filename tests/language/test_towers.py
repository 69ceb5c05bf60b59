"""Text towers: what is learned of them, what padding may not change, and what a run saves of them."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from wordsight.errors import InputError
from wordsight.language.model import LanguageModel
from wordsight.language.text_tokenizer import TextTokenizer
from wordsight.language.towers import TOWERS, FrozenTower, TextTower, TowerSettings, build_tower
from wordsight.language.wordpiece import SPECIAL

TEXTS = ["a dog runs", "a cat", "a dog runs on the beach with a ball"]
WORDS = [*SPECIAL, "a", "dog", "cat", "run", "##s", "on", "the", "beach", "with", "ball"]


def tower_of(kind: str, minilm: LanguageModel, pool: str = "mean") -> TextTower:
    torch.manual_seed(0)
    settings = TowerSettings(kind=kind, pool=pool, width=32, layers=2, max_tokens=16)  # type: ignore[arg-type]
    own = TextTokenizer.of_vocabulary(WORDS, max_tokens=16)
    return build_tower(settings, 8, own if kind == "scratch" else minilm.text_tokenizer(16), minilm)


@pytest.mark.parametrize("kind", list(TOWERS))
@pytest.mark.parametrize("pool", ["mean", "cls"])
def test_a_text_s_vector_does_not_depend_on_what_stands_beside_it(kind: str, pool: str, minilm: LanguageModel) -> None:
    tower = tower_of(kind, minilm, pool).eval()
    with torch.no_grad():
        together, alone = tower.read(TEXTS), [tower.read([text]) for text in TEXTS]
    assert together.pooled_BZ.shape == (3, 8) and together.tokens_BTZ.shape == (3, *together.present_BT.shape[1:], 8)
    for row, one in enumerate(alone):
        assert torch.allclose(together.pooled_BZ[row], one.pooled_BZ[0], atol=2e-3)
    assert not torch.allclose(together.pooled_BZ[0], together.pooled_BZ[1], atol=1e-2)


def test_the_mean_is_over_a_text_s_own_tokens(minilm: LanguageModel) -> None:
    tower = tower_of("scratch", minilm).eval()
    with torch.no_grad():
        found = tower.read(TEXTS)
    for row in range(3):
        own_TZ = found.tokens_BTZ[row][found.present_BT[row]]
        assert torch.allclose(found.pooled_BZ[row], own_TZ.mean(0), atol=1e-6)


def _loss(tower: TextTower) -> Tensor:
    return tower.train().read(TEXTS).pooled_BZ.square().sum()


def test_only_the_projection_of_a_frozen_tower_is_learned_and_saved(minilm: LanguageModel) -> None:
    tower = tower_of("frozen", minilm)
    assert isinstance(tower, FrozenTower) and list(tower.state_dict()) == ["projection.weight"]
    before = minilm.vocabulary_matrix()
    _loss(tower).backward()
    grad = tower.projection.weight.grad
    assert grad is not None and float(grad.abs().sum()) > 0
    assert torch.equal(before, minilm.vocabulary_matrix())


@pytest.mark.parametrize("kind", ["tuned", "scratch"])
def test_every_weight_of_a_tower_that_is_trained_gets_a_gradient(kind: str, minilm: LanguageModel) -> None:
    tower = tower_of(kind, minilm)
    _loss(tower).backward()
    assert [name for name, weight in tower.named_parameters() if weight.grad is None] == []


def test_tuning_leaves_the_language_model_as_it_is(minilm: LanguageModel) -> None:
    before = minilm.vocabulary_matrix()
    tower = tower_of("tuned", minilm)
    optimizer = torch.optim.SGD(tower.parameters(), 0.1)
    _loss(tower).backward()
    optimizer.step()
    assert torch.equal(before, minilm.vocabulary_matrix())
    words = tower.get_parameter("encoder.embeddings.word_embeddings.weight")
    assert not torch.equal(before, words.detach())


def test_towers_of_a_language_model_need_one() -> None:
    own = TextTokenizer.of_vocabulary(WORDS, max_tokens=16)
    with pytest.raises(InputError, match="a tuned text tower needs a language model"):
        build_tower(TowerSettings(kind="tuned"), 8, own)
    with pytest.raises(InputError, match="unknown text tower 'scrach'.*did you mean 'scratch'"):
        TowerSettings(kind="scrach")
    with pytest.raises(InputError, match="a width of 30 is not a multiple of 4 heads"):
        TowerSettings(width=30)
