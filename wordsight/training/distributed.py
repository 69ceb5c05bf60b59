"""The processes of a run: how many and where, and what they do together."""

from __future__ import annotations

import logging
import os

import torch
from lightning.fabric import Fabric
from torch import Tensor

from wordsight.device import chosen_device, chosen_precision
from wordsight.parallel import cores
from wordsight.training.pretrain_settings import PretrainSettings


def build_fabric(settings: PretrainSettings) -> Fabric:
    """Device, precision and processes of a run.

    Args:
        settings: The run's settings.

    Raises:
        InputError: When there is no such device.
    """
    device = chosen_device(settings.device)
    precision = chosen_precision(settings.precision, device)
    # It announces its precision on standard error, which the recipe says already.
    for room in ("lightning.fabric", "lightning.pytorch"):
        logging.getLogger(room).setLevel(logging.WARNING)
    # Under torchrun the processes are there already; otherwise they are spawned from this one.
    several = "ddp" if "TORCHELASTIC_RUN_ID" in os.environ else "ddp_spawn"
    return Fabric(
        accelerator=device.type,
        devices=settings.devices,
        strategy=several if settings.devices > 1 else "auto",
        precision="bf16-mixed" if precision == torch.bfloat16 else "32-true",
    )


def loader_processes(settings: PretrainSettings, fabric: Fabric) -> int:
    """Loader processes of each process of a run.

    Args:
        settings: The run's settings.
        fabric: Its device and processes.
    """
    if settings.workers >= 0:
        return settings.workers
    # On the CPU the backbone wants the cores: one process decodes ahead. A GPU wants to be fed.
    return 1 if fabric.device.type == "cpu" else max(1, min(12, cores() - 1) // fabric.world_size)


def agree(fabric: Fabric, *wishes: bool) -> list[bool]:
    """What any process wishes, all do: clocks and signals differ, and a step that not all make would never end.

    Args:
        fabric: The processes, all of which have to call this.
        wishes: What this process would do.
    """
    if fabric.world_size == 1:
        return list(wishes)
    flags = torch.tensor([float(wish) for wish in wishes], device=fabric.device)
    torch.distributed.all_reduce(flags, torch.distributed.ReduceOp.MAX)
    return [bool(flag) for flag in flags.tolist()]


def mean_over_processes(fabric: Fabric, losses: dict[str, Tensor]) -> dict[str, Tensor]:
    """The mean of each loss over all processes, each of which has seen its part of the step's images.

    Args:
        fabric: The processes, all of which have to call this.
        losses: Scalars by name, the same names in every process.
    """
    if fabric.world_size == 1:
        return losses
    stacked = torch.stack([value.detach().float() for value in losses.values()])
    mean = fabric.all_reduce(stacked, reduce_op="mean")
    assert isinstance(mean, Tensor)
    return dict(zip(losses, mean, strict=True))
