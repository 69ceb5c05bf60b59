"""What tests of objectives on two views share: small objectives on images alone."""

from __future__ import annotations

import torch
import torch.distributed as dist

from tests.objectives.towers import Flat, step
from wordsight.batching.batch import Batch
from wordsight.objectives import Facts, Objective, build_objective
from wordsight.training.synced_batch_norm import synced
from wordsight.vision.backbones import Backbone

# Images 0 and 3 of the step are one example.
EXAMPLES = [3, 9, 4, 3, 8, 1]


def small(objective: str, **values: object) -> Objective:
    """A small objective on images alone, the same weights each time; its batch norm is that of all processes."""
    torch.manual_seed(0)
    built = build_objective(objective, values, Backbone(Flat(), {"grid": ""}, 6), Facts())
    return synced(built, torch.device("cpu")) if dist.is_initialized() else built


def two_views(rank: int = 0, world: int = 1) -> Batch:
    """Two views of six images."""
    return step(EXAMPLES, [[1]] * len(EXAMPLES), rank, world, views=2)
