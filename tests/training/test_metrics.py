"""What a run measures as it goes."""

from __future__ import annotations

import errno
from pathlib import Path

import pytest
import torch

from wordsight.errors import InputError
from wordsight.training.metrics import MetricsLog, read_metrics


def measure(folder: Path, step: int = 0) -> None:
    log = MetricsLog(folder, step)
    log.add({"loss": torch.tensor(1.0)})
    log.write(step=step + 1)
    log.close()


def test_a_run_that_begins_anew_has_no_curves_of_the_one_that_was_killed(tmp_path: Path) -> None:
    (tmp_path / "tensorboard").mkdir()
    (tmp_path / "tensorboard" / "events.out.tfevents.1.host.2.0").touch()
    measure(tmp_path)
    measure(tmp_path, step=1)
    assert len(list((tmp_path / "tensorboard").iterdir())) == 2
    assert [line["step"] for line in read_metrics(tmp_path / "metrics.jsonl")] == [1, 2]


@pytest.mark.parametrize("what", ["metrics.jsonl", "tensorboard"])
def test_a_full_disk_is_one_line(what: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    log = MetricsLog(tmp_path)

    def full(*_: object, **__: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    if what == "tensorboard":
        monkeypatch.setattr(log._board, "add_scalar", full)
    else:
        monkeypatch.setattr(Path, "open", full)
    with pytest.raises(InputError, match=f"{what}: the disk is full"):
        log.write(step=1, lr=0.1)


def test_a_last_line_that_a_kill_cut_short_is_left_out(tmp_path: Path) -> None:
    file = tmp_path / "metrics.jsonl"
    assert read_metrics(file) == []
    file.write_bytes(b'{"step": 1, "loss": 2.5}\n\n{"step": 2, "loss": NaN}\n{"step": 3, "lo')
    assert [line["step"] for line in read_metrics(file)] == [1, 2]
    log = MetricsLog(tmp_path, step=1)
    log.add({"loss": torch.tensor(2.0)})
    log.write(step=2)
    log.close()
    assert read_metrics(file) == [{"step": 1, "loss": 2.5}, {"step": 2, "loss": 2.0}]


@pytest.mark.parametrize(
    "line",
    [
        b"\xff",
        b"[1, 2]",
        b"7",
        b'{"loss": 2.5}',
        b'{"step": "1"}',
        b'{"step": 1, "loss": null}',
        b'{"step": 1, "loss": [2.5]}',
        b'{"step": 1, "loss": true}',
        b'{"step": 1' + b"0" * 400 + b"}",
        b"[" * 100_000,
        b'{"step": 1, "lo',
    ],
)
def test_a_damaged_line_is_named_by_its_number(line: bytes, tmp_path: Path) -> None:
    file = tmp_path / "metrics.jsonl"
    file.write_bytes(b'{"step": 1, "loss": 2.5}\n' + line + b'\n{"step": 3, "loss": 2.5}\n')
    with pytest.raises(InputError, match=r"metrics.jsonl, line 2 is damaged; expected an object of numbers") as error:
        read_metrics(file)
    assert len(str(error.value)) < 500


def test_a_folder_in_the_place_of_metrics_is_said(tmp_path: Path) -> None:
    (tmp_path / "metrics.jsonl").mkdir()
    with pytest.raises(InputError, match=r"metrics.jsonl can't be read \(Is a directory\)"):
        read_metrics(tmp_path / "metrics.jsonl")
