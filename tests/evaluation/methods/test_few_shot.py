"""Few-shot: leaving one out in closed form, nested draws, the penalty without a look at the test."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from tests.evaluation.colour_words import COLOURS
from tests.evaluation.conftest import array_task, picture, settings_of
from wordsight.errors import InputError
from wordsight.evaluation import EvalProtocol, EvaluatedModel, evaluate, open_protocol, open_task
from wordsight.evaluation.classifiers.few_shot_ridge import fit_shots
from wordsight.evaluation.features.task_features import TaskFeatures
from wordsight.evaluation.methods.few_shot import FewShotSettings, learn_from_few
from wordsight.evaluation.solvers import grid, solve_ridge
from wordsight.evaluation.tasks.subsets import draw_share, draw_shots, drawing_order, most_shots

FEW: FewShotSettings = settings_of("few-shot")
CPU = torch.device("cpu")


def _shots(rows: int, width: int, classes: int = 3) -> tuple[torch.Tensor, torch.Tensor]:
    random = np.random.default_rng(rows)
    features = torch.from_numpy(random.normal(size=(rows, width)))
    targets = np.arange(rows) % classes
    return features, torch.from_numpy(np.where(targets[:, None] == np.arange(classes), 1, -1))


@pytest.mark.parametrize(("rows", "width"), [(9, 20), (30, 5)])
def test_leaving_one_out_in_closed_form_is_fitting_again_without_it(rows: int, width: int) -> None:
    features, targets = _shots(rows, width)
    penalty = 0.3
    (error,) = fit_shots(features, targets, [penalty]).errors
    alpha = penalty * float(((features - features.mean(0)) ** 2).sum() / rows)
    missed = []
    for row in range(rows):
        kept = torch.arange(rows) != row
        problems = grid(targets[kept].T.float(), [alpha])
        fits = solve_ridge(features[kept].float(), problems)
        missed.append(fits.scores(features[row : row + 1])[:, 0] - targets[row])
    assert error == pytest.approx(float((torch.stack(missed) ** 2).mean()), rel=1e-4)


@pytest.mark.parametrize(("rows", "width"), [(9, 20), (30, 5)])
def test_the_fit_is_that_of_ridge_regression(rows: int, width: int) -> None:
    features, targets = _shots(rows, width)
    found = fit_shots(features, targets, [0.1])
    alpha = 0.1 * float(((features - features.mean(0)) ** 2).sum() / rows)
    fits = solve_ridge(features.float(), grid(targets.T.float(), [alpha]))
    np.testing.assert_allclose(found.scores(features), fits.scores(features).T, atol=1e-4)


def test_the_penalty_with_the_least_error_on_images_left_out_is_chosen() -> None:
    features, targets = _shots(30, 5)
    many = fit_shots(features, targets, [0.01, 1.0, 100.0, 10_000.0])
    # Labels that features say nothing of are best guessed by their mean.
    assert many.penalty == 10_000
    assert many.errors == sorted(many.errors, reverse=True)
    told = fit_shots(targets.double() + 0.01 * features[:, :3], targets, [0.01, 1.0, 100.0])
    assert told.penalty == 0.01


def test_an_ignored_label_is_no_evidence() -> None:
    features, targets = _shots(30, 5)
    ignored = targets.clone()
    ignored[:4, 0] = 0
    found = fit_shots(features, ignored, [0.1])
    assert found.bias_K[0] + found.weight_DK[:, 0] @ features.mean(0) == pytest.approx(
        float(targets[4:, 0].double().mean())
    )
    whole = fit_shots(features, targets, [0.1])
    torch.testing.assert_close(found.weight_DK[:, 1:], whole.weight_DK[:, 1:])


def test_a_draw_holds_so_many_images_of_each_class_and_those_of_smaller_draws() -> None:
    hashes = [f"image-{i}" for i in range(60)]
    targets = np.arange(60) % 3
    five, two = (draw_shots(hashes, targets, 3, shots, seed=0) for shots in (5, 2))
    assert np.bincount(targets[five]).tolist() == [5, 5, 5]
    assert set(two) < set(five)
    assert set(draw_shots(hashes, targets, 3, 5, seed=1)) != set(five)
    turned = draw_shots(hashes[::-1], targets[::-1], 3, 5, seed=0)
    assert {hashes[::-1][row] for row in turned} == {hashes[row] for row in five}, "the order of files does not matter"


def test_copies_of_an_image_are_drawn_once() -> None:
    assert sorted(drawing_order(["a", "b", "a", "c"], 0)) == [0, 1, 3]
    assert most_shots(["a", "b", "a", "c", "d"], np.array([0, 1, 0, 0, 1]), 2) == 2


def test_several_labels_draw_positives_of_each_class_and_images_without_one_that_all_have() -> None:
    hashes = [f"image-{i}" for i in range(40)]
    targets = np.zeros((40, 2), np.int8)
    targets[:30, 0] = 1
    targets[:10, 1] = 1
    drawn = draw_shots(hashes, targets, 2, 4, seed=0)
    assert ((targets[drawn] == 1).sum(0) >= 4).all()
    assert ((targets[drawn] == 0).sum(0) >= 4).any()
    assert (targets[drawn] == 0).any(0).all()
    assert most_shots(hashes, targets, 2) == 10


def test_a_share_of_the_labels_keeps_one_image_a_class() -> None:
    hashes = [f"image-{i}" for i in range(110)]
    targets = np.array([0] * 100 + [1] * 10)
    assert np.bincount(targets[draw_share(hashes, targets, 0.01, 0)]).tolist() == [1, 1]
    tenth = draw_share(hashes, targets, 0.1, 0)
    assert np.bincount(targets[tenth]).tolist() == [10, 1]
    assert draw_share(hashes, targets, 0.1, 0).tolist() == tenth.tolist()
    assert draw_share(hashes, targets, 1.0, 0).tolist() == list(range(110))


def test_what_can_be_told_apart_is_learned_from_one_image_a_class() -> None:
    random = np.random.default_rng(0)
    targets = [random.integers(0, 4, n) for n in (200, 400)]
    train, test = ((np.eye(4)[t] * 4 + 0.2 * random.normal(size=(len(t), 4))).astype(np.float32) for t in targets)
    drawn = learn_from_few(TaskFeatures("", train, test), array_task(targets[0], targets[1], 4), FEW, 1, CPU, "made")
    assert [each.images for each in drawn] == [4] * 5
    assert min(each.value for each in drawn) > 95


def test_random_labels_give_chance() -> None:
    random = np.random.default_rng(0)
    targets = [random.integers(0, 5, n) for n in (300, 1000)]
    train, test = (random.normal(size=(len(t), 20)).astype(np.float32) for t in targets)
    task = array_task(targets[0], targets[1], 5)
    drawn = learn_from_few(TaskFeatures("", train, test), task, FEW, 20, CPU, "made")
    # Three standard errors of the mean of five shares of 1,000.
    assert np.mean([each.value for each in drawn]) == pytest.approx(20, abs=2)


def test_a_result_for_each_number_of_images_has_the_mean_and_spread_of_draws(
    model: EvaluatedModel, colour_folder: Path
) -> None:
    task = open_task(f"folder:{colour_folder}")
    results = evaluate(model, task, ["few-shot"])
    assert [result.part for result in results] == ["1-shot", "2-shot", "5-shot", "10-shot"]
    assert "a class has 12 training images: more shots were left out" in results[0].warnings
    for result in results:
        values = [group.value for group in result.groups]
        assert result.outcomes is not None
        assert result.outcomes.value == pytest.approx(result.value)
        assert len(values) == 5
        assert result.value == pytest.approx(np.mean(values))
        assert result.standard_error is None, "the spread over draws is no standard error"
        assert result.spread == pytest.approx(np.std(values, ddof=1))
        assert result.random_weights == pytest.approx(
            np.mean([group.baselines["random weights"] for group in result.groups])
        )
    assert results[-1].value == 100
    assert results[-1].counts["drawn_images"] == 20
    again = evaluate(model, task, ["few-shot"])
    assert sorted(again, key=lambda result: result.part) == sorted(results, key=lambda result: result.part)
    assert results[0].value != results[0].random_weights


def test_of_several_labels_the_outcomes_of_all_draws_give_the_value(model: EvaluatedModel, tmp_path: Path) -> None:
    rows = ["file_name,red,green,blue"]
    for i in range(60):
        colour = list(COLOURS)[i % 3]
        picture(COLOURS[colour], noise=i).save(tmp_path / f"{i}.png")
        # Green ones are blue too, for every other image.
        rows.append(f"{i}.png,{int(i % 3 == 0)},{int(i % 3 == 1)},{int(i % 3 == 2 or i % 6 == 1)}")
    (tmp_path / "labels.csv").write_text("\n".join(rows))
    task = open_task(f"multilabel:{tmp_path / 'labels.csv'}")
    for result in evaluate(model, task, [replace(_protocol(), settings=replace(FEW, shots=(1, 2)))]):
        assert result.outcomes is not None
        assert result.outcomes.value == pytest.approx(result.value)
        assert result.interval is not None
        assert result.interval[0] <= result.value <= result.interval[1]


def test_fewer_images_than_the_fewest_shots_are_refused(model: EvaluatedModel, colour_folder: Path) -> None:
    protocol = replace(_protocol(), settings=replace(FEW, shots=(50,)))
    with pytest.raises(InputError, match="a class has 12 training images"):
        evaluate(model, open_task(f"folder:{colour_folder}"), [protocol])


def _protocol() -> EvalProtocol:

    return replace(open_protocol("few-shot"), name="fifty")
