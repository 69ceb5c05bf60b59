"""Files and folders appear whole or not at all."""

from __future__ import annotations

import errno
from pathlib import Path

import pytest

from wordsight import atomic
from wordsight.atomic import atomic_file, atomic_folder, write_text
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
