"""What methods on labelled images share, seen with a method that knows all its answers."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pytest

from tests.evaluation.conftest import array_task
from wordsight.evaluation import EvalProtocol, EvaluatedModel, Task
from wordsight.evaluation.methods.task_method import TaskScore, measure_task
from wordsight.evaluation.metrics.outcomes import Outcomes, classified
from wordsight.evaluation.results.result import Result
from wordsight.vision.backbones import Backbone


@dataclass(frozen=True)
class NoSettings:
    """Nothing to set."""

    numbers: tuple[int, ...] = (1, 2)


@pytest.fixture
def task() -> Task:
    return array_task(np.array([0, 0, 1, 1]), np.array([0, 0, 1, 1]), 2)


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WORDSIGHT_CACHE", str(tmp_path / "cache"))


def _score(task: Task, right: int, layer: str = "", part: str = "") -> TaskScore:
    outcomes = classified(task.test.hashes, np.arange(4) < right, task.test.targets)
    return TaskScore(25.0 * right, np.array([50.0, np.nan]), outcomes, {"steps": 3}, layer, part, notes=[f"of {layer}"])


def test_each_layer_is_read_beside_the_copy_s(model: EvaluatedModel, task: Task) -> None:
    def score(backbone: Backbone, what: str) -> Iterator[TaskScore]:
        trained = backbone is model.backbone
        assert what == ("trained" if trained else "random weights")
        yield _score(task, 4 if trained else 1, "low", "5-shot")
        yield _score(task, 2 if trained else 3, "high", "5-shot")

    low, high = measure_task(model, task, EvalProtocol("own", "own", NoSettings()), score, side=32)
    assert (low.part, low.value, low.random_weights) == ("low-5-shot", 100, 25)
    assert (high.part, high.value, high.random_weights) == ("high-5-shot", 50, 75)
    assert low.warnings == ["of low"]
    assert high.warnings[0] == "of high"
    assert high.warnings[1].startswith("not better than the same network with random weights")
    assert low.per_class == {"class-0": 50}
    assert low.counts == {"classes": 2, "train_images": 4, "test_images": 4, "steps": 3}
    said = dict(low.settings)
    assert said.pop("precision") in ("float32", "bfloat16")
    assert said == {"numbers": [1, 2], "view": 32, "split": "made", "source": "arrays"}


def test_one_layer_alone_needs_no_name(model: EvaluatedModel, task: Task) -> None:
    def score(_: Backbone, __: str) -> Iterator[TaskScore]:
        yield _score(task, 4, "high")

    (result,) = measure_task(model, task, EvalProtocol("own", "own", NoSettings()), score, side=32)
    assert result.part == ""


def test_the_copy_is_measured_once_and_again_where_more_is_asked_of_it(model: EvaluatedModel, task: Task) -> None:
    copies = 0

    def measured(names: tuple[str, ...]) -> Result:
        def complete(result: Result, random: Mapping[str, Outcomes]) -> Result:
            return replace(result, baselines={name: random[name].value for name in names})

        def score(backbone: Backbone, _: str) -> Iterator[TaskScore]:
            nonlocal copies
            copies += backbone is not model.backbone
            found = _score(task, 2)
            yield replace(found, named=dict.fromkeys(names, found.outcomes), complete=complete)

        (result,) = measure_task(model, task, EvalProtocol("own", "own", NoSettings()), score, side=32)
        return result

    assert measured(("k = 1",)).baselines == measured(("k = 1",)).baselines == {"k = 1": 50}
    assert copies == 1
    assert measured(("k = 1", "k = 2")).baselines == {"k = 1": 50, "k = 2": 50}
    assert copies == 2
