"""What became of each image: files, orders, and the parts that images have in metrics that are no plain means."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from wordsight.errors import InputError
from wordsight.evaluation.metrics.bootstrap import paired_test
from wordsight.evaluation.metrics.classification import PER_CLASS, TOP1, TOP5, accuracies, average_precisions
from wordsight.evaluation.metrics.outcomes import (
    Outcomes,
    averaged,
    classified,
    outcomes_of,
    parts_of_class_mean,
    parts_of_ratio,
    read_outcomes,
    write_outcomes,
)

IDS = np.array(["a", "b", "c", "d"])


def test_outcomes_come_back_as_they_were_written(tmp_path: Path) -> None:
    scores, targets = np.random.default_rng(0).normal(size=(4, 2)), np.array([[1, 0], [0, 1], [-1, 0], [1, 1]], np.int8)
    for outcomes in (Outcomes(IDS, np.array([1.0, 0, 1, 1])), Outcomes(IDS, None, scores, targets, "voc-area")):
        write_outcomes(tmp_path / "task" / "logistic.npz", outcomes)
        found = read_outcomes(tmp_path / "task" / "logistic.npz")
        assert (found.metric, found.rule, found.value) == (outcomes.metric, outcomes.rule, outcomes.value)
        assert found.ids.tolist() == IDS.tolist()
    assert [file.name for file in (tmp_path / "task").iterdir()] == ["logistic.npz"]


def test_the_value_is_the_accuracy_or_the_mean_average_precision_of_learned_classes() -> None:
    assert Outcomes(IDS, np.array([1.0, 0, 1, 1])).value == 75
    scores = np.array([[4.0, -np.inf], [3.0, -np.inf], [2.0, -np.inf], [1.0, -np.inf]])
    targets = np.array([[1, 1], [0, 0], [1, 0], [-1, 0]], dtype=np.int8)
    expected = average_precisions(scores[:, :1], targets[:, :1])[0]
    assert Outcomes(IDS, None, scores, targets).value == pytest.approx(expected)


def test_the_order_of_images_can_be_another_runs() -> None:
    ids = np.array(["c", "a", "b", "a"])
    other = Outcomes(ids, np.array([3.0, 1.0, 2.0, 4.0])).ordered_as(np.array(["a", "a", "b", "c"]))
    assert other.correct is not None
    assert other.correct.tolist() == [1.0, 4.0, 2.0, 3.0]
    with pytest.raises(InputError, match="other images"):
        other.ordered_as(IDS)


@pytest.mark.parametrize("content", [b"", b"no archive", b"PK\x03\x04broken"])
def test_what_holds_no_outcomes_is_one_clear_line(tmp_path: Path, content: bytes) -> None:
    file = tmp_path / "logistic.npz"
    with pytest.raises(InputError, match="is not there"):
        read_outcomes(file)
    file.write_bytes(content)
    with pytest.raises(InputError, match="holds no outcomes"):
        read_outcomes(file)


def test_a_damaged_byte_anywhere_gives_outcomes_or_one_clear_line(tmp_path: Path) -> None:
    file, refused = tmp_path / "logistic.npz", 0
    write_outcomes(file, Outcomes(IDS, np.array([1.0, 0, 1, 1])))
    whole = file.read_bytes()
    for place in range(len(whole)):
        file.write_bytes(whole[:place] + bytes([whole[place] ^ 0xFF]) + whole[place + 1 :])
        try:
            read_outcomes(file)
        except InputError:
            refused += 1
    assert refused > len(whole) / 2


def test_pickled_arrays_and_other_arrays_are_refused(tmp_path: Path) -> None:
    file = tmp_path / "logistic.npz"
    texts = {"ids": IDS, "correct": np.array(list("1011"))}
    for arrays in ({"ids": np.array([object()])}, {"ids": IDS}, {"ids": IDS, "correct": np.ones(3)}, texts):
        np.savez(file, allow_pickle=True, **arrays)
        with pytest.raises(InputError, match="holds no outcomes"):
            read_outcomes(file)
    np.save(tmp_path / "one.npy", IDS)
    with pytest.raises(InputError, match="holds no outcomes"):
        read_outcomes(tmp_path / "one.npy")


def test_parts_of_images_have_the_metric_as_their_mean() -> None:
    random = np.random.default_rng(0)
    targets, right = random.integers(0, 3, 50), random.random(50)
    by_hand = np.mean([right[targets == k].mean() for k in range(3)])
    assert parts_of_class_mean(right, targets).mean() == pytest.approx(by_hand)
    asked = random.integers(1, 6, 50).astype(np.float64)
    assert parts_of_ratio(right * asked, asked).mean() == pytest.approx((right * asked).sum() / asked.sum())


@pytest.mark.parametrize("metric", ["mean over classes", "ratio"])
def test_parts_of_images_vary_as_the_metric_does_over_draws(metric: str) -> None:
    random = np.random.default_rng(1)
    targets, weight = random.integers(0, 3, 400), random.integers(1, 6, 400).astype(np.float64)
    right = (random.random(400) < 0.2 + 0.3 * targets).astype(np.float64)
    if metric == "ratio":
        parts = parts_of_ratio(right * weight, weight)
    else:
        parts = parts_of_class_mean(right, targets)
    exact, linear = [], []
    for _ in range(500):
        drawn = random.integers(0, 400, 400)
        r, t, w = right[drawn], targets[drawn], weight[drawn]
        exact.append((r * w).sum() / w.sum() if metric == "ratio" else np.mean([r[t == k].mean() for k in range(3)]))
        linear.append(parts[drawn].mean())
    assert np.corrcoef(exact, linear)[0, 1] > 0.99
    assert np.std(linear) == pytest.approx(np.std(exact), rel=0.05)


def test_one_label_an_image_gives_the_first_five_and_the_mean_over_classes(tmp_path: Path) -> None:
    scores, targets = np.random.default_rng(2).normal(size=(60, 8)), np.arange(60) % 7
    outcomes = outcomes_of([str(k) for k in range(60)], scores, targets)
    order = (-scores).argsort(1)
    assert outcomes.more[TOP5] == pytest.approx(
        100 * np.mean([t in five for t, five in zip(targets, order[:, :5], strict=True)])
    )
    assert outcomes.more[PER_CLASS] == pytest.approx(np.nanmean(accuracies(scores.argmax(1), targets, 8)))
    write_outcomes(tmp_path / "one.npz", outcomes)
    found = read_outcomes(tmp_path / "one.npz")
    assert found.more == outcomes.more
    five = found.of(TOP5)
    assert five is not None
    assert five.value == pytest.approx(outcomes.more[TOP5])
    assert found.of(TOP1) is None
    turned = found.ordered_as(found.ids[::-1])
    assert turned.further[TOP5].tolist() == outcomes.further[TOP5][::-1].tolist()


def test_further_metrics_are_tested_image_by_image() -> None:
    ids, targets = [str(k) for k in range(200)], np.arange(200) % 10
    random = np.random.default_rng(3)
    good, bad = (classified(ids, random.random(200) < share, targets).of(PER_CLASS) for share in (0.8, 0.5))
    assert good is not None
    assert bad is not None
    test = paired_test([good], [bad])
    assert test.difference == pytest.approx(good.value - bad.value)
    assert test.p_value < 0.01


def test_few_classes_have_no_first_five() -> None:
    assert list(outcomes_of(["a", "b"], np.eye(5)[:2], np.array([0, 1])).more) == [PER_CLASS]


def test_the_mean_of_several_draws_has_the_means_of_their_metrics() -> None:
    some = [outcomes_of(["a", "b", "c"], np.random.default_rng(k).normal(size=(3, 6)), np.arange(3)) for k in range(4)]
    found = averaged(some)
    assert found.value == pytest.approx(np.mean([each.value for each in some]))
    assert found.more == {
        name: pytest.approx(np.mean([each.more[name] for each in some])) for name in (TOP5, PER_CLASS)
    }
