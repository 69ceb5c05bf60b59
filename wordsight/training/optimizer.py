"""The optimiser of a run."""

from __future__ import annotations

import torch

from wordsight.objectives.objective import Objective
from wordsight.optim import decay_groups
from wordsight.training.pretrain_settings import OptimizerSettings
from wordsight.training.sparse_optimizers import RowAdamW, RowSGD


def build_optimizer(objective: Objective, settings: OptimizerSettings, lr: float) -> torch.optim.Optimizer:
    """AdamW or SGD over backbone and heads, with decay on matrices and filters alone; tables row by row.

    Args:
        objective: What is trained; frozen parameters are left out.
        settings: Kind and values.
        lr: Peak learning rate of the backbone.
    """
    heads = (parameter for _, parameter in objective.head_parameters())
    groups = [
        *decay_groups(objective.backbone.parameters(), settings.weight_decay),
        *decay_groups(heads, settings.weight_decay, settings.heads_rate),
    ]
    if settings.name == "sgd":
        return RowSGD(groups, lr=lr, momentum=settings.momentum, nesterov=settings.momentum > 0)
    return RowAdamW(groups, lr=lr, betas=(settings.momentum, settings.beta2), fused=True)
