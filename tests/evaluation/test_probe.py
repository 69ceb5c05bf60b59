from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from tests.evaluation.conftest import array_task, shrinking_backbone
from wordsight.evaluation import Subject, Task, evaluate, open_task
from wordsight.evaluation.logistic import LogisticSettings, choose, probe
from wordsight.evaluation.results import Result, SweepPoint
from wordsight.vision.backbones import Backbone, build_backbone


def test_random_labels_give_chance() -> None:
    random = np.random.default_rng(0)
    train, test = (random.normal(size=(n, 40)).astype(np.float32) for n in (500, 1000))
    task = array_task(random.integers(0, 10, 500), random.integers(0, 10, 1000), 10)
    # Three standard errors of a share of 1,000.
    assert probe(train, test, task, LogisticSettings()).value == pytest.approx(10, abs=3)


def test_random_labels_give_chance_also_for_several_labels() -> None:
    random = np.random.default_rng(0)
    train, test = (random.normal(size=(n, 20)).astype(np.float32) for n in (300, 1000))
    targets = [(random.random((n, 3)) < 0.3).astype(np.int8) for n in (300, 1000)]
    assert probe(train, test, array_task(targets[0], targets[1], 3), LogisticSettings()).value == pytest.approx(
        30, abs=5
    )


def test_what_can_be_told_apart_is() -> None:
    random = np.random.default_rng(0)
    targets = [random.integers(0, 4, n) for n in (200, 400)]
    train, test = ((np.eye(4)[each] * 4 + random.normal(size=(len(each), 4))).astype(np.float32) for each in targets)
    found = probe(train, test, array_task(targets[0], targets[1], 4), LogisticSettings())
    assert found.value > 95
    assert found.per_class.shape == (4,)
    assert [point.penalty for point in found.sweep] == sorted(LogisticSettings().penalties, reverse=True)


def test_the_penalty_is_chosen_without_a_look_at_the_test() -> None:
    random = np.random.default_rng(0)
    targets = [random.integers(0, 3, n) for n in (150, 60)]
    train, test = (random.normal(size=(len(each), 10)).astype(np.float32) + each[:, None] for each in targets)
    task = array_task(targets[0], targets[1], 3)
    other = replace(task, test=replace(task.test, targets=random.permutation(targets[1])))
    first, second = (probe(train, test, each, LogisticSettings()) for each in (task, other))
    assert (first.penalty, first.sweep) == (second.penalty, second.sweep)


def test_the_strongest_of_equally_good_penalties_is_chosen() -> None:
    sweep = [SweepPoint(1.0, 50.0), SweepPoint(0.1, 60.0), SweepPoint(0.01, 60.0), SweepPoint(0.001, 40.0)]
    assert choose(sweep, [point.penalty for point in sweep]) == (0.1, [])


def test_a_best_penalty_at_the_edge_is_said() -> None:
    sweep = [SweepPoint(1.0, 50.0), SweepPoint(0.1, 60.0)]
    penalty, notes = choose(sweep, [1.0, 0.1])
    assert penalty == 0.1
    assert "0.1, is the weakest tried" in notes[0]


def test_too_few_images_to_choose_by_take_the_middle_penalty() -> None:
    task = array_task(np.array([0, 1]), np.array([0, 1]), 2)
    features = np.array([[-1.0], [1.0]], dtype=np.float32)
    found = probe(features, features, task, LogisticSettings(penalties=(0.1, 1.0, 10.0)))
    assert (found.value, found.penalty) == (100, 1.0)
    assert "too few training images to choose a penalty by" in found.notes[0]


def test_a_result_holds_all_that_is_needed_to_read_it(subject: Subject, colour_folder: Path) -> None:
    (result,) = evaluate(subject, open_task(f"folder:{colour_folder}"), ["logistic"])
    written = json.loads((subject.results_folder / "colours" / "logistic.json").read_text("utf-8"))
    assert written["value"] == result.value == 100
    assert written["protocol"] == "logistic"
    assert written["random_weights"] < 100
    assert written["seconds"] > 0
    assert written["metric"] == "top-1 accuracy"
    assert written["per_class"] == {"blue": 100, "red": 100}
    assert written["baselines"] == {"chance": 50}
    assert written["counts"] == {"classes": 2, "train_images": 24, "test_images": 8, "validation_images": 5}
    assert written["penalty"] in written["settings"]["penalties"]
    assert len(written["sweep"]) == len(written["settings"]["penalties"])
    assert written["subject"] == "seer"
    assert written["weights"]
    assert written["data"]
    assert written["versions"]["torch"]
    assert Result.read(subject.results_folder / "colours" / "logistic.json") == result


def test_random_weights_are_probed_once_for_a_task(subject: Subject, colour_folder: Path) -> None:
    seen = 0

    def forward_hook(module: object, inputs: object, output: object) -> None:
        nonlocal seen
        seen += 1

    def twin() -> Backbone:
        backbone = shrinking_backbone(0.0, 1.0, 0.0)
        backbone.register_forward_hook(forward_hook)
        return backbone

    task, subject = open_task(f"folder:{colour_folder}"), replace(subject, random_backbone=twin)
    first = evaluate(subject, task, ["logistic"])[0]
    after_first = seen
    second = evaluate(replace(subject, backbone=shrinking_backbone(2.0, 1.0, 1.0)), task, ["logistic"])[0]
    assert after_first > 0
    assert seen == after_first
    assert second.random_weights == first.random_weights
    assert second.weights != first.weights
    evaluate(replace(subject, image_size=8), task, ["logistic"])
    assert seen > after_first, "another image size is another baseline"


def test_a_broken_earlier_result_is_replaced(subject: Subject, colour_folder: Path) -> None:
    file = subject.results_folder / "colours" / "logistic.json"
    file.parent.mkdir(parents=True)
    file.write_text("{half of a", "utf-8")
    evaluate(subject, open_task(f"folder:{colour_folder}"), ["logistic"])
    assert Result.read(file).value == 100


def test_training_that_did_harm_is_said(subject: Subject, colour_folder: Path) -> None:
    harmed = replace(subject, backbone=shrinking_backbone(0.0, 1.0, 0.0), random_backbone=shrinking_backbone)
    (result,) = evaluate(harmed, open_task(f"folder:{colour_folder}"), ["logistic"])
    assert any("worse than the same network with random weights" in warning for warning in result.warnings)


def _few(task: Task, train: int, test: int) -> Task:
    """Every n-th image of a task."""
    parts = []
    for part, wanted in ((task.train, train), (task.test, test)):
        rows = range(0, len(part), len(part) // wanted)
        parts.append(
            replace(
                part,
                ids=[part.ids[i] for i in rows],
                images=[part.images[i] for i in rows],
                hashes=[part.hashes[i] for i in rows],
                targets=part.targets[list(rows)],
            )
        )
    return replace(task, train=parts[0], test=parts[1])


@pytest.mark.parametrize(("spec", "metric"), [("folder:imagenette", "top-1 accuracy"), ("voc:voc_animals", "mAP")])
def test_random_weights_are_above_chance_on_real_photos(
    shared_data: Path, subject: Subject, spec: str, metric: str
) -> None:
    torch.manual_seed(0)
    network = build_backbone("resnet18")
    kind, folder = spec.split(":")
    task = _few(open_task(f"{kind}:{shared_data / folder}"), 150, 100)
    (result,) = evaluate(
        replace(subject, backbone=network, random_backbone=lambda: network, image_size=48), task, ["logistic"]
    )
    assert result.metric == metric
    assert result.value == result.random_weights
    assert result.value > result.baselines["chance"] + 5
    assert set(result.per_class) == set(task.class_names)
