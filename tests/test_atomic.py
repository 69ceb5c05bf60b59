"""Files and folders appear whole or not at all."""

from __future__ import annotations

import errno
import json
import os
import shutil
import signal
import stat
from pathlib import Path

import pytest

from wordsight import atomic
from wordsight.atomic import atomic_file, atomic_folder, remove_folder, write_json, write_text
from wordsight.errors import InputError


def names(folder: Path) -> list[str]:
    return sorted(entry.name for entry in folder.iterdir())


def test_a_file_that_fails_half_way_leaves_the_old_one(tmp_path: Path) -> None:
    target = tmp_path / "result.json"
    target.write_text("old")

    def write_half() -> None:
        with atomic_file(target) as beside:
            beside.write_text("half")
            raise RuntimeError

    with pytest.raises(RuntimeError):
        write_half()
    assert target.read_text() == "old" and names(tmp_path) == ["result.json"]


def test_a_file_where_a_folder_belongs_is_one_line(tmp_path: Path) -> None:
    (tmp_path / "results").write_text("a person's own")
    with pytest.raises(InputError, match="can't be written"), atomic_file(tmp_path / "results" / "a" / "knn.json"):
        pytest.fail("there is no such folder")
    assert (tmp_path / "results").read_text() == "a person's own"


@pytest.mark.skipif(not Path("/proc/self").is_dir(), reason="needs a folder in which the system lets nobody make one")
def test_a_folder_that_can_t_be_made_is_one_line() -> None:
    with pytest.raises(InputError, match="can't be made; expected a folder that you may write to"):
        write_text(Path("/proc/nowhere/x.json"), "{}")


@pytest.mark.parametrize("exchange", [True, False])
def test_a_folder_is_replaced_whole(tmp_path: Path, exchange: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    if not exchange:
        monkeypatch.setattr(atomic, "_exchange", lambda first, second: False)
    target = tmp_path / "corpus"
    for content in ("old", "new"):
        with atomic_folder(target, overwrite=True) as beside:
            (beside / "corpus.json").write_text(content)
    assert (target / "corpus.json").read_text() == "new" and names(tmp_path) == ["corpus"]


def test_an_existing_folder_is_refused_before_anything_is_written(tmp_path: Path) -> None:
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / "config.yaml").write_text("")
    with pytest.raises(InputError, match="exists already"), atomic_folder(tmp_path / "run"):
        pytest.fail("the folder must be refused at the door")


def test_what_a_killed_process_left_is_swept(tmp_path: Path) -> None:
    left = tmp_path / ".corpus.999999999.abc.part"
    left.mkdir()
    with atomic_folder(tmp_path / "corpus") as beside:
        (beside / "corpus.json").write_text("")
    assert names(tmp_path) == ["corpus"]


def test_an_old_folder_that_stepped_aside_comes_back_after_a_kill(tmp_path: Path) -> None:
    aside = tmp_path / ".corpus.abc.old"
    aside.mkdir()
    (aside / "corpus.json").write_text("old")
    with pytest.raises(RuntimeError), atomic_folder(tmp_path / "corpus", overwrite=True):
        raise RuntimeError
    assert (tmp_path / "corpus" / "corpus.json").read_text() == "old"


def test_a_full_disk_is_one_clear_line(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="the disk is full"), atomic_file(tmp_path / "result.json"):
        raise OSError(errno.ENOSPC, "No space left on device")
    assert names(tmp_path) == []


@pytest.mark.parametrize("mask", [0o002, 0o022, 0o077])
def test_modes_follow_the_umask(tmp_path: Path, mask: int) -> None:
    before = os.umask(mask)
    try:
        with atomic_file(tmp_path / "weights") as beside:
            beside.touch(mode=0o600)  # as libraries do that write to a private file first
        with atomic_folder(tmp_path / "corpus") as folder:
            (folder / "inner").mkdir(mode=0o700)
            (folder / "inner" / "file").touch(mode=0o600)
    finally:
        os.umask(before)
    modes = {path.name: stat.S_IMODE(path.stat().st_mode) for path in tmp_path.rglob("*")}
    file, folder_ = 0o666 & ~mask, 0o777 & ~mask
    assert modes == {"weights": file, "corpus": folder_, "inner": folder_, "file": file}


def test_a_killed_writer_leaves_nothing_for_good(tmp_path: Path) -> None:
    """Also what a library put beside the file that it was to write, as safetensors does."""
    target = tmp_path / "checkpoint.safetensors"
    if (child := os.fork()) == 0:
        with atomic_file(target) as beside:
            beside.write_bytes(b"half")
            beside.with_name(".tmpAbCdEf").write_bytes(b"half")
            os.kill(os.getpid(), signal.SIGKILL)
    os.waitpid(child, 0)
    assert len(names(tmp_path)) == 1
    write_text(target, "whole")
    assert names(tmp_path) == ["checkpoint.safetensors"]


def test_what_a_living_process_writes_stays(tmp_path: Path) -> None:
    target = tmp_path / "knn.json"
    with atomic_file(target) as first:
        first.write_text("first")
        write_text(target, "second")
        assert first.exists() and target.read_text() == "second"
    assert target.read_text() == "first" and names(tmp_path) == ["knn.json"]


def test_what_another_machine_writes_stays_for_a_day(tmp_path: Path) -> None:
    part = tmp_path / ".knn.json.another-host.0123abcd.part"
    part.mkdir()
    write_text(tmp_path / "knn.json", "")
    assert part.exists()
    os.utime(part, (0, 0))
    write_text(tmp_path / "knn.json", "")
    assert not part.exists()


def test_a_folder_that_appeared_meanwhile_is_not_replaced(tmp_path: Path) -> None:
    target = tmp_path / "corpus"

    def build() -> None:
        with atomic_folder(target) as beside:
            (beside / "corpus.json").write_text("mine")
            target.mkdir()
            (target / "corpus.json").write_text("another's")

    with pytest.raises(InputError, match="exists already"):
        build()
    assert (target / "corpus.json").read_text() == "another's" and names(tmp_path) == ["corpus"]


def test_a_folder_that_appears_at_the_last_moment_is_not_replaced(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    target = tmp_path / "corpus"

    def passed(target: Path, **_: object) -> None:
        target.mkdir(exist_ok=True)
        (target / "corpus.json").write_text("another's")

    def build() -> None:
        with atomic_folder(target) as beside:
            (beside / "corpus.json").write_text("mine")
            monkeypatch.setattr(atomic, "refuse_existing", passed)

    with pytest.raises(InputError, match="was made by another process"):
        build()
    assert (target / "corpus.json").read_text() == "another's"


def test_a_folder_of_something_else_is_never_replaced(tmp_path: Path) -> None:
    target = tmp_path / "thesis"

    def build() -> None:
        with atomic_folder(target, overwrite=True, holds="corpus.json"):
            target.mkdir()
            (target / "thesis.tex").write_text("years of work")

    with pytest.raises(InputError, match="holds something else"):
        build()
    assert names(target) == ["thesis.tex"]


@pytest.mark.parametrize(
    "error",
    [
        OSError(errno.ENOSPC, "No space left on device"),
        Exception("Error while serializing: I/O error: No space left on device (os error 28)"),  # safetensors
        OSError("100000 requested and 8176 written"),  # numpy
    ],
)
def test_a_full_disk_is_one_clear_line_whoever_tells(tmp_path: Path, error: Exception) -> None:
    with pytest.raises(InputError, match=r"result\.json: the disk is full"), atomic_file(tmp_path / "result.json"):
        raise error
    assert names(tmp_path) == []


def test_a_full_disk_within_a_folder_is_told_of_the_folder_that_a_person_knows(tmp_path: Path) -> None:
    def build() -> None:
        with atomic_folder(tmp_path / "model") as beside, atomic_file(beside / "language.json"):
            raise OSError(errno.ENOSPC, "No space left on device")

    with pytest.raises(InputError, match=r"^[^ ]*/model/language\.json: the disk is full"):
        build()


def test_a_folder_that_is_removed_goes_at_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """rmtree that is killed on the way leaves half a run, which nothing goes on with."""
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / "config.yaml").touch()

    def killed(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(shutil, "rmtree", killed)
    with pytest.raises(KeyboardInterrupt):
        remove_folder(tmp_path / "run")
    monkeypatch.undo()
    assert not (tmp_path / "run").exists()
    write_text(tmp_path / "run" / "config.yaml", "new")


def test_json_keeps_paths_whose_bytes_are_not_utf8(tmp_path: Path) -> None:
    content = {"corpus": "caf\udce9/é", "count": 1}
    write_json(tmp_path / "a.json", content)
    assert json.loads((tmp_path / "a.json").read_text("utf-8")) == content
    assert "é" in (tmp_path / "a.json").read_text("utf-8")
