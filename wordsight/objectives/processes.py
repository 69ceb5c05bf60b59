"""What an objective does across the processes that train together."""

from __future__ import annotations

import torch
import torch.distributed as dist
from torch import Tensor


def processes() -> tuple[int, int]:
    """The number of this process, and how many there are."""
    if not (dist.is_available() and dist.is_initialized()):
        return 0, 1
    return dist.get_rank(), dist.get_world_size()


def global_mean_scale(count: int | Tensor, device: torch.device, mean_count: Tensor | None = None) -> Tensor | float:
    """Factor that turns the mean over processes, and over pieces of a batch, into the mean over all items.

    Gradients are averaged over processes. With n_r items in process r of R, weighting its mean by R n_r / sum n makes
    the average the mean over all items; where each process goes through its batch in pieces, n_r of the sum is the
    mean over its pieces. One process with a whole batch has a factor of one.

    Args:
        count: Items in this process's batch or piece of it.
        device: Where to count.
        mean_count: Of a piece, how many items a piece of this process has on average; None for a whole batch.
    """
    _, world = processes()
    if world == 1 and mean_count is None:
        return 1.0
    total = torch.as_tensor(count if mean_count is None else mean_count, dtype=torch.float32, device=device).clone()
    if world > 1:
        dist.all_reduce(total)
    # Where there is nothing in any piece, there is nothing in this one; a mean may be less than one.
    return count * world / (total.clamp_min(1) if mean_count is None else total.clamp_min(torch.finfo().eps))
