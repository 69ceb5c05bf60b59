"""Where to compute and in what precision is decided in one place."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
import torch

import wordsight
from wordsight import device
from wordsight.errors import InputError

CPU = torch.device("cpu")


def test_a_device_that_is_not_there_is_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    assert device.chosen_device("auto") == device.chosen_device("cpu") == CPU
    with pytest.raises(InputError, match="device=.cuda.: no CUDA device found"):
        device.chosen_device("cuda")
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    assert device.chosen_device("auto") == device.chosen_device("cuda") == torch.device("cuda")
    assert device.chosen_device("cpu") == CPU


@pytest.mark.parametrize("precision", [torch.bfloat16, torch.float32])
def test_autocast_is_in_the_precision_that_is_asked_for_or_pays(
    precision: torch.dtype, monkeypatch: pytest.MonkeyPatch
) -> None:
    rows = torch.ones(2, 2)
    with device.autocast(CPU, precision):
        assert (rows @ rows).dtype == precision
    monkeypatch.setattr(device, "precision_on", lambda where: precision)
    with device.autocast(CPU):
        assert (rows @ rows).dtype == precision
    assert (rows @ rows).dtype == torch.float32


def test_nothing_else_chooses_a_device_or_a_precision() -> None:
    house = Path(wordsight.__file__).parent
    own = re.compile(r"torch\.autocast\(|cuda\.is_available\(|cuda\.is_bf16_supported\(|cpu_count\(")
    found = {file.relative_to(house).as_posix() for file in house.rglob("*.py") if own.search(file.read_text("utf-8"))}
    assert found == {"device.py", "parallel.py"}
