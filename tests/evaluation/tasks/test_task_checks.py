"""What can not be measured is refused, and what was left out of a task is said."""

from __future__ import annotations

import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from tests.evaluation.conftest import array_task, shrinking_backbone
from wordsight.errors import InputError
from wordsight.evaluation import EvaluatedModel, evaluate, open_task
from wordsight.evaluation.features.feature_checks import check_features
from wordsight.evaluation.methods.task_results import compare_with_random
from wordsight.evaluation.metrics.outcomes import Outcomes
from wordsight.evaluation.tasks.task_checks import check_counts, check_task


def test_training_images_that_are_in_the_test_are_left_out_and_counted(
    model: EvaluatedModel, colour_folder: Path
) -> None:
    clean = open_task(f"folder:{colour_folder}")
    for name in ("3", "5"):
        shutil.copy(
            colour_folder / "train" / "red" / f"{name}.png", colour_folder / "test" / "red" / f"leaked-{name}.png"
        )
    task = open_task(f"folder:{colour_folder}")
    assert len(task.test) == len(clean.test) + 2, "the test stays whole"
    assert set(task.train.hashes) == set(clean.train.hashes) - set(task.test.hashes)
    result = evaluate(model, task, ["logistic"])[0]
    leaked = (
        "2 of 24 training images are also in the test (train/red/3.png is test/red/leaked-3.png, for one): left out of "
        "training"
    )
    assert leaked in result.warnings
    assert result.counts["train_images"] == 22


def test_a_test_that_holds_all_training_images_is_refused(colour_folder: Path) -> None:
    shutil.rmtree(colour_folder / "test")
    shutil.copytree(colour_folder / "train", colour_folder / "test")
    with pytest.raises(InputError, match="every training image is also in the test"):
        open_task(f"folder:{colour_folder}")


def test_a_task_made_by_hand_with_test_images_in_training_is_refused() -> None:
    task = array_task(np.array([0, 1, 0]), np.array([0, 1]), 2)
    with pytest.raises(InputError, match="1 of 2 test images is also in training: image-3 is image-0") as caught:
        check_task(replace(task, test=replace(task.test, hashes=["image-0", "image-4"])))
    assert "\n" not in str(caught.value)


def test_fewer_images_than_classes_are_refused() -> None:
    with pytest.raises(InputError, match="3 training images for 4 classes"):
        check_counts(array_task(np.array([0, 1, 2]), np.array([0, 1]), 4))


def test_training_images_of_one_class_are_refused() -> None:
    with pytest.raises(InputError, match="all training images are of one class"):
        check_counts(array_task(np.zeros(5, dtype=np.int64), np.array([0, 1]), 2))


def test_no_class_on_both_sides_is_refused() -> None:
    with pytest.raises(InputError, match="no class has an image in both"):
        check_counts(array_task(np.array([0, 1, 0, 1]), np.array([2, 2]), 3))


def test_classes_without_images_are_named() -> None:
    notes = check_counts(array_task(np.array([0, 1, 0, 1]), np.array([0, 2]), 3))
    assert any("no training image of class-2: their test images count as wrong" in note for note in notes)
    assert any("no test image of class-1" in note for note in notes)
    labels = np.array([[1, 0], [1, 0], [0, 0]], dtype=np.int8)
    assert check_counts(array_task(labels, labels, 2)) == ["no training or test image of class-1: left out of the mean"]
    found = check_counts(array_task(np.array([0, 1, 0, 1]), np.array([0, 1]), 3))
    assert found == ["no training or test image of class-2: left out of the per-class numbers"]


def test_labels_that_every_image_has_are_refused_or_named() -> None:
    everywhere = np.ones((4, 2), dtype=np.int8)
    with pytest.raises(InputError, match="no class can be measured; expected a class that some images have and others"):
        check_counts(array_task(everywhere, everywhere[:2], 2))
    some = np.array([[1, 1], [1, 0], [1, 1], [0, 1]], dtype=np.int8)
    notes = check_counts(array_task(some, some[:2], 2))
    assert notes == ["no test image without class-0: left out of the mean"]
    notes = check_counts(array_task(some[:3], some, 2))
    assert notes == ["no training image without class-0: can't be learned"]


def test_one_training_image_is_one_image() -> None:
    with pytest.raises(InputError, match=r"1 training image for 2 classes"):
        check_counts(array_task(np.array([0]), np.array([1]), 2))


def test_copies_of_one_image_are_not_blamed_on_the_backbone() -> None:
    task = array_task(np.array([0, 1, 0]), np.array([0, 1]), 2)
    copies = replace(task, test=replace(task.test, hashes=["a", "a"]))
    with pytest.raises(InputError, match="all 2 test images are copies of one image"):
        check_task(copies)
    assert check_task(task) == []


def test_one_image_has_no_spread_to_check() -> None:
    assert check_features(np.full((1, 8), 3.7, dtype=np.float32), "trained") == []
    with pytest.raises(InputError, match="1 of 1 image has features that are no finite number"):
        check_features(np.full((1, 8), np.nan, dtype=np.float32), "trained")


def test_one_test_image_is_measured(model: EvaluatedModel, colour_folder: Path) -> None:
    for file in (colour_folder / "test").rglob("*.png"):
        if file.parent.name == "blue" or file.name != "0.png":
            file.unlink()
    result = evaluate(model, open_task(f"folder:{colour_folder}"), ["knn"])[0]
    assert result.counts["test_images"] == 1


def test_features_that_are_no_number_are_refused() -> None:
    features = np.ones((4, 2), dtype=np.float32)
    features[1, 0], features[2, 1] = np.nan, np.inf
    with pytest.raises(InputError, match="2 of 4 images have features that are no finite number"):
        check_features(features, "trained")


def test_a_collapsed_backbone_is_refused() -> None:
    with pytest.raises(InputError, match="all 8 features are the same for every image"):
        check_features(np.full((10, 8), 3.7, dtype=np.float32), "trained")


def test_some_constant_features_are_counted() -> None:
    features = np.random.default_rng(0).normal(size=(20, 4)).astype(np.float32)
    assert check_features(features, "trained") == []
    features[:, :3] = 0.1
    assert check_features(features, "trained") == ["3 of 4 features of trained are constant"]


def test_a_probe_below_its_random_baseline_is_said() -> None:
    def of(right: NDArray[Any]) -> Outcomes:
        return Outcomes(np.array([str(i) for i in range(len(right))]), correct=right.astype(np.float64))

    some, fewer = of(np.arange(400) % 10 < 4), of(np.arange(400) % 10 < 3)
    assert compare_with_random(some, fewer) == []
    (harm,) = compare_with_random(fewer, some, "k = 5")
    assert harm.startswith("worse than the same network with random weights at k = 5 (30.0 against 40.0, 95 % interval")
    assert harm.endswith("): training did harm")
    # As far apart, but on images that differ: 60 of 400 only here, 60 + 8 only there.
    here, there = np.zeros(400), np.zeros(400)
    here[:60], there[60:128] = 1, 1
    (unclear,) = compare_with_random(of(here), of(there))
    assert unclear.startswith("not better than the same network with random weights (15.0 against 17.0, 95 % interval")
    assert "harm" not in unclear
    # What every test image says, another draw of training images may not.
    apart = [(20.0, 31.0), (38.0, 32.0), (22.0, 47.0), (40.0, 50.0)]
    assert compare_with_random(fewer, some, draws=apart)[0].startswith("not better than")
    alike = [(30.0, 40.1), (30.1, 40.0), (29.9, 39.9)]
    assert compare_with_random(fewer, some, draws=alike)[0].startswith("worse than")


@pytest.mark.parametrize("protocol", ["logistic", "knn", "few-shot", "linear-sgd-small", "fine-tune"])
def test_weights_that_are_no_numbers_are_refused_before_anything_is_learned(
    model: EvaluatedModel, colour_folder: Path, protocol: str
) -> None:
    broken = replace(model, backbone=shrinking_backbone(1.0, float("nan"), 1.0))
    with pytest.raises(
        InputError, match=r"seer: its weights are not finite numbers: .*weights holds NaN; training div"
    ):
        evaluate(broken, open_task(f"folder:{colour_folder}"), [protocol])
