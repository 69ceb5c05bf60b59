"""A disk that is full, or that lets nobody in, is one line wherever it is met."""

from __future__ import annotations

import errno
import threading

import pytest

from wordsight import cli
from wordsight.cli.verb import Verb


@pytest.mark.parametrize(
    ("error", "line"),
    [
        (OSError(errno.ENOSPC, "No space left on device", "runs/log"), "runs/log: the disk is full; free some space"),
        (PermissionError(errno.EACCES, "Permission denied", "secret"), "secret: Permission denied; expected a file"),
        (OSError(errno.EMFILE, "Too many open files"), "too many files are open; raise the limit"),
    ],
)
def test_what_the_system_refuses_is_one_line(
    error: OSError, line: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def refused(values: object) -> None:
        raise error

    monkeypatch.setitem(cli.VERBS, "compare", Verb("", "", list, refused))
    assert cli.main(["compare"]) == 2
    assert line in capsys.readouterr().err


def test_a_full_disk_in_a_library_s_thread_is_told_once(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(threading, "excepthook", cli._in_thread)

    def write() -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    def fail() -> None:
        raise RuntimeError("a bug")

    for target in (write, fail):
        thread = threading.Thread(target=target)
        thread.start()
        thread.join()
    said = capsys.readouterr().err
    assert "No space left" not in said and "a bug" in said
