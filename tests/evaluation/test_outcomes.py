from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from wordsight.errors import InputError
from wordsight.evaluation.metrics import average_precisions
from wordsight.evaluation.outcomes import Outcomes, read_outcomes, write_outcomes

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


def test_pickled_arrays_and_other_arrays_are_refused(tmp_path: Path) -> None:
    file = tmp_path / "logistic.npz"
    for arrays in ({"ids": np.array([object()])}, {"ids": IDS}, {"ids": IDS, "correct": np.ones(3)}):
        np.savez(file, allow_pickle=True, **arrays)
        with pytest.raises(InputError, match="holds no outcomes"):
            read_outcomes(file)
    np.save(tmp_path / "one.npy", IDS)
    with pytest.raises(InputError, match="holds no outcomes"):
        read_outcomes(tmp_path / "one.npy")
