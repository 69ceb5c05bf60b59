"""A step is timed against its bare backbone's, on the run's own batches; nothing of the run changes."""

from __future__ import annotations

from pathlib import Path

import pytest

import wordsight
from wordsight.errors import InputError
from wordsight.training.step_cost import step_cost


def test_a_step_costs_time_and_memory_and_leaves_the_run_as_it_was(small_world: Path) -> None:
    run = wordsight.open_run(small_world / "runs" / "a")
    before = {file: file.stat().st_mtime_ns for file in run.path.rglob("*") if file.is_file()}
    cost = step_cost(run, rounds=1)
    # A head costs something, and less than a hundred backbones.
    assert 0.2 < cost.ratio < 100 and cost.milliseconds > 0 and cost.megabytes > 50
    assert {file: file.stat().st_mtime_ns for file in run.path.rglob("*") if file.is_file()} == before
    assert set(cost.as_json()) == {"ratio", "milliseconds", "megabytes"}


def test_what_learns_nothing_makes_no_step(small_world: Path, tmp_path: Path) -> None:
    corpus = small_world / "corpora" / "photos"
    run = wordsight.pretrain("random-resnet18-small", corpus=corpus, out=tmp_path / "run", image_size=32)
    with pytest.raises(InputError, match=r"learns nothing: it makes no step"):
        step_cost(run)
