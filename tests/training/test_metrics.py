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
