"""Nearest neighbours vote as by hand and as scikit-learn's do."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from sklearn.neighbors import KNeighborsClassifier

from tests.evaluation.conftest import array_task, settings_of
from wordsight.errors import InputError
from wordsight.evaluation import EvalProtocol, EvaluatedModel, evaluate, open_task
from wordsight.evaluation.classifiers import nearest_neighbours
from wordsight.evaluation.classifiers.nearest_neighbours import among_first, answers, nearest, unit_length, votes
from wordsight.evaluation.features.task_features import TaskFeatures
from wordsight.evaluation.methods.knn import KnnSettings, ask_neighbours

KNN: KnnSettings = settings_of("knn")
CPU = torch.device("cpu")


def _unit(*rows: int, width: int = 8) -> torch.Tensor:
    random = np.random.default_rng(rows)
    return unit_length(torch.from_numpy(random.normal(size=(*rows, width)).astype(np.float32)))


def test_neighbours_vote_by_hand() -> None:
    similar = torch.tensor([[0.9, 0.8, 0.7]])
    target = torch.tensor([[2, 0, 0]])
    assert votes(torch.ones(1, 3), target, 3)[0].tolist() == pytest.approx([2 / 3, 0, 1 / 3])
    # exp((s - s_1) / T) with T = 0.1: 1, e^-1, e^-2; the nearest outweighs the two of class 0.
    targets = np.array([2, 0, 0])
    rows = torch.tensor([[0, 1, 2]])
    assert answers(similar, rows, targets, 3).tolist() == [0]
    assert answers(similar, rows, targets, 3, temperature=0.1).tolist() == [2]
    weight = torch.tensor([[1.0, np.exp(-1), np.exp(-2)]])
    assert votes(weight, target, 3)[0, 2].item() == pytest.approx(1 / (1 + np.exp(-1) + np.exp(-2)))


def test_the_nearest_decides_between_equal_shares() -> None:
    similar, rows = torch.tensor([[0.9, 0.8, 0.7, 0.6]]), torch.tensor([[0, 1, 2, 3]])
    assert answers(similar, rows, np.array([3, 1, 1, 3]), 4).tolist() == [3]
    assert answers(similar, rows, np.array([1, 3, 3, 1]), 4).tolist() == [1]
    assert answers(similar, rows, np.array([2, 3, 3, 1]), 4).tolist() == [3], "more votes beat the nearest"


def test_an_ignored_label_casts_no_vote() -> None:
    targets = np.array([[1, -1], [0, 1], [1, 0]], dtype=np.int8)
    found = answers(torch.tensor([[0.9, 0.8, 0.7]]), torch.tensor([[0, 1, 2]]), targets, 2)
    assert found[0].tolist() == pytest.approx([2 / 3, 1 / 2])
    assert answers(torch.tensor([[0.9]]), torch.tensor([[0]]), targets, 2).tolist() == [[1, 0]]


@pytest.mark.parametrize("k", [1, 5, 20])
@pytest.mark.parametrize("temperature", [None, 0.07])
def test_predictions_are_those_of_scikit_learn(k: int, temperature: float | None) -> None:
    known, asked = _unit(400), _unit(150)
    targets = np.random.default_rng(0).integers(0, 6, 400)

    def weights(distance: NDArray[np.floating]) -> NDArray[np.floating]:
        return np.asarray(np.exp((1 - distance) / (temperature or 1.0)))

    theirs = KNeighborsClassifier(k, metric="cosine", weights=weights if temperature else "uniform")
    theirs.fit(known.numpy(), targets)
    similar, rows = nearest(asked, known, k, CPU)
    share = votes(
        ((similar.double() / (temperature or 1.0)).exp() if temperature else torch.ones_like(similar)).double(),
        torch.from_numpy(targets)[rows],
        6,
    ).numpy()
    np.testing.assert_allclose(share, theirs.predict_proba(asked.numpy()), atol=1e-5)
    clear = np.sort(share)[:, -1] - np.sort(share)[:, -2] > 1e-6
    ours = answers(similar, rows, targets, 6, temperature)
    assert clear.sum() > 50
    assert (ours == theirs.predict(asked.numpy()))[clear].all()


def test_blocks_change_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    known, asked = _unit(300), _unit(70)
    targets = np.random.default_rng(0).integers(0, 4, 300)
    whole = nearest(asked, known, 7, CPU)
    said = answers(*whole, targets, 4)
    monkeypatch.setattr(nearest_neighbours, "_ASKED", 16)
    monkeypatch.setattr(nearest_neighbours, "_KNOWN", 5)
    monkeypatch.setattr(nearest_neighbours, "_VOTES", 10)
    parts = nearest(asked, known, 7, CPU)
    torch.testing.assert_close(parts[0], whole[0])
    assert torch.equal(parts[1], whole[1])
    assert answers(*parts, targets, 4).tolist() == said.tolist()


def test_an_image_and_its_copies_are_no_neighbours_of_its_own() -> None:
    known = _unit(5)
    known[3] = known[0]
    _, rows = nearest(known, known, 3, CPU, torch.tensor([0, 1, 2, 0, 4]))
    for row, found in enumerate(rows.tolist()):
        assert row not in found
    assert 3 not in rows[0]
    assert 0 not in rows[3]


def test_the_number_of_neighbours_is_chosen_by_leaving_one_out() -> None:
    random = np.random.default_rng(0)
    targets = [random.integers(0, 2, n) for n in (200, 400)]
    # Two overlapping directions: many neighbours are far better than one.
    points = [random.normal(size=(len(t), 2)) * 0.8 + np.array([[1.0, 0.0], [0.0, 1.0]])[t] for t in targets]
    features = TaskFeatures("", points[0].astype(np.float32), points[1].astype(np.float32))
    task = array_task(targets[0], targets[1], 2)
    found = ask_neighbours(features, task, KNN, CPU, "made")
    known = unit_length(torch.from_numpy(features.train))
    cosine = known @ known.T
    cosine.fill_diagonal_(-2)
    first = targets[0][cosine.argmax(1).numpy()]
    assert found.left_out[1] == pytest.approx(100 * float((first == targets[0]).mean()))
    assert found.chosen == max(found.left_out, key=lambda k: found.left_out[k])
    assert found.values[found.chosen] > found.values[1]
    other = replace(task, test=replace(task.test, targets=random.permutation(targets[1])))
    assert ask_neighbours(features, other, KNN, CPU, "made").chosen == found.chosen


def test_more_neighbours_than_images_are_left_out() -> None:
    task = array_task(np.array([0, 1, 0, 1, 0, 1]), np.array([0, 1]), 2)
    features = TaskFeatures("", _unit(6).numpy(), _unit(2).numpy())
    assert list(ask_neighbours(features, task, KNN, CPU, "made").values) == [1, 5]
    with pytest.raises(InputError, match="6 training images for 10 neighbours"):
        ask_neighbours(features, task, replace(KNN, neighbours=(10,)), CPU, "made")


@pytest.mark.parametrize("change", [{"neighbours": ()}, {"neighbours": (0,)}, {"temperature": 0.0}])
def test_settings_that_mean_nothing_are_refused(change: dict[str, object]) -> None:
    with pytest.raises(InputError):
        settings_of("knn", **change)


def test_several_labels_give_average_precision() -> None:
    random = np.random.default_rng(0)
    targets = [(random.random((n, 3)) < 0.4).astype(np.int8) for n in (300, 200)]
    points = [t + 0.2 * random.normal(size=t.shape) + 0.1 for t in targets]
    targets[1][:5, 0] = -1
    features = TaskFeatures("", points[0].astype(np.float32), points[1].astype(np.float32))
    found = ask_neighbours(features, array_task(targets[0], targets[1], 3), KNN, CPU, "made")
    outcomes = found.outcomes[found.chosen]
    assert outcomes.scores is not None
    assert outcomes.scores.shape == (200, 3)
    assert found.values[found.chosen] > 80
    assert found.values[found.chosen] == pytest.approx(found.per_class.mean())


def test_a_result_shows_every_number_of_neighbours_beside_random_weights(
    model: EvaluatedModel, colour_folder: Path
) -> None:
    task = open_task(f"folder:{colour_folder}")
    (result,) = evaluate(model, task, ["knn"])
    assert result.value == 100
    assert result.random_weights is not None
    assert result.random_weights < 100
    assert list(result.more) == ["mean per class accuracy", "k = 1", "k = 5", "k = 10", "k = 20"]
    main, *more = result.measurements
    assert main.baselines == {"random weights": result.random_weights, "chance": 50, "most frequent class": 50}
    (five,) = (each for each in more if each.metric == "k = 5")
    assert set(five.baselines) == {"random weights"}
    assert [point.penalty for point in result.sweep] == [1, 5, 10, 20]
    assert result.counts["neighbours"] == 20, "of equals the most"
    assert result.outcomes is not None
    assert result.outcomes.value == result.value
    weighted = EvalProtocol("knn-weighted", "knn", replace(KNN, vote="similarity"))
    assert evaluate(model, task, [weighted])[0].value == 100


def test_the_first_five_classes_are_those_with_the_most_votes() -> None:
    train = np.array([0, 0, 1, 2, 3, 4, 5, 6])
    similar = torch.ones(3, 6)
    rows = torch.tensor([[0, 1, 2, 3, 4, 5]] * 2 + [[0, 1, 2, 3, 4, 7]])
    # Five classes have votes; of class 5 there is no neighbour, and all five places are taken.
    found = among_first(similar, rows, train, 8, None, np.array([4, 5, 6]))
    assert found.tolist() == [1, 0, 1]
    # One neighbour alone: the other seven classes share four places.
    alone = among_first(similar[:2, :1], rows[:2, :1], train, 8, None, np.array([0, 3]))
    assert alone.tolist() == [1, pytest.approx(4 / 7)]


def test_the_first_five_stand_beside_top_1() -> None:
    random = np.random.default_rng(0)
    targets = [random.integers(0, 8, n) for n in (200, 80)]
    points = [np.eye(8)[t] + 0.8 * random.normal(size=(len(t), 8)) for t in targets]
    features = TaskFeatures("", points[0].astype(np.float32), points[1].astype(np.float32))
    found = ask_neighbours(features, array_task(targets[0], targets[1], 8), KNN, CPU, "made")
    outcomes = found.outcomes[20]
    assert list(outcomes.more) == ["top-5 accuracy", "mean per class accuracy"]
    assert outcomes.value < outcomes.more["top-5 accuracy"] < 100
