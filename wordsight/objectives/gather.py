"""What processes that train together have, in all of them, with gradients: losses over pairs need the whole step."""

from __future__ import annotations

import torch
import torch.distributed as dist
from torch import Tensor
from torch.autograd.function import once_differentiable

from wordsight.objectives.processes import processes


def gathered(mine: Tensor) -> Tensor:
    """The rows of all processes, in the order of the step; of one process its own.

    Processes take turns in a step's examples (the first process has examples 0, R, 2R, ...), and one may have a row
    more than another. A gradient goes back to the process that the row came from. There it is added up over processes:
    where each computes the whole step's loss and gradients are then averaged, they are those of one process.

    Args:
        mine: This process's rows, ``[B_r, ...]``; all but the first size are the same everywhere.

    Returns:
        ``[B, ...]``, the same in all processes.
    """
    if processes()[1] == 1:
        return mine
    found: Tensor = _Gather.apply(mine)
    return found


def summed(mine: Tensor) -> Tensor:
    """The sum of what each process has computed of a loss; of one process its own.

    The value is the same in all processes. The gradient goes back to this process's share alone, times the number of
    processes: where gradients are averaged over processes then, they are those of one process.

    Args:
        mine: This process's share.
    """
    if processes()[1] == 1:
        return mine
    found: Tensor = _Sum.apply(mine)
    return found


class _Sum(torch.autograd.Function):
    """The sum over processes, each of which goes on with its own share."""

    @staticmethod
    def forward(ctx: torch.autograd.function.FunctionCtx, mine: Tensor) -> Tensor:
        total = mine.clone()
        dist.all_reduce(total)
        return total

    @staticmethod
    @once_differentiable
    def backward(ctx: torch.autograd.function.FunctionCtx, total: Tensor) -> Tensor:
        return total * processes()[1]


class _Gather(torch.autograd.Function):
    """Rows of all processes, dealt in turns."""

    @staticmethod
    def forward(ctx: torch.autograd.function.FunctionCtx, mine: Tensor) -> Tensor:
        rank, world = processes()
        counts = torch.zeros(world, dtype=torch.int64, device=mine.device)
        counts[rank] = len(mine)
        dist.all_reduce(counts)
        most = int(counts.max())
        padded = torch.cat([mine, mine.new_zeros(most - len(mine), *mine.shape[1:])])
        parts = [torch.empty_like(padded) for _ in range(world)]
        dist.all_gather(parts, padded.contiguous())
        whole = mine.new_empty(int(counts.sum()), *mine.shape[1:])
        for place, part in enumerate(parts):
            whole[place::world] = part[: int(counts[place])]
        return whole

    @staticmethod
    @once_differentiable
    def backward(ctx: torch.autograd.function.FunctionCtx, whole: Tensor) -> Tensor:
        summed = whole.contiguous().clone()
        dist.all_reduce(summed)
        rank, world = processes()
        return summed[rank::world]
