"""Eqs. 6 to 8 by hand, and what both flavours promise."""

from __future__ import annotations

import pytest
import torch

from wordsight.batching.batch import Batch
from wordsight.batching.fields.tags import Tags
from wordsight.batching.masks import MaskedWords
from wordsight.errors import InputError
from wordsight.objectives import ConceptFacts, Facts, MaskedFacts, TagFacts, build_objective, parts_of
from wordsight.objectives.icmlm import ICMLM, MaskedWordPrediction, words_present
from wordsight.vision.backbones import build_backbone

FLAVOURS = ["icmlm-attfc", "icmlm-tfm"]


def facts() -> Facts:
    torch.manual_seed(1)
    words = MaskedFacts(torch.randn(30, 24), maskable=torch.tensor([3, 5, 7, 11]))
    return Facts({"tags": TagFacts({"postag": ConceptFacts(9)}), "masked": words})


def batch(seed: int = 0) -> Batch:
    torch.manual_seed(seed)
    present = torch.ones(2, 3, 6, dtype=torch.bool)
    present[0, 0, 4:] = False
    words = MaskedWords(
        ids_BmT=torch.zeros(2, 3, 6, dtype=torch.long),
        tokens_BmTD=torch.randn(2, 3, 6, 24).half(),
        present_BmT=present,
        position_Bm=torch.tensor([[1, 2, 3], [1, 1, 1]]),
        target_Bm=torch.tensor([[3, 5, 7], [11, 3, 0]]),
        weight_Bm=torch.tensor([[1.0, 1.0, 1.0], [1.0, 1.0, 0.0]]),
    )
    images = torch.randint(0, 256, (2, 3, 64, 64), dtype=torch.uint8)
    pairs = Tags(torch.tensor([0, 1, 1]), torch.tensor([2, 0, 8]), torch.ones(3), torch.tensor([2, 0]))
    return Batch.of_images(images, torch.arange(2), fields={"tags": {"postag": pairs}, "masked": words})


def build(name: str, **values: float | str) -> ICMLM:
    torch.manual_seed(0)
    objective = build_objective(name, values, build_backbone("resnet18"), facts())
    assert isinstance(objective, ICMLM)
    return objective.eval()


def words_of(objective: ICMLM) -> MaskedWordPrediction:
    (found,) = parts_of(objective, MaskedWordPrediction)
    return found


@pytest.mark.parametrize("name", FLAVOURS)
def test_loss_is_the_sum_of_equation_8(name: str) -> None:
    with torch.no_grad():
        parts = build(name, tag_weight=0.25)(batch())
    assert float(parts["loss"]) == pytest.approx(float(parts["masked"]) + 0.25 * float(parts["tag"]), rel=1e-6)


@pytest.mark.parametrize("name", FLAVOURS)
def test_masked_loss_is_the_cross_entropy_of_the_predictions(name: str) -> None:
    objective, sample = build(name), batch()
    assert sample.masked is not None
    with torch.no_grad():
        logits = words_of(objective).predict_masked(objective.grid(sample), sample.masked).logits_BmV.flatten(0, 1)
        found = objective(sample)["masked"]
    # The last place of the second image is empty.
    expected = torch.nn.functional.cross_entropy(logits[:5], sample.masked.target_Bm.flatten()[:5])
    assert torch.allclose(found, expected, atol=1e-5)


@pytest.mark.parametrize("name", FLAVOURS)
def test_lambda_zero_leaves_tag_prediction_out(name: str) -> None:
    objective = build(name, tag_weight=0.0)
    with torch.no_grad():
        parts = objective(batch())
    assert "tag" not in parts and float(parts["loss"]) == float(parts["masked"])


@pytest.mark.parametrize("name", FLAVOURS)
def test_every_trained_parameter_gets_a_gradient(name: str) -> None:
    objective = build(name).train()
    objective(batch())["loss"].backward()
    without = [n for n, p in objective.named_parameters() if p.requires_grad and p.grad is None]
    assert without == []


@pytest.mark.parametrize("name", FLAVOURS)
def test_candidates_are_the_vocabulary_or_the_maskable_words(name: str) -> None:
    sample = batch()
    assert sample.masked is not None
    full, narrow = words_of(build(name)), words_of(build(name, candidates="maskable"))
    assert full.predict_masked(full.grid(sample), sample.masked).logits_BmV.shape[-1] == 30
    assert narrow.predict_masked(narrow.grid(sample), sample.masked).logits_BmV.shape[-1] == 4
    assert narrow.candidates.tolist() == [3, 5, 7, 11]


@pytest.mark.parametrize("name", FLAVOURS)
def test_attention_covers_the_grid_and_sums_to_one(name: str) -> None:
    objective, sample = build(name), batch()
    assert sample.masked is not None
    prediction = words_of(objective).predict_masked(objective.grid(sample), sample.masked)
    assert prediction.grid == (2, 2)
    assert torch.allclose(prediction.attention_BmL.sum(-1), torch.ones(2, 3), atol=1e-5)


def test_attfc_predicts_from_the_image_alone() -> None:
    """The caption says where to look; what is seen there is all that names the word (Section 3.2)."""
    objective, sample = words_of(build("icmlm-attfc")), batch()
    assert sample.masked is not None
    one_cell = torch.randn(2, 512, 1, 1)
    words = sample.masked
    other = words.with_tokens(torch.randn(2, 3, 6, 24))
    first = objective.predict_masked(one_cell, words).logits_BmV
    assert torch.allclose(first, objective.predict_masked(one_cell, other).logits_BmV)


def test_an_unknown_objective_is_answered_with_the_nearest() -> None:
    with pytest.raises(InputError, match="did you mean 'icmlm-attfc'"):
        build_objective("icmlm-att-fc", {}, build_backbone("resnet18"), facts())


def test_an_unknown_setting_is_answered_with_the_nearest() -> None:
    with pytest.raises(InputError, match="did you mean 'heads'"):
        build_objective("icmlm-attfc", {"head": 2}, build_backbone("resnet18"), facts())


@pytest.mark.parametrize("name", FLAVOURS)
def test_a_text_prior_adds_the_captions_own_scores_and_is_not_trained(name: str) -> None:
    objective, sample = words_of(build(name, candidates="maskable", text_prior=True)), batch()
    assert objective.prior is not None and sample.masked is not None
    grid, words = objective.grid(sample), sample.masked
    with_prior = objective.predict_masked(grid, words).logits_BmV
    said = objective.prior(words_present(words).float()[torch.arange(2)[:, None], torch.arange(3), words.position_Bm])
    objective.prior = None
    assert torch.allclose(with_prior, objective.predict_masked(grid, words).logits_BmV + said, atol=1e-4)
    trained = build(name, candidates="maskable", text_prior=True).train()
    trained(sample)["loss"].backward()
    assert all(p.grad is None for n, p in trained.named_parameters() if ".prior." in n)
    assert any(".prior." in n for n, _ in trained.named_parameters())


def test_a_text_prior_over_the_whole_vocabulary_is_refused() -> None:
    with pytest.raises(InputError, match="candidates: maskable"):
        build("icmlm-attfc", text_prior=True)
