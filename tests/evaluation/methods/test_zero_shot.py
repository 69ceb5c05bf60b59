"""Zero-shot: open_clip's classifier on the same embeddings, descriptions, classes that are unknown, warnings."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from tests.evaluation.colour_words import (
    TinyClip,
    TinyFilip,
    coloured_corpus,
    folder_task,
    independent_embeddings,
    tag_model,
    words_of,
)
from tests.evaluation.conftest import array_task, shrinking_backbone
from wordsight.errors import InputError
from wordsight.evaluation import EvalProtocol, EvaluatedModel, Result, Task
from wordsight.evaluation.features.extract import view_batches
from wordsight.evaluation.methods import zero_shot
from wordsight.evaluation.methods.zero_shot import TOP1_KNOWN, ZeroShotSettings, score
from wordsight.evaluation.metrics.classification import PER_CLASS, TOP5, chance_average_precision, within
from wordsight.evaluation.protocol import Method, read_protocol
from wordsight.objectives import Facts
from wordsight.objectives.rotation import Rotation, RotationSettings
from wordsight.objectives.tag_prediction import TagPrediction
from wordsight.vision.views import prepare

METHODS = {"zero-shot": Method(Task, ZeroShotSettings, zero_shot.measure, heads=True)}


def asked(model: EvaluatedModel, task: Task, **changes: Any) -> Result:
    """The only result of the protocol, some of its settings changed."""
    protocol = read_protocol("zero-shot", METHODS)
    (result,) = zero_shot.measure(model, task, replace(protocol, settings=replace(protocol.settings, **changes)))
    return result


@pytest.fixture
def seer(model: EvaluatedModel, tmp_path: Path) -> EvaluatedModel:
    """Knows red, green and blue by sight and by name."""
    concepts = words_of(coloured_corpus(tmp_path / "corpus", 2))
    return tag_model(model, [1.0] * len(concepts), words=concepts)


def test_the_protocols_are_whole() -> None:
    assert read_protocol("zero-shot", METHODS).settings == ZeroShotSettings()
    assert len(read_protocol("zero-shot-ensemble", METHODS).settings.templates) == 7


def test_a_head_that_knows_the_classes_is_right(seer: EvaluatedModel, tmp_path: Path) -> None:
    task = folder_task(tmp_path / "colours", {"blue": "blue", "green": "green", "red": "red"})
    result = asked(seer, task)
    assert (result.value, result.metric, result.protocol) == (100, "top-1 accuracy", "zero-shot")
    assert result.per_class == {"blue": 100, "green": 100, "red": 100}
    third = pytest.approx(100 / 3)
    assert result.baselines == {"chance": third, f"chance, {PER_CLASS}": third}
    assert result.more == {PER_CLASS: 100}
    # With random weights it can't see red, nor blue: it calls everything green, or guesses.
    assert result.random_weights is not None
    assert result.random_weights < 70
    # Nine images that are all right leave room for others that are not.
    assert list(result.interval or ()) == pytest.approx([70.1, 100], abs=0.1)
    assert result.settings["similarity"] == "pmi"
    assert result.warnings == []


def test_the_random_init_leaves_the_objective_as_it_was(seer: EvaluatedModel, tmp_path: Path) -> None:
    assert seer.objective is not None
    own = seer.objective.backbone
    asked(seer, folder_task(tmp_path / "colours", {"blue": "blue", "red": "red"}))
    assert seer.objective.backbone is own
    assert (
        asked(seer, folder_task(tmp_path / "c", {"blue": "blue", "red": "red"}), random_init=False).random_weights
        is None
    )


def test_scores_are_open_clip_s_zero_shot_classifier_s(model: EvaluatedModel, tmp_path: Path) -> None:
    task = folder_task(tmp_path / "colours", {"blue": "blue", "green": "green", "red": "red"}, 7)
    templates = ("a photo of a {}.", "a bad photo of the {}.", "itap of a {}.")
    clip = TinyClip(seed=4)
    result = asked(replace(model, objective=clip), task, templates=templates)
    # open_clip's `build_zero_shot_classifier`: unit vectors of all templates, their mean, made a unit vector again.
    images = prepare(torch.cat(list(view_batches(task.test.images, model.image_size))))
    texts = [template.format(name) for name in task.class_names for template in templates]
    seen, said = independent_embeddings(clip, images, texts)
    weights = said.reshape(len(task.class_names), len(templates), -1).mean(1)
    weights = weights / weights.norm(dim=1, keepdim=True)
    logits = 100 * seen @ weights.T
    right = (logits.argmax(1).numpy() == task.test.targets).mean()
    assert result.value == pytest.approx(100 * right)
    assert 0 < result.value < 100


def test_towers_of_cells_and_tokens_classify_by_late_interaction(model: EvaluatedModel, tmp_path: Path) -> None:
    task = folder_task(tmp_path / "colours", {"blue": "blue", "green": "green", "red": "red"}, 7)
    filip = TinyFilip(seed=4)
    result = asked(replace(model, objective=filip), task, templates=("a photo of a {}.", "itap of one {}."))
    assert result.settings["similarity"] == "cosine, late interaction"
    assert result.counts["texts"] == 6
    assert 0 < result.value < 100


def test_unknown_classes_are_named_and_never_guessed(seer: EvaluatedModel, tmp_path: Path) -> None:
    task = folder_task(tmp_path / "colours", {"blue": "blue", "crimson": "red", "scarlet": "red", "green": "green"})
    result = asked(seer, task)
    assert result.value == 50
    assert result.more[TOP1_KNOWN] == 100
    assert result.baselines[f"chance, {TOP1_KNOWN}"] == 50
    assert result.counts["known_classes"] == 2
    assert result.per_class["crimson"] == 0
    (warning,) = result.warnings
    assert "2 of 4 classes have no word that the run learned, and are never predicted: crimson, scarlet" in warning


def test_classes_none_of_which_is_known_are_refused(seer: EvaluatedModel, tmp_path: Path) -> None:
    task = folder_task(tmp_path / "colours", {"crimson": "red", "azure": "blue"})
    with pytest.raises(InputError, match=r"know none of the 2 classes \(azure, crimson, ...\); say what.*names: FILE"):
        asked(seer, task)


def test_unseen_classes_are_told_by_their_descriptions(seer: EvaluatedModel, tmp_path: Path) -> None:
    task = folder_task(tmp_path / "fruit", {"apple": "red", "plum": "blue", "green": "green"})
    table = tmp_path / "described.csv"
    table.write_text("class,description\napple,red and round\napple,a red fruit\nplum,blue and soft\n")
    result = asked(seer, task, descriptions=str(table))
    assert result.value == 100
    assert result.counts["texts"] == 4
    assert result.warnings == ["2 of 3 classes have a description; others go by name"]
    table.write_text("class,description\npear,soft\n")
    with pytest.raises(InputError, match="described.csv has none of the classes"):
        asked(seer, task, descriptions=str(table))


def test_numbers_get_their_names_from_a_file_or_from_beside_the_images(seer: EvaluatedModel, tmp_path: Path) -> None:
    task = folder_task(tmp_path / "wordnet", {"n00000001": "red", "n00000002": "blue"})
    with pytest.raises(InputError, match="know none"):
        asked(seer, task)
    table = tmp_path / "named.csv"
    table.write_text("n00000001,red\nn00000002,blue\n")
    assert asked(seer, task, names=str(table)).value == 100
    table.rename(tmp_path / "wordnet" / "labels.csv")
    result = asked(seer, task)
    assert result.value == 100
    assert result.settings["names"].endswith("labels.csv")
    (tmp_path / "wordnet" / "labels.csv").write_text("id,name\nn00000001,red\n")
    result = asked(seer, task, names=str(tmp_path / "wordnet" / "labels.csv"))
    assert any("1 classes are called by a number (n00000002, ...)" in warning for warning in result.warnings)


def test_classes_of_the_same_words_are_said(seer: EvaluatedModel, tmp_path: Path) -> None:
    result = asked(seer, folder_task(tmp_path / "colours", {"red": "red", "red_fish": "red", "blue": "blue"}))
    why = "they have the same words among its concepts: words that are none are left out"
    assert f"some classes have the same words, and are told apart at random ({why}): red = red fish" in result.warnings
    # Two of them share one answer: half of their images are right in expectation.
    assert result.per_class["red"] == pytest.approx(50)


def test_several_labels_are_measured_by_precision(seer: EvaluatedModel, tmp_path: Path) -> None:
    targets = np.eye(3, dtype=np.int8)[np.array([0, 0, 1, 1, 2, 2])]
    scores = targets + np.random.default_rng(0).random((6, 3)) * 0.1
    found = score(scores, array_task(targets, targets, 3), np.ones(3, dtype=np.bool_))
    assert (found.metric, found.value) == ("mAP", 100)
    assert found.baselines["chance"] == pytest.approx(chance_average_precision(np.array(2), 6))


def test_chance_of_several_labels_is_what_random_orders_reach() -> None:
    random = np.random.default_rng(0)
    targets = (random.random((40, 5)) < 0.06).astype(np.int8)
    # Every image has one class and none has another: no order of these is wrong.
    targets[:, 3], targets[:, 4] = 1, 0
    task = array_task(targets, targets, 5)
    known = np.ones(5, dtype=np.bool_)
    chance = score(random.random((40, 5)), task, known).baselines["chance"]
    reached = [score(random.random((40, 5)), task, known).value for _ in range(400)]
    assert chance == pytest.approx(np.mean(reached), abs=0.7)
    assert chance > 1.5 * 100 * targets[:, :3].mean()


def test_the_first_five_and_the_mean_over_classes_stand_beside_top_1() -> None:
    targets = np.array([0, 0, 0, 0, 0, 0, 1, 2])
    scores = np.zeros((8, 7))
    # Always the class of most images: right for six of eight, and for one of the three classes.
    scores[:] = -np.arange(7.0)
    found = score(scores, array_task(targets, targets, 7), np.ones(7, dtype=np.bool_))
    assert found.value == 75
    assert found.outcomes.more == {TOP5: 100, PER_CLASS: pytest.approx(100 / 3)}
    assert found.baselines[f"chance, {PER_CLASS}"] == pytest.approx(100 / 7)


def test_ties_are_broken_by_lot_in_expectation() -> None:
    scores = np.array([[1.0, 1, 0], [2, 1, 0], [-1e30, 1, 0]])
    assert within(scores, np.array([1, 1, 0]), 1).tolist() == [0.5, 0, 0]
    assert within(scores, np.array([1, 1, 0]), 2).tolist() == [1, 1, 0]


def test_top5_where_there_are_more_than_five_classes() -> None:
    targets = np.arange(7)
    scores = np.tile(np.arange(7.0), (7, 1))
    found = score(scores, array_task(targets, targets, 7), np.ones(7, dtype=np.bool_))
    assert found.value == pytest.approx(100 / 7)
    assert found.outcomes.more[TOP5] == pytest.approx(500 / 7)
    assert found.baselines[f"chance, {TOP5}"] == pytest.approx(500 / 7)


def test_each_of_several_heads_has_a_result_of_its_own(model: EvaluatedModel, tmp_path: Path) -> None:
    concepts = words_of(coloured_corpus(tmp_path / "corpus", 2))
    both = tag_model(model, words=concepts, again=concepts)
    task = folder_task(tmp_path / "colours", {"blue": "blue", "red": "red"})
    results = zero_shot.measure(both, task, EvalProtocol("zero-shot", "zero-shot", ZeroShotSettings()))
    assert [result.part for result in results] == ["words", "again"]


def test_features_that_are_all_the_same_are_said_to_give_chance(seer: EvaluatedModel, tmp_path: Path) -> None:
    assert seer.objective is not None
    seer.objective.backbone = shrinking_backbone(0.0, 0.0, 0.0)
    result = asked(seer, folder_task(tmp_path / "colours", {"blue": "blue", "green": "green", "red": "red"}))
    assert result.value == pytest.approx(result.baselines["chance"])
    (warning,) = result.warnings
    assert "it sees no difference between the images, so this is chance" in warning


def test_a_class_that_takes_the_guesses_of_most_images_is_named(seer: EvaluatedModel, tmp_path: Path) -> None:
    assert isinstance(seer.objective, TagPrediction)
    head, names = seer.objective.tag_heads.named["words"], next(iter(seer.concepts.values())).concepts.names
    with torch.no_grad():
        head.last.bias[names.index("blue")] += 40
    result = asked(seer, folder_task(tmp_path / "colours", {"blue": "blue", "green": "green", "red": "red"}))
    (warning,) = result.warnings
    assert warning.startswith("1 of 3 classes takes 100 % of the predictions and 33 % of the images (blue 100 %)")


def test_zero_shot_keeps_what_became_of_each_image(seer: EvaluatedModel, tmp_path: Path) -> None:
    result = asked(seer, folder_task(tmp_path / "c", {"blue": "blue", "crimson": "red", "green": "green"}))
    assert result.outcomes is not None
    assert result.outcomes.value == pytest.approx(result.value)
    assert result.outcomes.more == {name: pytest.approx(value) for name, value in result.more.items()}
    assert set(result.more) == {PER_CLASS, TOP1_KNOWN}


def test_what_can_t_be_asked_is_refused(model: EvaluatedModel, seer: EvaluatedModel, tmp_path: Path) -> None:
    task = folder_task(tmp_path / "colours", {"blue": "blue", "red": "red"})
    turning = replace(model, objective=Rotation(shrinking_backbone(), Facts(), RotationSettings()))
    with pytest.raises(InputError, match="can't compare images with texts"):
        asked(turning, task)
    with pytest.raises(InputError, match="templates: found 'a photo'; expected sentences with one {}"):
        asked(seer, task, templates=("a photo",))
    with pytest.raises(InputError, match="nowhere.csv: no such file"):
        asked(seer, task, names=str(tmp_path / "nowhere.csv"))
