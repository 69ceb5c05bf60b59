"""Several processes train as one, and stop as one."""

from __future__ import annotations

import dataclasses
import multiprocessing
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import psutil
import pytest
import torch
import torch.distributed as dist
from timm.layers.norm_act import BatchNormAct2d
from torch import nn

from tests.training.tiny_runs import SMALL
from wordsight.errors import said, setting, settings_as_flags
from wordsight.training.data import TrainingData
from wordsight.training.pretrain import train
from wordsight.training.pretrain_settings import OptimizerSettings
from wordsight.training.processes import launch
from wordsight.training.synced_batch_norm import synced

CPU = torch.device("cpu")


def _layer(kind: str) -> nn.Module:
    torch.manual_seed(3)
    layer = {"plain": nn.BatchNorm2d, "with activation": BatchNormAct2d, "dense": nn.BatchNorm1d}[kind](5)
    nn.init.normal_(layer.weight)
    nn.init.normal_(layer.bias)
    return nn.Sequential(layer)


def _images(kind: str) -> torch.Tensor:
    torch.manual_seed(4)
    # Far from zero, where a variance as the difference of two large numbers loses its digits.
    return torch.randn(12, 5) + 300 if kind == "dense" else torch.randn(12, 5, 3, 2) * 2 + 300


# Which of the twelve images each of two processes has.
EVEN = (slice(0, None, 2), slice(1, None, 2))
UNEVEN = (slice(0, 5), slice(5, None))


def _share(rank: int, store: str, kind: str, mine: slice, out: str) -> None:
    """One of two processes: its share of the images through the layer, and what came of it."""
    dist.init_process_group("gloo", init_method=f"file://{store}", rank=rank, world_size=2)
    layer = synced(_layer(kind), CPU).train()
    images = _images(kind)[mine].clone().requires_grad_()
    made = layer(images)
    # Each process's loss is over its own images alone, as in training.
    (made.square() * torch.arange(made.numel()).view_as(made)).sum().backward()
    state = {name: value.clone() for name, value in layer.state_dict().items()}
    grads = {name: value.grad for name, value in layer.named_parameters()}
    torch.save({"made": made.detach(), "images": images.grad, "state": state, "grads": grads}, f"{out}/{rank}.pt")
    dist.destroy_process_group()


@pytest.mark.parametrize("shares", [EVEN, UNEVEN], ids=["even shares", "uneven shares"])
@pytest.mark.parametrize("kind", ["plain", "with activation", "dense"])
def test_synced_batch_norm_is_batch_norm_of_all_images(kind: str, shares: tuple[slice, slice], tmp_path: Path) -> None:
    context = multiprocessing.get_context("fork")
    store = str(tmp_path / "store")
    processes = [
        context.Process(target=_share, args=(rank, store, kind, mine, str(tmp_path)))
        for rank, mine in enumerate(shares)
    ]
    for process in processes:
        process.start()
    for process in processes:
        process.join(60)
        assert process.exitcode == 0
    first, second = (torch.load(tmp_path / f"{rank}.pt", weights_only=True) for rank in (0, 1))
    layer, images = _layer(kind).train(), _images(kind).requires_grad_()
    made = layer(images)
    factors = torch.empty_like(made)
    for mine in shares:
        factors[mine] = torch.arange(made[mine].numel()).view_as(made[mine]).float()
    (made.square() * factors).sum().backward()
    assert images.grad is not None
    for mine, half in zip(shares, (first, second), strict=True):
        torch.testing.assert_close(half["made"], made[mine].detach(), rtol=1e-4, atol=1e-4)
        torch.testing.assert_close(half["images"], images.grad[mine], rtol=1e-3, atol=1e-2)
        for name, value in layer.state_dict().items():
            torch.testing.assert_close(half["state"][name], value, rtol=1e-4, atol=1e-4)
    for name, parameter in layer.named_parameters():
        torch.testing.assert_close(first["grads"][name] + second["grads"][name], parameter.grad, rtol=1e-3, atol=1e-2)


def test_a_converted_layer_keeps_its_activation() -> None:
    layer = synced(_layer("with activation"), CPU).eval()
    assert (layer(-_images("with activation")) >= 0).all()


# Rounding differs from one process to two, and grows with every update: these are small.
GENTLE = dataclasses.replace(SMALL, lr=1e-5, optimizer=OptimizerSettings(name="sgd", clip_norm=0.0))


def test_a_network_with_batch_norm_trains_on_two_processes_as_on_one(data: TrainingData, tmp_path: Path) -> None:
    only_tags = dataclasses.replace(data, fields={"tags": data.fields["tags"]})
    one = train(GENTLE, only_tags, tmp_path / "one")
    two = train(dataclasses.replace(GENTLE, devices=2), only_tags, tmp_path / "two")
    losses = [[line["loss"] for line in run.metrics()] for run in (one, two)]
    np.testing.assert_allclose(losses[0], losses[1], atol=2e-4)
    first, second = one.backbone().state_dict(), two.backbone().state_dict()
    for name in first:
        torch.testing.assert_close(first[name], second[name], rtol=1e-3, atol=2e-4, msg=name)


# Stopped by hand long before its end; every step takes a while, so that a stop falls within one.
_SCRIPT = """
import sys
from pathlib import Path
from wordsight.cli import main

if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
"""


def _begun(data: TrainingData, tmp_path: Path, *more: str) -> subprocess.Popen[bytes]:
    script = tmp_path / "run.py"
    script.write_text(_SCRIPT, "utf-8")
    words = ["pretrain", "--recipe", "tp-postag-resnet18-small", "--corpus", str(data.corpus.path)]
    words += ["--out", str(tmp_path / "r"), "--concepts.size", "60", "--image-size", "32", "--batch-size", "8"]
    words += ["--epochs", "2000", "--device", "cpu", *more]
    with (tmp_path / "said").open("wb") as said:
        return subprocess.Popen(
            [sys.executable, str(script), *words],
            stderr=said,
            stdout=subprocess.DEVNULL,
            start_new_session=True,
            env={**os.environ, "OMP_NUM_THREADS": "1"},
        )


def _stop(process: subprocess.Popen[bytes], tmp_path: Path, send: Callable[[int], Any]) -> str:
    """Wait for the first metrics, stop the run, and see that nothing of it is left."""
    end = time.monotonic() + 300
    metrics = tmp_path / "r" / "metrics.jsonl"
    while not (metrics.is_file() and metrics.stat().st_size) and time.monotonic() < end:
        assert process.poll() is None, (tmp_path / "said").read_text()
        time.sleep(0.2)
    family = psutil.Process(process.pid).children(recursive=True)
    send(process.pid)
    assert process.wait(300) == 143
    assert psutil.wait_procs(family, timeout=60)[1] == []
    return (tmp_path / "said").read_text("utf-8")


@pytest.mark.parametrize("group", [False, True], ids=["to the run", "to its whole group"])
@pytest.mark.parametrize("more", [("--devices", "2", "--workers", "0"), ("--workers", "2")], ids=["two", "loaders"])
def test_a_polite_kill_stops_every_process_and_keeps_a_checkpoint(
    data: TrainingData, tmp_path: Path, more: tuple[str, ...], group: bool
) -> None:
    process = _begun(data, tmp_path, *more)
    send: Callable[[int], Any] = (
        (lambda pid: os.killpg(pid, signal.SIGTERM)) if group else (lambda pid: os.kill(pid, signal.SIGTERM))
    )
    said = _stop(process, tmp_path, send)
    assert (tmp_path / "r" / "checkpoint.safetensors").is_file()
    assert said.count("finishing this step") == 1 and "bug" not in said and "Traceback" not in said


class _Elsewhere:
    """A fabric whose process knows nothing of the one that started it."""

    def launch(self, work: Callable[[Any], None]) -> None:
        with settings_as_flags(False):
            work(self)


def test_a_started_process_names_settings_as_the_one_that_started_it() -> None:
    heard: list[str] = []
    elsewhere: Any = _Elsewhere()
    for flags in (True, False):
        with settings_as_flags(flags):
            launch(elsewhere, lambda fabric: heard.append(said(setting("lr", 0.5))))
    assert heard == ["--lr 0.5", "lr=0.5"]
