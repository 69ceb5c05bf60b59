"""A look at all training images between two epochs: what objectives that make their own labels learn from."""

from __future__ import annotations

from collections.abc import Callable
from typing import cast

import numpy as np
import torch
import torch.distributed as dist
from lightning.fabric import Fabric
from numpy.typing import NDArray
from torch import Tensor
from torch.utils.data import DataLoader, Dataset

from wordsight.corpus.store import Corpus
from wordsight.objectives import EpochFeatures
from wordsight.progress import track
from wordsight.training.processes import deaf
from wordsight.vision.backbones import Backbone
from wordsight.vision.modes import evaluating
from wordsight.vision.views import eval_view, stack

# Images that go through the backbone together: always the same ones, whoever computes them, for the same features.
_TOGETHER = 64


class PlainViews(Dataset[Tensor]):
    """The plain view of every example, some together: item k is uint8 [B, 3, size, size].

    Args:
        corpus: The images.
        examples: Which of them, in order.
        size: Side of the view in pixels.
    """

    def __init__(self, corpus: Corpus, examples: NDArray[np.int64], size: int) -> None:
        self.corpus, self.examples, self.size = corpus, examples, size

    def __len__(self) -> int:
        return -(-len(self.examples) // _TOGETHER)

    def __getitem__(self, k: int) -> Tensor:
        examples = self.examples[k * _TOGETHER : (k + 1) * _TOGETHER]
        return stack([eval_view(self.corpus.image_bytes(int(example)), self.size) for example in examples])


def look_at_all(
    fabric: Fabric, backbone: Backbone, views: PlainViews, workers: int, go_on: Callable[[], None]
) -> EpochFeatures:
    """Pooled features of all examples, each process computing its share; all processes get all.

    Args:
        fabric: Device, precision and processes.
        backbone: The backbone; it is left in the mode that it was found in.
        views: The examples' views.
        workers: Loader processes.
        go_on: Called after every round; may raise to stop.
    """
    rank, world, device = fabric.global_rank, fabric.world_size, fabric.device
    share = range(rank, len(views), world)
    loader = DataLoader(views, batch_size=None, sampler=share, num_workers=workers, worker_init_fn=deaf)
    shares = iter(loader)
    found_nC = torch.zeros(len(views.examples), backbone.out_channels)
    # Autocast keeps half-precision copies of weights until its end: it must not outlive the next update.
    with evaluating(backbone), torch.no_grad(), fabric.autocast():
        for first in track(range(0, len(views), world), "looking at all images"):
            own = cast(Tensor, next(shares)) if first + rank < len(views) else None
            round_nC = torch.zeros(world * _TOGETHER, backbone.out_channels, device=device)
            if own is not None:
                grid_BCHW = backbone(backbone.prepare(own.to(device, non_blocking=True)))
                place = rank * _TOGETHER
                round_nC[place : place + len(own)] = grid_BCHW.float().mean((2, 3))
            if world > 1:
                # One process's features and the others' zeros: the sum is exact.
                dist.all_reduce(round_nC)
            start = first * _TOGETHER
            rows = found_nC[start : start + len(round_nC)]
            rows.copy_(round_nC[: len(rows)])
            go_on()
    return EpochFeatures(torch.from_numpy(views.examples.astype(np.int64)), found_nC)
