"""Structure-preserving embeddings: the loss is Equation 5 by loops; nothing but the branches is trained."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any, cast

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional

import wordsight
from tests.conftest import MakeCorpus
from tests.objectives.towers import (
    SETTINGS,
    STEP,
    Flat,
    assert_a_stopped_run_goes_on_to_the_same_numbers,
    assert_same_value_and_gradient,
    assert_two_processes_equal_one,
)
from wordsight.batching.batch import Batch
from wordsight.batching.fields.sentences import DrawnSentences, SentenceFacts
from wordsight.corpus import Corpus
from wordsight.errors import InputError
from wordsight.language.model import LanguageModel
from wordsight.objectives import Facts, build_objective
from wordsight.objectives.structure_preserving import (
    StructurePreserving,
    StructurePreservingSettings,
    structure_preserving_loss,
)
from wordsight.tensors import read_tensors
from wordsight.vision.backbones import Backbone

PLAIN = StructurePreservingSettings(margin=1.2, image_structure=0.5)
# Captions 0 and 1 are image 0's, 2 and 3 image 1's; image 2 has caption 4, and caption 3 reads like one of its own.
NEAR = torch.tensor([[1, 1, 0, 0, 0], [0, 0, 1, 1, 0], [0, 0, 0, 1, 1]]).bool()


def by_loops(images: Tensor, texts: Tensor, settings: StructurePreservingSettings) -> Tensor:
    """Equation 5 as it stands: four sums over triples of an anchor, what is near to it, and what is not."""
    of_images = [set(row.nonzero().flatten().tolist()) for row in NEAR]
    of_texts = [set(row.nonzero().flatten().tolist()) for row in NEAR.T]
    like_images = [{j for j in range(3) if of_images[i] & of_images[j]} for i in range(3)]
    like_texts = [{k for k in range(5) if of_texts[t] & of_texts[k]} for t in range(5)]

    def sums(anchors: Tensor, others: Tensor, near: list[set[int]], weight: float, itself: bool) -> Tensor:
        total = torch.zeros(())
        for a, own in enumerate(near):
            for right in own - ({a} if itself else set()):
                distance = (anchors[a] - others[right]).norm()
                over = [
                    (settings.margin + distance - (anchors[a] - others[wrong]).norm()).clamp_min(0)
                    for wrong in range(len(others))
                    if wrong not in own
                ]
                most = settings.violations or len(over)
                total = total + weight * sum(
                    sorted(over, key=lambda one: float(one.detach()))[::-1][:most], torch.zeros(())
                )
        return total

    total = sums(images, texts, of_images, 1, itself=False) + sums(
        texts, images, of_texts, settings.to_image, itself=False
    )
    total = total + sums(images, images, like_images, settings.image_structure, itself=True)
    return (total + sums(texts, texts, like_texts, settings.text_structure, itself=True)) / NEAR.sum()


@pytest.mark.parametrize("violations", [0, 1, 2])
def test_the_loss_and_its_gradients_are_equation_5(violations: int) -> None:
    torch.manual_seed(0)
    leaves = [torch.randn(count, 4).requires_grad_() for count in (3, 5)]
    images, texts = (functional.normalize(leaf, dim=1) for leaf in leaves)
    settings = replace(PLAIN, violations=violations)
    ours = structure_preserving_loss(images, texts, NEAR, settings)
    assert_same_value_and_gradient(ours, by_loops(images, texts, settings), leaves)


def test_captions_that_are_the_same_have_a_gradient() -> None:
    texts = functional.normalize(torch.ones(5, 4), dim=1).requires_grad_()
    images = functional.normalize(torch.randn(3, 4), dim=1)
    structure_preserving_loss(images, texts, NEAR, PLAIN).backward()
    assert texts.grad is not None and texts.grad.isfinite().all()


def branches(**values: Any) -> StructurePreserving:
    torch.manual_seed(0)
    language = cast(LanguageModel, type("Words", (), {"width": 3})())
    facts = Facts({"sentences": SentenceFacts(language, "mean")})
    values = {"width": 5, "hidden": 7, "batch_norm": False, "margin": 0.5, **values}
    built = build_objective("structure-preserving", values, Backbone(Flat(), {"grid": ""}, 6), facts)
    assert isinstance(built, StructurePreserving)
    return built


def share(rank: int, world: int) -> Batch:
    examples, texts = STEP
    mine, chance = slice(rank, None, world), torch.Generator().manual_seed(1)
    text_Bc = torch.tensor(texts)
    vectors = torch.randn(13, 3, generator=chance)[text_Bc.clamp_min(0)] * (text_Bc >= 0)[..., None]
    drawn = DrawnSentences(vectors[mine], (text_Bc >= 0).float()[mine], text_Bc[mine])
    pixels = torch.randint(0, 256, (99, 3, 8, 8), dtype=torch.uint8, generator=chance)
    return Batch.of_images(pixels[list(examples)][mine], torch.tensor(examples)[mine], fields={"sentences": drawn})


def test_two_processes_have_the_loss_and_gradients_of_one(tmp_path: Path) -> None:
    assert_two_processes_equal_one(branches, share, tmp_path)


def test_the_branches_alone_learn() -> None:
    objective = branches().train()
    objective(share(0, 1))["loss"].backward()
    learned = {name.split(".")[0] for name, weight in objective.named_parameters() if weight.grad is not None}
    assert learned == {"image_branch", "text_branch"} and not objective.backbone.network.training


def test_what_is_no_caption_has_no_part_in_batch_norm() -> None:
    objective, step = branches(batch_norm=True).train(), share(0, 1)
    objective(step)
    norm, drawn = objective.text_branch[-1], step.of(DrawnSentences)
    assert isinstance(norm, nn.BatchNorm1d) and norm.running_mean is not None
    seen, real_Bc = norm.running_mean.clone(), drawn.weight_Bc > 0
    norm.reset_running_stats()
    objective.text_branch(drawn.vectors_BcD[real_Bc])
    assert not real_Bc.all()
    torch.testing.assert_close(seen, norm.running_mean)


@pytest.fixture(scope="module")
def trained(coloured_squares: Corpus, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The weights of a backbone that has learned colours."""
    run = wordsight.pretrain(
        SETTINGS,
        corpus=coloured_squares,
        out=tmp_path_factory.mktemp("trained") / "run",
        objective="tag-prediction",
        objective_settings={},
        concepts={"kind": "labels"},
        epochs=10,
    )
    return run.path / "backbone.safetensors"


SMALL = {"width": 16, "hidden": 32}


def test_a_stopped_run_goes_on_to_the_same_numbers_and_leaves_the_backbone(
    coloured_squares: Corpus, minilm: LanguageModel, trained: Path, tmp_path: Path
) -> None:
    run = assert_a_stopped_run_goes_on_to_the_same_numbers(
        coloured_squares, tmp_path, "structure-preserving", SMALL, small_towers=False, weights=str(trained)
    )
    before, after = read_tensors(trained), read_tensors(run.path / "backbone.safetensors")
    assert all(torch.equal(after[name], before[name]) for name in before)
    found = wordsight.evaluate(run, corpus=coloured_squares)
    assert {result.protocol for result in found} == {"retrieval"}


def test_a_run_is_asked_by_zero_shot(
    coloured_squares: Corpus, minilm: LanguageModel, trained: Path, tmp_path: Path
) -> None:
    """With both directions and the structure of captions, as the paper's best row has."""
    run = wordsight.pretrain(
        SETTINGS,
        corpus=coloured_squares,
        out=tmp_path / "run",
        objective="structure-preserving",
        objective_settings=SMALL,
        weights=str(trained),
        epochs=20,
    )
    found = wordsight.evaluate(run, task=f"corpus:{coloured_squares.path}", protocol="zero-shot")
    assert found[0].metric == "top-1 accuracy" and found[0].value > 70


def test_the_structure_of_texts_brings_captions_of_an_image_together() -> None:
    """Section 3.2 of the paper: what the within-view constraint is for."""

    def apart(weight: float) -> float:
        objective = branches(text_structure=weight, to_image=0.0)
        learner = torch.optim.SGD(objective.parameters(), lr=0.5)
        batch = share(0, 1)
        for _ in range(60):
            learner.zero_grad()
            objective(batch)["loss"].backward()
            learner.step()
        texts = functional.normalize(objective.text_branch(batch.of(DrawnSentences).vectors_BcD), dim=2)
        both = batch.of(DrawnSentences).weight_Bc.all(1)
        return float((texts[both, 0] - texts[both, 1]).norm(dim=1).mean())

    assert apart(2.0) < apart(0.0)


def test_random_weights_are_refused(coloured_squares: Corpus, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="builds on a backbone that has learned before") as caught:
        wordsight.pretrain(
            SETTINGS, corpus=coloured_squares, out=tmp_path / "run", objective="structure-preserving",
            objective_settings=SMALL,
        )  # fmt: skip
    assert "\n" not in str(caught.value)


def test_one_caption_for_all_images_is_refused(
    make_corpus: MakeCorpus, minilm: LanguageModel, trained: Path, tmp_path: Path
) -> None:
    corpus = make_corpus([["a dog runs here"]] * 8)
    settings = replace(SETTINGS, objective="structure-preserving", objective_settings=SMALL, weights=str(trained))
    with pytest.raises(InputError, match="all captions of the 8 images read alike"):
        wordsight.pretrain(settings, corpus=corpus, out=tmp_path / "run")
