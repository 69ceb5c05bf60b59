"""Runs with the losses and samplers of tag prediction: resumed to the same bits, two processes as one."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch

from tests.training.tiny_runs import WITHOUT_NORM, same_weights, signal_within, weights
from wordsight.batching.batch import Batch
from wordsight.batching.fields.tags import TagsField, TagsNeed
from wordsight.errors import InputError
from wordsight.objectives import objective_needs
from wordsight.training.data import TrainingData, examples_of, steps_of
from wordsight.training.pretrain import train
from wordsight.training.pretrain_settings import PretrainSettings

SAMPLED = replace(
    WITHOUT_NORM,
    sampling="concepts",
    objective_settings={"loss": "sampled-softmax", "negatives": 5, "tag_head": "linear"},
)
NEEDS = objective_needs(SAMPLED.objective, SAMPLED.objective_settings)


@pytest.fixture
def tagged(data: TrainingData) -> TrainingData:
    return replace(data, fields={"tags": TagsField(data.concepts, TagsNeed(negatives=5))})


def batches(settings: PretrainSettings, data: TrainingData, rank: int = 0, world: int = 1) -> list[Batch]:
    steps = steps_of(settings, data, examples_of(data, NEEDS), NEEDS, rank, world)
    return [steps[step] for step in range(len(steps))]


def values(batch: Batch) -> list[torch.Tensor]:
    assert batch.tags is not None
    tags = batch.tags["postag"]
    assert tags.candidates_C is not None and tags.log_chance_C is not None
    return [batch.images_BCHW, batch.examples_B, tags.concept_P, tags.drawn_B, tags.candidates_C, tags.log_chance_C]


def test_a_step_is_the_same_whichever_was_made_before(tagged: TrainingData) -> None:
    examples = examples_of(tagged, NEEDS)
    one, other = (steps_of(SAMPLED, tagged, examples, NEEDS, 0, 1) for _ in range(2))
    for step in (5, 0, 7):
        late = other[step]
        assert all(torch.equal(a, b) for a, b in zip(values(one[step]), values(late), strict=True))


def test_shares_of_two_processes_are_the_batch_of_one(tagged: TrainingData) -> None:
    whole, shares = batches(SAMPLED, tagged), [batches(SAMPLED, tagged, rank, 2) for rank in range(2)]
    for one, *halves in zip(whole, *shares, strict=True):
        assert one.tags is not None
        for rank, half in enumerate(halves):
            assert half.tags is not None
            assert torch.equal(half.images_BCHW, one.images_BCHW[rank::2])
            mine, all_of_it = half.tags["postag"], one.tags["postag"]
            assert torch.equal(mine.drawn_B, all_of_it.drawn_B[rank::2])
            assert mine.candidates_C is not None and all_of_it.candidates_C is not None
            assert torch.equal(mine.candidates_C, all_of_it.candidates_C)


def test_the_drawn_concept_holds_for_its_image_and_is_a_candidate(tagged: TrainingData) -> None:
    labels = tagged.concepts["postag"].matrix.toarray()
    for batch in batches(SAMPLED, tagged):
        assert batch.tags is not None
        tags = batch.tags["postag"]
        assert labels[batch.examples_B.numpy(), tags.drawn_B.numpy()].all()
        assert tags.candidates_C is not None and torch.isin(tags.concept_P, tags.candidates_C).all()


def test_an_image_that_is_drawn_twice_in_a_step_is_seen_in_two_views(tagged: TrainingData) -> None:
    seen = 0
    for batch in batches(SAMPLED, tagged):
        for first in range(len(batch.examples_B)):
            for second in range(first):
                if batch.examples_B[first] == batch.examples_B[second]:
                    assert not torch.equal(batch.images_BCHW[first], batch.images_BCHW[second])
                    seen += 1
    assert seen


@pytest.mark.parametrize("optimizer", ["adamw", "sgd"])
def test_a_table_resumes_to_the_same_bits(tagged: TrainingData, tmp_path: Path, optimizer: Any) -> None:
    settings = replace(SAMPLED, optimizer=replace(SAMPLED.optimizer, name=optimizer))
    whole = train(settings, tagged, tmp_path / "whole")
    with signal_within(7), pytest.raises(KeyboardInterrupt):
        train(settings, tagged, tmp_path / "stopped")
    resumed = train(settings, tagged, tmp_path / "stopped", resume=True)
    assert same_weights(whole.path, resumed.path)


def test_two_processes_with_a_table_train_as_one(tagged: TrainingData, tmp_path: Path) -> None:
    settings = replace(SAMPLED, epochs=1)
    one = weights(train(settings, tagged, tmp_path / "one").path)
    two = weights(train(replace(settings, devices=2), tagged, tmp_path / "two").path)
    for name in one:
        assert torch.allclose(one[name], two[name], atol=2e-5), name


def test_images_can_not_be_drawn_by_probabilities_or_by_nothing(tagged: TrainingData, tmp_path: Path) -> None:
    topics = replace(tagged.concepts["postag"], target="probabilities")
    settings = replace(WITHOUT_NORM, sampling="concepts")
    with pytest.raises(InputError, match="the concept set 'topics', the first, holds probabilities"):
        train(settings, replace(tagged, fields={"tags": TagsField({"topics": topics})}), tmp_path / "run")
    with pytest.raises(InputError, match="no concepts to draw images by"):
        train(replace(settings, objective="rotation"), replace(tagged, fields={}), tmp_path / "run")
    assert not (tmp_path / "run").exists()
