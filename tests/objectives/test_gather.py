"""Rows gathered from several processes: a loss over all pairs of a step has the gradients of one process."""

from __future__ import annotations

import multiprocessing
from pathlib import Path

import pytest
import torch
import torch.distributed as dist
from torch import Tensor, nn

from wordsight.objectives.gather import gathered

# Seven rows: the first process has one more than the second.
INPUTS = torch.randn(7, 4, generator=torch.Generator().manual_seed(1))


def _loss(rows_BD: Tensor, scale: Tensor) -> Tensor:
    """Every row against every other: what no process could compute from its own."""
    return nn.functional.cross_entropy(scale * rows_BD @ rows_BD.T.roll(1, 0), torch.arange(len(rows_BD)))


def _model() -> tuple[nn.Linear, nn.Parameter]:
    torch.manual_seed(0)
    return nn.Linear(4, 3), nn.Parameter(torch.tensor(2.0))


def _one_of_two(rank: int, store: str, out: str) -> None:
    dist.init_process_group("gloo", init_method=f"file://{store}", rank=rank, world_size=2)
    linear, scale = _model()
    whole = gathered(linear(INPUTS[rank::2]))
    loss = _loss(whole, scale)
    loss.backward()
    grads = [parameter.grad for parameter in (*linear.parameters(), scale)]
    for grad in grads:
        # As gradients are averaged in training.
        assert grad is not None
        dist.all_reduce(grad)
        grad /= 2
    torch.save({"rows": whole.detach(), "loss": loss.detach(), "grads": grads}, f"{out}/{rank}.pt")
    dist.destroy_process_group()


def test_two_processes_have_the_rows_loss_and_gradients_of_one(tmp_path: Path) -> None:
    linear, scale = _model()
    rows = gathered(linear(INPUTS))
    loss = _loss(rows, scale)
    loss.backward()
    context = multiprocessing.get_context("spawn")
    workers = [
        context.Process(target=_one_of_two, args=(rank, str(tmp_path / "store"), str(tmp_path))) for rank in (0, 1)
    ]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join(120)
        assert worker.exitcode == 0
    for rank in (0, 1):
        found = torch.load(tmp_path / f"{rank}.pt", weights_only=True)
        assert torch.allclose(found["rows"], rows.detach()), "in the order of the step"
        assert float(found["loss"]) == pytest.approx(float(loss.detach()), rel=1e-6)
        for mine, whole in zip(found["grads"], (*linear.parameters(), scale), strict=True):
            assert whole.grad is not None and torch.allclose(mine, whole.grad, atol=1e-6)
