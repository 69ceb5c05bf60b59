"""Linear probes: chance on random labels, and a penalty chosen without a look at the test."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from sklearn.model_selection import cross_val_score
from sklearn.svm import LinearSVC

from tests.evaluation.conftest import array_task, picture, settings_of, shrinking_backbone
from wordsight.errors import InputError
from wordsight.evaluation import EvalProtocol, EvaluatedModel, Task, evaluate, open_task
from wordsight.evaluation.classifiers.linear import Examples
from wordsight.evaluation.features.task_features import TaskFeatures
from wordsight.evaluation.methods import penalty_sweep
from wordsight.evaluation.methods.linear_probe import ProbeScore, probe
from wordsight.evaluation.methods.linear_probe_settings import ProbeSettings
from wordsight.evaluation.methods.penalty_sweep import PenaltySweep, choose
from wordsight.evaluation.results.result import Result
from wordsight.evaluation.solvers import Plan, Settings
from wordsight.vision.backbones import Backbone, build_backbone

LOGISTIC: ProbeSettings = settings_of("logistic")
KINDS = ("logistic", "ridge", "voc07-svm-virtex")


def probed(
    train: NDArray[np.floating], test: NDArray[np.floating], task: Task, settings: ProbeSettings = LOGISTIC
) -> ProbeScore:
    features = TaskFeatures("", train.astype(np.float32), test.astype(np.float32))
    return probe(features, task, settings, Plan(), "made")


@pytest.mark.parametrize("kind", KINDS)
def test_random_labels_give_chance(kind: str) -> None:
    random = np.random.default_rng(0)
    train, test = (random.normal(size=(n, 40)) for n in (500, 1000))
    task = array_task(random.integers(0, 10, 500), random.integers(0, 10, 1000), 10)
    # Three standard errors of a share of 1,000.
    assert probed(train, test, task, settings_of(kind)).value == pytest.approx(10, abs=3)


@pytest.mark.parametrize("kind", KINDS)
def test_random_labels_give_chance_also_for_several_labels(kind: str) -> None:
    random = np.random.default_rng(0)
    train, test = (random.normal(size=(n, 20)) for n in (300, 1000))
    targets = [(random.random((n, 3)) < 0.3).astype(np.int8) for n in (300, 1000)]
    task = array_task(targets[0], targets[1], 3)
    assert probed(train, test, task, settings_of(kind)).value == pytest.approx(30, abs=5)


@pytest.mark.parametrize("kind", KINDS)
def test_what_can_be_told_apart_is(kind: str) -> None:
    random = np.random.default_rng(0)
    targets = [random.integers(0, 4, n) for n in (200, 400)]
    train, test = (np.eye(4)[each] * 4 + random.normal(size=(len(each), 4)) for each in targets)
    settings = settings_of(kind)
    found = probed(train, test, array_task(targets[0], targets[1], 4), settings)
    assert found.value > 95
    assert found.per_class.shape == (4,)
    assert {point.penalty for point in found.sweep} >= set(settings.penalties)


@pytest.mark.parametrize("kind", KINDS)
def test_the_penalty_is_chosen_without_a_look_at_the_test(kind: str) -> None:
    random = np.random.default_rng(0)
    targets = [random.integers(0, 3, n) for n in (150, 60)]
    train, test = (random.normal(size=(len(each), 10)) + each[:, None] for each in targets)
    task = array_task(targets[0], targets[1], 3)
    other = replace(task, test=replace(task.test, targets=random.permutation(targets[1])))
    first, second = (probed(train, test, each, settings_of(kind)) for each in (task, other))
    assert (first.penalties, first.sweep) == (second.penalties, second.sweep)


def test_voc07_svm_is_vissl_s_own_loop_over_scikit_learn() -> None:
    random = np.random.default_rng(0)
    targets = [(random.random((n, 3)) < 0.2).astype(np.int8) for n in (240, 200)]
    lean = random.normal(size=(3, 12)) * [[0.1], [0.5], [2]]
    train, test = (random.normal(size=(len(each), 12)) + each @ lean for each in targets)
    # Difficult ones.
    targets[0][random.random(targets[0].shape) < 0.05] = -1
    settings = replace(settings_of("voc07-svm-vissl"), penalties=(0.0003, 0.003, 0.03, 0.3), tolerance=1e-6)
    found = probed(train, test, array_task(targets[0], targets[1], 3), settings)

    sweep = np.zeros((4, 3))
    for k in range(3):
        side = np.where(targets[0][:, k] == 1, 1, -1)
        models = [
            LinearSVC(C=C, class_weight={1: 2, -1: 1}, dual=False, tol=1e-8, max_iter=100_000)
            for C in settings.penalties
        ]
        for place, model in enumerate(models):
            sweep[place, k] = 100 * cross_val_score(model, train, side, cv=3, scoring="average_precision").mean()
        best = int(sweep[:, k].argmax())
        assert found.penalties[k] == settings.penalties[best]
        scores = models[best].fit(train, side).decision_function(test)
        np.testing.assert_allclose(found.scores[:, k], scores, atol=5e-3)
    assert [point.value for point in found.sweep] == pytest.approx(sweep.mean(1).tolist(), abs=0.2)
    assert len(set(found.penalties)) > 1


def _swept(settings: ProbeSettings, *values: float) -> PenaltySweep:
    """The same values for each of two classes."""
    return PenaltySweep(settings.penalties, np.array(values)[:, None].repeat(2, 1))


def test_the_strongest_of_equally_good_penalties_is_chosen() -> None:
    four = replace(LOGISTIC, penalties=(1.0, 0.1, 0.01, 0.001))
    penalties, notes = choose(_swept(four, 50, 60, 60, 40), four)
    assert (penalties.tolist(), notes) == ([0.1, 0.1], [])
    # C weights the loss: there the smallest is the strongest.
    penalties, notes = choose(_swept(four, 50, 60, 60, 40), replace(four, classifier="svm"))
    assert (penalties.tolist(), notes) == ([0.01, 0.01], [])


def test_a_best_penalty_at_the_edge_is_said() -> None:
    two = replace(LOGISTIC, penalties=(1.0, 0.1), penalty_limits=())
    penalties, notes = choose(_swept(two, 50, 60), two)
    assert penalties.tolist() == [0.1, 0.1]
    assert notes == ["the best penalty, 0.1, is the weakest tried: a wider sweep may do better"]
    notes = choose(_swept(two, 50, 60), replace(two, penalty_of_each_class=True))[1]
    assert notes == ["2 of 2 classes chose a penalty at the edge of those tried"]
    assert choose(_swept(two, 60, 60), two)[1] == [], "one further in is as good"


def _with_best_at(peak: float, monkeypatch: pytest.MonkeyPatch, settings: ProbeSettings) -> PenaltySweep:
    """A sweep in which the best penalty is known beforehand."""

    def give(penalties: Sequence[float], *_: object) -> PenaltySweep:
        values = [90 - abs(math.log10(penalty / peak)) for penalty in penalties]
        return PenaltySweep(tuple(penalties), np.array(values)[:, None].repeat(2, 1), unfinished=1, fits=10)

    monkeypatch.setattr(penalty_sweep, "_try", give)
    task = array_task(np.array([0, 1]), np.array([0, 1]), 2)
    return penalty_sweep.sweep(Examples(np.zeros((2, 1), np.float32), task.train.targets, 2), task, settings, Plan())


@pytest.mark.parametrize(("peak", "steps"), [(0.05, 4), (3.0, 0), (900.0, 6)])
def test_a_sweep_whose_best_lies_at_its_edge_widens_itself(
    peak: float, steps: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = replace(LOGISTIC, penalties=(1.0, 2.0, 4.0, 8.0), penalty_limits=(1e-4, 1e4))
    swept = _with_best_at(peak, monkeypatch, settings)
    added = len(swept.penalties) - 4
    # Two at a time, as far apart as the outermost two, until one beyond the best was tried.
    expected = [1.0, 2, 4, 8]
    while added and expected[0] > min(swept.penalties):
        expected = [expected[0] / 2, *expected]
    while added and expected[-1] < max(swept.penalties):
        expected = [*expected, expected[-1] * 2]
    assert list(swept.penalties) == pytest.approx(expected)
    assert added % 2 == 0
    assert min(swept.penalties) < peak < max(swept.penalties)
    assert (swept.unfinished, swept.fits) == (1 + added // 2, 10 + 10 * (added // 2))
    penalties, notes = choose(swept, settings)
    assert abs(math.log2(penalties[0] / peak)) <= 0.5, "the nearest of those tried"
    said = (
        f"the best of the 4 penalties listed lay at their edge: {added} more were tried "
        f"({min(swept.penalties):g} to {max(swept.penalties):g} in all)"
    )
    assert notes == ([said] if steps else [])


def test_a_sweep_is_widened_to_its_limit_and_no_further(monkeypatch: pytest.MonkeyPatch) -> None:
    settings = replace(LOGISTIC, penalties=(1.0, 2.0, 4.0, 8.0), penalty_limits=(1e-4, 50.0))
    swept = _with_best_at(900.0, monkeypatch, settings)
    assert swept.penalties == (1.0, 2.0, 4.0, 8.0, 16.0, 32.0, 50.0)
    assert choose(swept, settings)[1][-1] == "the best penalty, 50, is the strongest tried, the limit of the protocol"
    with pytest.raises(InputError, match=r"penalty_limits is \[2\.0, 50\.0\]; expected the least and the greatest"):
        replace(settings, penalty_limits=(2.0, 50.0))
    with pytest.raises(InputError, match="penalty_limits"):
        replace(settings, penalty_limits=(0.0, 50.0))


def test_the_sweep_of_a_published_protocol_stays_as_it_is(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("voc07-svm-vissl", "voc07-svm-virtex", "textopicnet-svm"):
        settings = settings_of(name)
        assert settings.penalty_limits == (), name
        swept = _with_best_at(1e6, monkeypatch, settings)
        assert swept.penalties == settings.penalties, name
        assert "at the edge of those tried" in choose(swept, replace(settings, penalty_of_each_class=True))[1][0]


def test_a_widened_sweep_stands_in_the_result() -> None:
    random = np.random.default_rng(0)
    targets = [(random.random((n, 3)) < 0.4).astype(np.int8) for n in (200, 200)]
    train, test = (random.normal(size=(len(each), 100)) + 0.8 * each @ np.eye(3, 100) for each in targets)
    task = array_task(targets[0], targets[1], 3)
    found = probed(train, test, task, replace(LOGISTIC, penalties=(1e-4, 2e-4), penalty_limits=(1e-4, 100.0)))
    tried = [point.penalty for point in found.sweep]
    assert tried[:2] == [1e-4, 2e-4]
    assert len(tried) > 4
    best = max(found.sweep, key=lambda point: point.value)
    assert found.penalties[0] == best.penalty < tried[-1]
    assert found.notes[0].startswith("the best of the 2 penalties listed lay at their edge")


def test_fits_that_did_not_converge_are_counted_among_all() -> None:
    random = np.random.default_rng(0)
    targets = [random.integers(0, 3, n) for n in (90, 30)]
    train, test = (random.normal(size=(len(each), 20)) + each[:, None] for each in targets)
    hasty = replace(LOGISTIC, penalties=(1e-4, 1e-3), penalty_limits=(), max_steps=1, tolerance=1e-9)
    features = TaskFeatures("", train.astype(np.float32), test.astype(np.float32))
    plan = Plan(settings=Settings(tolerance=1e-9, max_steps=1))
    found = probe(features, array_task(targets[0], targets[1], 3), hasty, plan, "made")
    assert "3 of 3 fits did not converge in 1 steps (made backbone)" in found.notes


def test_each_class_may_have_a_penalty_of_its_own() -> None:
    settings = replace(settings_of("voc07-svm-vissl"), penalties=(0.1, 1.0, 10.0))
    swept = PenaltySweep(settings.penalties, np.array([[10.0, 60.0, np.nan], [20, 50, np.nan], [5, 40, np.nan]]))
    penalties, _ = choose(swept, settings)
    assert penalties.tolist() == [1.0, 0.1, 1.0], "the middle one where there was nothing to choose by"


def test_too_few_images_to_choose_by_take_the_middle_penalty() -> None:
    task = array_task(np.array([0, 1]), np.array([0, 1]), 2)
    features = np.array([[-1.0], [1.0]])
    found = probed(features, features, task, replace(LOGISTIC, penalties=(0.1, 1.0, 10.0)))
    assert (found.value, found.penalties) == (100, (1.0,))
    assert "too few training images to choose a penalty by" in found.notes[0]


def test_difficult_images_are_negatives_or_left_out_of_training() -> None:
    random = np.random.default_rng(0)
    train = random.uniform((-0.5, -1), (2, 1), size=(400, 2))
    labels = (train[:, :1] > 0).astype(np.int8)
    # What lies far out is difficult: as a negative it turns the classifier round there.
    labels[train[:, 0] > 0.5] = -1
    test = random.normal(size=(400, 2))
    task = array_task(labels, (test[:, :1] > 0).astype(np.int8), 1)
    kept, turned = (
        probed(train, test, task, replace(LOGISTIC, penalties=(0.01,), ignored_in_training=how)).value
        for how in ("left out", "negative")
    )
    assert kept > 95
    assert turned < 80


def test_a_result_holds_all_that_is_needed_to_read_it(model: EvaluatedModel, colour_folder: Path) -> None:
    (result,) = evaluate(model, open_task(f"folder:{colour_folder}"), ["logistic"])
    written = json.loads((model.results_folder / "colours" / "logistic.json").read_text("utf-8"))
    assert written["value"] == result.value == 100
    assert written["protocol"] == "logistic"
    assert written["random_weights"] < 100
    assert written["seconds"] > 0
    assert written["metric"] == "top-1 accuracy"
    assert written["per_class"] == {"blue": 100, "red": 100}
    beside = {"chance": 50, "most frequent class": 50, "chance, mean per class accuracy": 50}
    beside["random weights, mean per class accuracy"] = written["random_weights"]
    assert written["baselines"] == beside
    assert written["more"] == {"mean per class accuracy": 100}
    assert written["counts"] == {"classes": 2, "train_images": 24, "test_images": 8, "features": 3}
    assert written["penalty"] in written["settings"]["penalties"]
    assert written["settings"]["view"] == 16
    assert len(written["sweep"]) == len(written["settings"]["penalties"])
    assert written["model"] == "seer"
    assert written["weights"]
    assert written["data"]
    assert written["versions"]["torch"]
    assert Result.read(model.results_folder / "colours" / "logistic.json") == result


def test_random_weights_are_probed_once_for_a_task(
    model: EvaluatedModel, colour_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("WORDSIGHT_CACHE", str(tmp_path / "kept"))
    seen = 0

    def forward_hook(module: object, inputs: tuple[torch.Tensor], output: object) -> None:
        nonlocal seen
        # One image alone is looked at to tell the network from others.
        seen += len(inputs[0]) > 1

    def random_init() -> Backbone:
        backbone = shrinking_backbone(0.0, 1.0, 0.0)
        backbone.register_forward_hook(forward_hook)
        return backbone

    task, model = open_task(f"folder:{colour_folder}"), replace(model, random_backbone=random_init)
    first = evaluate(model, task, ["logistic"])[0]
    after_first = seen
    second = evaluate(replace(model, backbone=shrinking_backbone(2.0, 1.0, 1.0)), task, ["logistic"])[0]
    assert after_first > 0
    assert seen == after_first
    assert second.random_weights == first.random_weights
    assert second.weights != first.weights
    evaluate(replace(model, image_size=8), task, ["logistic"])
    assert seen > after_first, "another image size is another baseline"


def test_another_forward_with_the_same_weights_is_measured_anew(
    model: EvaluatedModel, colour_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("WORDSIGHT_CACHE", str(tmp_path / "kept"))
    task = open_task(f"folder:{colour_folder}")
    (first,) = evaluate(model, task, ["logistic"])
    # What a person does who mends a line of the network's forward, and asks again.
    blind = shrinking_backbone(1.0, 1.0, 1.0)
    blind.network.register_forward_hook(lambda module, inputs, output: 0 * output + output[:, 1:2])
    (second,) = evaluate(replace(model, backbone=blind), task, ["logistic"])
    assert second.weights == first.weights and second.key != first.key
    assert second.value < first.value == 100


def test_a_broken_earlier_result_is_replaced(model: EvaluatedModel, colour_folder: Path) -> None:
    file = model.results_folder / "colours" / "logistic.json"
    file.parent.mkdir(parents=True)
    file.write_text("{half of a", "utf-8")
    evaluate(model, open_task(f"folder:{colour_folder}"), ["logistic"])
    assert Result.read(file).value == 100


def test_training_that_did_harm_is_said(model: EvaluatedModel, colour_folder: Path) -> None:
    harmed = replace(model, backbone=shrinking_backbone(0.0, 1.0, 0.0), random_backbone=shrinking_backbone)
    (result,) = evaluate(harmed, open_task(f"folder:{colour_folder}"), ["logistic"])
    # 4 of 8 images against 8: with so few, chance does that once in eight times.
    numbers = r"with random weights \(50\.0 against 100\.0, 95 % interval of the difference"
    assert re.search(f"^not better than the same network {numbers}", result.warnings[-1])
    for number, (name, colour) in enumerate({"red": (180, 60, 60), "blue": (60, 60, 180)}.items()):
        for i in range(10):
            picture(colour, noise=5000 + 100 * number + i).save(colour_folder / "test" / name / f"more-{i}.png")
    results = evaluate(harmed, open_task(f"folder:{colour_folder}"), ["logistic", "knn", "few-shot"])
    for each in results:
        at = f" at k = {each.counts['neighbours']}" if each.protocol == "knn" else ""
        # That the new pictures replaced a result is said too.
        (said,) = (line for line in each.warnings if "than the same network" in line)
        assert said.startswith(f"worse than the same network with random weights{at} ("), each.title
        assert said.endswith("): training did harm")


def test_what_was_measured_before_is_not_measured_again(model: EvaluatedModel, colour_folder: Path) -> None:
    task = open_task(f"folder:{colour_folder}")
    first = evaluate(model, task, ["logistic", "ridge"])
    again = evaluate(model, task, ["ridge", "logistic"])
    assert again == first[::-1], "seconds included: it is the same measurement"
    other = evaluate(replace(model, backbone=shrinking_backbone(2.0, 1.0, 1.0)), task, ["logistic"])
    assert other[0].key != first[0].key
    assert evaluate(model, task, ["logistic"], again=True)[0].key == first[0].key


def test_parts_of_an_earlier_measurement_do_not_stay_beside_the_new_ones(
    model: EvaluatedModel, colour_folder: Path
) -> None:
    task = open_task(f"folder:{colour_folder}")
    evaluate(model, task, ["few-shot", "logistic"])
    shots = EvalProtocol("few-shot", "few-shot", settings_of("few-shot", shots=(2,)))
    evaluate(model, task, [shots])
    files = sorted(file.name for file in (model.results_folder / "colours").glob("*.json"))
    assert files == ["few-shot-2-shot.json", "logistic.json"]


def test_a_protocol_called_like_a_part_of_another_overwrites_nothing(
    model: EvaluatedModel, colour_folder: Path
) -> None:
    task = open_task(f"folder:{colour_folder}")
    evaluate(model, task, [EvalProtocol("few-shot", "few-shot", settings_of("few-shot", shots=(2,)))])
    with pytest.raises(InputError, match=r"few-shot-2-shot.json is a result of the protocol few-shot; give few-shot-2"):
        evaluate(model, task, [EvalProtocol("few-shot-2-shot", "probe", LOGISTIC)])


def test_a_class_that_all_images_have_can_not_be_measured_and_is_said() -> None:
    random = np.random.default_rng(0)
    train, test = random.normal(size=(20, 3)), random.normal(size=(20, 3))
    task = array_task(np.ones((20, 1), np.int8), (test[:, :1] > 0).astype(np.int8), 1)
    with pytest.raises(InputError, match="no class has images that hold it and images that don't"):
        probed(train, test, task, settings_of("voc07-svm-vissl"))


def test_each_layer_has_a_result_of_its_own(model: EvaluatedModel, colour_folder: Path) -> None:
    torch.manual_seed(0)
    network = build_backbone("resnet18")
    seen = replace(model, backbone=network, random_backbone=lambda: network, image_size=32)
    features = replace(LOGISTIC.features, layers=("conv13", "res3", "res5"))
    layered = EvalProtocol("layered", "probe", replace(LOGISTIC, features=features))
    results = evaluate(seen, open_task(f"folder:{colour_folder}"), [layered])
    assert [(result.part, result.counts["features"]) for result in results] == [("res3", 128), ("res5", 512)]
    files = sorted(file.name for file in (model.results_folder / "colours").glob("*.json"))
    assert files == ["layered-res3.json", "layered-res5.json"]
    assert evaluate(seen, open_task(f"folder:{colour_folder}"), [layered]) == results


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
    shared_data: Path, model: EvaluatedModel, spec: str, metric: str
) -> None:
    torch.manual_seed(0)
    network = build_backbone("resnet18")
    kind, folder = spec.split(":")
    task = _few(open_task(f"{kind}:{shared_data / folder}"), 150, 100)
    (result,) = evaluate(
        replace(model, backbone=network, random_backbone=lambda: network, image_size=48), task, ["logistic"]
    )
    assert result.metric == metric
    assert result.value == result.random_weights
    assert result.value > result.baselines["chance"] + 5
    assert set(result.per_class) == set(task.class_names)


def test_the_penalty_may_be_chosen_on_the_source_s_own_validation() -> None:
    random = np.random.default_rng(0)
    targets = [random.integers(0, 3, n) for n in (150, 60)]
    train, test = (random.normal(size=(len(each), 10)) + each[:, None] for each in targets)
    task = array_task(targets[0], targets[1], 3)
    settings = replace(LOGISTIC, choose_by="own validation")
    own = np.arange(150) >= 75
    with_val = replace(task, train=replace(task.train, validation=own))
    # The same sweep by hand: learned on the first half, tested on the second.
    halves = array_task(targets[0][:75], targets[0][75:], 3)
    for penalty, point in zip(settings.penalties, probed(train, test, with_val, settings).sweep, strict=True):
        alone = probed(train[:75], train[75:], halves, replace(settings, penalties=(penalty,)))
        assert point.value == pytest.approx(alone.value)
    assert probed(train, test, task, settings).sweep == probed(train, test, task).sweep, "a split where there is none"
