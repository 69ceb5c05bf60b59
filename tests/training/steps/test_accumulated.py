"""A step in pieces is the step of the whole batch, whatever each piece holds of it."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from lightning.fabric import Fabric
from torch import Tensor

from wordsight.batching.batch import Batch
from wordsight.batching.fields.masked import MaskedField
from wordsight.batching.fields.tags import TagsField, TagsNeed
from wordsight.errors import InputError
from wordsight.objectives import build_objective, objective_needs
from wordsight.training.data import TrainingData, examples_of, facts_of, steps_of
from wordsight.training.learner import Learner
from wordsight.training.pretrain_settings import PretrainSettings
from wordsight.training.run import new_backbone
from wordsight.training.steps import AccumulatedStep, PlainStep, step_of

# AlexNet's features hold neither batch norm nor dropout: both look at a piece by itself.
SETTINGS = PretrainSettings(
    objective="icmlm-attfc",
    backbone="alexnet",
    image_size=64,
    batch_size=8,
    workers=0,
    precision="fp32",
    device="cpu",
    accumulate=4,
)


@pytest.fixture(scope="module")
def drawn(data: TrainingData) -> TrainingData:
    """With more masked words than some images have, and candidates for losses that are sampled."""
    masked = data.fields["masked"]
    assert isinstance(masked, MaskedField) and data.language is not None
    tags = TagsField(data.concepts, TagsNeed(negatives=5))
    return replace(data, fields={"tags": tags, "masked": MaskedField(masked.masked, data.language, data.concepts, 8)})


def learner_and_batch(settings: PretrainSettings, data: TrainingData) -> tuple[Learner, Batch]:
    torch.manual_seed(0)
    needs = objective_needs(settings.objective, settings.objective_settings)
    examples = examples_of(data, needs)
    facts = facts_of(data, needs, len(examples))
    objective = build_objective(settings.objective, settings.objective_settings, new_backbone(settings), facts)
    learner = Learner(Fabric(accelerator="cpu", devices=1), objective, settings)
    learner.train()
    return learner, steps_of(settings, data, examples, needs, 0, 1)[0]


def gradients(learner: Learner) -> dict[str, Tensor]:
    found = {name: p.grad.to_dense().clone() for name, p in learner.objective.named_parameters() if p.grad is not None}
    learner.optimizer.zero_grad(set_to_none=True)
    return found


@pytest.mark.parametrize(
    ("objective", "values"),
    [
        ("icmlm-attfc", {}),
        ("tag-prediction", {"loss": "sampled-softmax", "negatives": 5}),
        ("rotation", {}),
    ],
)
def test_losses_and_gradients_of_pieces_are_those_of_the_whole(
    drawn: TrainingData, objective: str, values: dict[str, object]
) -> None:
    settings = replace(SETTINGS, objective=objective, objective_settings=values)
    learner, batch = learner_and_batch(settings, drawn)
    whole = {name: float(value.detach()) for name, value in PlainStep(learner, settings, 1).gradients(batch).items()}
    wanted = gradients(learner)
    parts = {
        name: float(value.detach()) for name, value in AccumulatedStep(learner, settings, 1).gradients(batch).items()
    }
    found = gradients(learner)
    assert {n: v for n, v in parts.items() if "accuracy" not in n} == pytest.approx(
        {n: v for n, v in whole.items() if "accuracy" not in n}, rel=1e-5
    )
    assert found.keys() == wanted.keys()
    for name, gradient in wanted.items():
        torch.testing.assert_close(found[name], gradient, rtol=1e-4, atol=1e-6 * float(gradient.abs().max()) + 1e-9)


def test_the_pieces_of_that_test_hold_different_numbers_of_masked_words(drawn: TrainingData) -> None:
    _, batch = learner_and_batch(SETTINGS, drawn)
    words = [part.masked for part in batch.split(4)]
    assert len({float(each.weight_Bm.sum()) for each in words if each is not None}) > 1


def test_images_without_tags_count_for_nothing_in_any_piece(drawn: TrainingData) -> None:
    settings = replace(SETTINGS, objective="tag-prediction", accumulate=2)
    learner, batch = learner_and_batch(settings, drawn)
    assert batch.tags is not None
    tags = batch.tags["postag"]
    kept = tags.image_P >= 3
    bare = replace(tags, image_P=tags.image_P[kept], concept_P=tags.concept_P[kept], value_P=tags.value_P[kept])
    batch = replace(batch, fields={"tags": {"postag": bare}})
    whole = PlainStep(learner, settings, 1).gradients(batch)["loss"]
    parts = AccumulatedStep(learner, settings, 1).gradients(batch)["loss"]
    assert float(parts) == pytest.approx(float(whole.detach()), rel=1e-5)


def test_settings_choose_the_step(drawn: TrainingData) -> None:
    learner, _ = learner_and_batch(SETTINGS, drawn)
    assert isinstance(step_of(learner, SETTINGS, 1), AccumulatedStep)
    assert isinstance(step_of(learner, replace(SETTINGS, accumulate=1), 1), PlainStep)


def test_what_compares_images_with_each_other_is_refused(drawn: TrainingData, monkeypatch: pytest.MonkeyPatch) -> None:
    settings = replace(SETTINGS, objective="rotation")
    learner, _ = learner_and_batch(settings, drawn)
    monkeypatch.setattr(type(learner.objective), "divisible", False)
    with pytest.raises(InputError, match="'rotation' needs the whole batch at once"):
        step_of(learner, settings, 1)


def test_pieces_have_two_images_each_and_the_same_number() -> None:
    with pytest.raises(InputError, match="accumulate"):
        replace(SETTINGS, accumulate=3)
    with pytest.raises(InputError, match="at least 2 images"):
        replace(SETTINGS, accumulate=8)
