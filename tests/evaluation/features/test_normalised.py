"""Features normalised block by block are the whole matrix normalised."""

from __future__ import annotations

import tracemalloc
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from tests.evaluation.conftest import array_task, settings_of
from wordsight.evaluation.features.matrix import check, every_row
from wordsight.evaluation.features.normalised import Normalise, normalised
from wordsight.evaluation.features.task_features import TaskFeatures
from wordsight.evaluation.methods.linear_probe import probe
from wordsight.evaluation.solvers import Plan


def mapped(folder: Path, rows: int, width: int, seed: int = 0) -> NDArray[np.float16]:
    """Features in a file of half precision."""
    file = folder / f"{seed}.npy"
    np.save(file, np.random.default_rng(seed).normal(3, 2, size=(rows, width)).astype(np.float16))
    found: NDArray[np.float16] = np.load(file, mmap_mode="r")
    return found


@pytest.mark.parametrize("how", ["none", "l2", "standardise"])
def test_some_rows_are_those_of_the_whole_matrix_normalised(how: Normalise, tmp_path: Path) -> None:
    train, test = mapped(tmp_path, 9000, 5), mapped(tmp_path, 30, 5, seed=1)
    learned, tested = np.asarray(train, np.float64), np.asarray(test, np.float64)
    if how == "l2":
        expected = [each / np.linalg.norm(each, axis=1, keepdims=True) for each in (learned, tested)]
    elif how == "standardise":
        expected = [(each - learned.mean(0)) / learned.std(0) for each in (learned, tested)]
    else:
        expected = [learned, tested]
    rows = np.array([8999, 0, 4096])
    for read, whole in zip(normalised(train, test, how), expected, strict=True):
        assert read.shape == whole.shape
        np.testing.assert_allclose(read[:], whole, atol=2e-5)
        np.testing.assert_allclose(read[rows % len(whole)], whole[rows % len(whole)], atol=2e-5)
    assert normalised(train, test, how)[0][rows].dtype == np.float32


def test_no_more_than_some_rows_are_in_memory(tmp_path: Path) -> None:
    train = mapped(tmp_path, 40_000, 64)
    tracemalloc.start()
    check(train, "trained")
    read, _ = normalised(train, train, "standardise")
    for _, block in every_row(read).blocks():
        assert len(block) <= 4096
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 4 * train.size / 2


@pytest.mark.parametrize("kind", ["logistic", "ridge", "voc07-svm-virtex"])
def test_a_probe_of_a_file_is_that_of_the_same_numbers_in_memory(kind: str, tmp_path: Path) -> None:
    random = np.random.default_rng(0)
    targets = [random.integers(0, 3, n) for n in (300, 200)]
    task = array_task(targets[0], targets[1], 3)
    train, test = mapped(tmp_path, 300, 12), mapped(tmp_path, 200, 12, seed=1)
    in_memory = TaskFeatures("", np.asarray(train, np.float32), np.asarray(test, np.float32))
    of_file = TaskFeatures("", *normalised(train, test, "none"))
    first, second = (probe(each, task, settings_of(kind), Plan(), "made") for each in (in_memory, of_file))
    assert first.value == second.value
    np.testing.assert_array_equal(first.scores, second.scores)
