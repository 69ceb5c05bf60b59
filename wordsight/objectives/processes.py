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


def global_mean_scale(count: int | Tensor, device: torch.device) -> Tensor | float:
    """Factor that turns the mean over processes into the mean over all items.

    Gradients are averaged over processes. With n_r items in process r of R, weighting its mean by R n_r / sum n makes
    the average the mean over all items. One process has a factor of one.

    Args:
        count: Items in this process.
        device: Where to count.
    """
    if processes()[1] == 1:
        return 1.0
    total = torch.as_tensor(count, dtype=torch.float32, device=device).clone()
    dist.all_reduce(total)
    return count * dist.get_world_size() / total.clamp_min(1)
