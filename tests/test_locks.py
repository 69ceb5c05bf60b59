"""Who is writing: a lock that dies with its process."""

from __future__ import annotations

import errno
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from wordsight import locks
from wordsight.errors import InputError
from wordsight.locks import let_go, sole_writer, take

HOLD = """
import os, sys, time
from pathlib import Path
from wordsight.locks import sole_writer
with sole_writer(Path(sys.argv[1])):
    if (child := os.fork()) == 0:
        time.sleep(600)  # a loader process that outlives the training
        os._exit(0)
    print(child, flush=True)
    time.sleep(60)
"""


@pytest.fixture
def holder(tmp_path: Path) -> subprocess.Popen[str]:
    here = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[1])}
    command = [sys.executable, "-c", HOLD, str(tmp_path / "run")]
    return subprocess.Popen(command, env=here, stdout=subprocess.PIPE, text=True)


def test_a_second_writer_is_refused_and_a_killed_one_holds_nothing(
    holder: subprocess.Popen[str], tmp_path: Path
) -> None:
    assert holder.stdout is not None
    child = int(holder.stdout.readline())
    try:
        refused = pytest.raises(InputError, match=rf"is being written by another wordsight \(process {holder.pid} on")
        with refused, sole_writer(tmp_path / "run"):
            pytest.fail("two writers")
        holder.kill()
        holder.wait()
        os.kill(child, 0)
        with sole_writer(tmp_path / "run"):
            pass
    finally:
        os.kill(child, signal.SIGKILL)
        holder.kill()
        holder.communicate()
    assert list(tmp_path.iterdir()) == []


def test_a_lock_is_refused_under_another_name_of_the_same_folder(tmp_path: Path) -> None:
    (tmp_path / "a").mkdir()
    (tmp_path / "latest").symlink_to("a")
    refused = pytest.raises(InputError, match="another wordsight")
    with sole_writer(tmp_path / "a"), refused, sole_writer(tmp_path / "latest"):
        pytest.fail("two writers")


def test_a_lock_that_its_holder_removed_is_not_taken_for_the_new_one(tmp_path: Path) -> None:
    place = tmp_path / ".run.lock"
    first = take(place, make=True)
    assert first is not None
    place.unlink()
    second = take(place, make=True)
    assert second is not None and take(place) is None
    let_go(first)
    assert take(place) is None
    let_go(second)


def test_a_lock_that_goes_away_while_it_is_taken_is_not_had(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its holder ends between the two moments in which another one opens the file and locks it."""
    place, lock = tmp_path / ".run.lock", locks._lock

    def removed(descriptor: int) -> bool:
        place.unlink()
        return lock(descriptor)

    monkeypatch.setattr(locks, "_lock", removed)
    assert take(place, make=True) is None
    monkeypatch.undo()
    with sole_writer(tmp_path / "run"):
        assert place.exists()


def test_a_lock_ends_with_an_error(tmp_path: Path) -> None:
    for _ in range(2):
        with pytest.raises(RuntimeError), sole_writer(tmp_path / "run"):
            raise RuntimeError
    assert list(tmp_path.iterdir()) == []


def test_a_full_disk_leaves_no_lock(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "write", full)
    with sole_writer(tmp_path / "run"):
        assert (tmp_path / ".run.lock").exists()
    assert list(tmp_path.iterdir()) == []
