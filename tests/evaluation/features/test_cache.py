"""Cached features come back unchanged, and are computed anew where they are not whole."""

from __future__ import annotations

import errno
import os
from pathlib import Path

import numpy as np
import pytest

from wordsight.atomic import atomic_file
from wordsight.caches import cache_folder
from wordsight.errors import InputError
from wordsight.evaluation.features.cache import key_of, load_baseline, load_features, store_baseline, store_features


@pytest.fixture(autouse=True)
def _own_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WORDSIGHT_CACHE", str(tmp_path / "kept"))


def test_features_come_back_mapped_and_unchanged() -> None:
    features = np.arange(6, dtype=np.float16).reshape(3, 2)
    assert load_features("k") is None
    for found in (store_features("k", features), load_features("k")):
        assert isinstance(found, np.memmap)
        np.testing.assert_array_equal(found, features)


def test_half_a_file_is_as_good_as_none() -> None:
    store_features("k", np.ones((100, 100), np.float16))
    file = cache_folder() / "features" / "k.npy"
    file.write_bytes(file.read_bytes()[:500])
    assert load_features("k") is None
    (cache_folder() / "baselines").mkdir()
    (cache_folder() / "baselines" / "b.json").write_text("{half", "utf-8")
    assert load_baseline("b") is None


def test_a_folder_that_cannot_be_written_costs_time_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "file").write_text("", "utf-8")
    monkeypatch.setenv("WORDSIGHT_CACHE", str(tmp_path / "file"))
    features = np.ones((2, 2), np.float16)
    assert store_features("k", features) is features
    store_baseline("b", {"value": 1.0})
    assert load_baseline("b") is None


def test_what_was_not_used_for_the_longest_goes_first(monkeypatch: pytest.MonkeyPatch) -> None:
    features = np.ones((1000, 100), np.float16)
    for number in range(3):
        store_features(str(number), features)
        os.utime(cache_folder() / "features" / f"{number}.npy", (1000 + number, 1000 + number))
    load_features("0")
    monkeypatch.setenv("WORDSIGHT_CACHE_GB", "0.0007")
    store_features("3", features)
    assert [name for name in "0123" if load_features(name) is not None] == ["0", "2", "3"]


def test_what_a_kill_left_goes_and_what_is_being_written_counts(monkeypatch: pytest.MonkeyPatch) -> None:
    features = np.ones((1000, 100), np.float16)
    store_features("old", features)
    folder = cache_folder() / "features"
    os.utime(folder / "old.npy", (1000, 1000))
    (folder / ".k.npy.abcdefgh.part").write_bytes(bytes(1 << 20))  # of an earlier version
    monkeypatch.setenv("WORDSIGHT_CACHE_GB", "0.0007")
    store_features("new", features)
    assert load_features("old") is not None, "what is removed does not count"
    with atomic_file(folder / "another.npy") as beside:
        beside.write_bytes(bytes(400_000))
        store_features("newer", features)
        assert beside.exists()
    assert sorted(path.name for path in folder.iterdir()) == ["another.npy", "newer.npy"]


def test_features_that_are_not_kept_are_said(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def full(*_: object, **__: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(np, "save", full)
    store_features("k", np.ones((2, 2), np.float16))
    assert "features could not be cached" in (said := capsys.readouterr().err) and "the disk is full" in said


def test_another_value_anywhere_is_another_key() -> None:
    assert key_of(1, {"a": 2, "b": 3}) == key_of(1, {"b": 3, "a": 2})
    assert key_of(1, {"a": 2}) != key_of(1, {"a": 3}) != key_of(2, {"a": 3})


def test_a_bound_that_is_no_number_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WORDSIGHT_CACHE_GB", "20GB")
    with pytest.raises(InputError, match="'20GB' is not a number"):
        store_features("k", np.ones((2, 2), np.float16))
