"""Optimisers and the learning-rate schedule."""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import Any

import torch
from torch import nn

from wordsight.objectives.objective import Objective
from wordsight.training.pretrain_settings import OptimizerSettings
from wordsight.training.sparse_optimizers import RowAdamW, RowSGD


def build_optimizer(objective: Objective, settings: OptimizerSettings, lr: float) -> torch.optim.Optimizer:
    """AdamW or SGD over backbone and heads, with decay on matrices and filters alone; tables row by row.

    Args:
        objective: What is trained; frozen parameters are left out.
        settings: Kind and values.
        lr: Peak learning rate of the backbone.
    """
    backbone = _split_decay(objective.backbone.named_parameters(), settings.weight_decay)
    heads = _split_decay(objective.head_parameters(), settings.weight_decay)
    groups = [
        {**group, "rate": rate} for rate, part in ((1.0, backbone), (settings.heads_rate, heads)) for group in part
    ]
    if settings.name == "sgd":
        return RowSGD(groups, lr=lr, momentum=settings.momentum, nesterov=settings.momentum > 0)
    return RowAdamW(groups, lr=lr, betas=(settings.momentum, settings.beta2), fused=True)


def _split_decay(parameters: Iterable[tuple[str, nn.Parameter]], weight_decay: float) -> list[dict[str, Any]]:
    # Biases, norms and other vectors have no scale to be decayed (Goyal et al. 2017, Section 5.3).
    decayed: list[nn.Parameter] = []
    plain: list[nn.Parameter] = []
    for _, parameter in parameters:
        if parameter.requires_grad:
            (decayed if parameter.ndim > 1 else plain).append(parameter)
    groups = [{"params": decayed, "weight_decay": weight_decay}, {"params": plain, "weight_decay": 0.0}]
    return [group for group in groups if group["params"]]


def rate_at(step: int, steps: int, settings: OptimizerSettings) -> float:
    """Share of the peak learning rate in a step: a linear rise, then half a cosine or steps down.

    Args:
        step: Number of the step, from 0.
        steps: All steps of the run.
        settings: Warm-up and what follows it.
    """
    warmup = round(settings.warmup_share * steps)
    if step < warmup:
        return (step + 1) / warmup
    if settings.schedule == "steps":
        return float(0.1 ** (step // max(1, round(settings.step_share * steps))))
    progress = (step - warmup) / max(1, steps - warmup)
    return settings.final_share + (1 - settings.final_share) * 0.5 * (1 + math.cos(math.pi * progress))


def set_rate(optimizer: torch.optim.Optimizer, lr: float) -> None:
    """Give every group the learning rate of the step, times the group's own multiple."""
    for group in optimizer.param_groups:
        group["lr"] = lr * group["rate"]
