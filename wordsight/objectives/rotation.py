"""Rotation (RotNet, Gidaris et al. 2018): by how many quarter turns was the image rotated? Reads no captions.

https://arxiv.org/abs/1803.07728
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

import torch
from torch import Tensor
from torch.nn import functional

from wordsight.batching.batch import Batch, Views
from wordsight.errors import InputError
from wordsight.heads.tag_head import TagHead, TagHeadKind
from wordsight.objectives.objective import Facts, Losses, Objective, Plot
from wordsight.objectives.processes import processes
from wordsight.objectives.seen import Seen
from wordsight.ranges import AtLeastOne, HiddenWidth, check_ranges
from wordsight.vision.backbones import Backbone

TURNS = 4


@dataclass(frozen=True)
class RotationSettings:
    """Values of the rotation objective.

    Args:
        copies: 4 shows every image of a batch in all four rotations, as the paper does: four passes of the backbone an
            image. 1 shows each in one of them, evenly over the batch: one pass, as other objectives have.
        rotation_head: ``linear``, ``mlp`` or ``cnn``, the same as tag prediction's heads.
        rotation_hidden: Width of the head's hidden layers; 0 takes the backbone's.
    """

    copies: AtLeastOne = TURNS
    rotation_head: TagHeadKind = "linear"
    rotation_hidden: HiddenWidth = 0

    def __post_init__(self) -> None:
        check_ranges(self, "objective_settings")
        if self.copies not in (1, TURNS):
            raise InputError(f"copies is {self.copies}", where="objective_settings", expected="1 or 4")


class Rotation(Objective):
    """Four-way softmax over the rotation of each image.

    Args:
        backbone: The backbone.
        facts: Not read.
        settings: Its values.
    """

    divisible = True

    def __init__(self, backbone: Backbone, facts: Facts, settings: RotationSettings) -> None:
        super().__init__(backbone)
        self.copies = settings.copies
        self.head = TagHead(backbone.out_channels, TURNS, settings.rotation_head, settings.rotation_hidden)

    @classmethod
    def plots(cls, settings: RotationSettings) -> Mapping[str, Plot]:
        """Rotation accuracy."""
        return {
            "accuracy": Plot("accuracy", "share", "share of pictures whose rotation is predicted right, in percent")
        }

    def losses(self, seen: Seen, batch: Batch) -> Losses:
        """The mean cross-entropy, and ``accuracy``, the share of rotations that are predicted right."""
        shown, turns_B = rotated(batch, self.copies)
        logits_BR = self.head(seen.grid_of(shown.views[0])).float()
        accuracy = (logits_BR.detach().argmax(1) == turns_B).float().mean()
        return Losses(functional.cross_entropy(logits_BR, turns_B), {"accuracy": accuracy})


def rotated(batch: Batch, copies: int) -> tuple[Batch, Tensor]:
    """A batch's images rotated, and the quarter turns (counter-clockwise) of each, int64 [copies * B].

    With one copy an image's turn follows from its place in the batch of all processes. Places are drawn anew in every
    epoch, so that turns are random, as many of one as of another, and the same however many processes share the batch.

    Args:
        batch: The batch; the first view of its images is rotated.
        copies: 4 for all rotations of each image, 1 for one.
    """
    view = batch.views[0]
    images_BCHW, device = view.images_BCHW, view.images_BCHW.device
    count = len(images_BCHW)
    if copies == TURNS:
        turned = torch.cat([images_BCHW.rot90(turns, (2, 3)) for turns in range(TURNS)])
        turns_B = torch.arange(TURNS, device=device).repeat_interleave(count)
        colours = None if view.colours_BF is None else view.colours_BF.repeat(TURNS, 1)
        shown = Views(turned, view.crop_B4.repeat(TURNS, 1), view.flipped_B.repeat(TURNS), colours)
        return replace(batch, views=(shown,), examples_B=batch.examples_B.repeat(TURNS)), turns_B
    turns_B = _turns_of_places(count).to(device)
    turned = torch.empty_like(images_BCHW)
    for turns in range(TURNS):
        turned[turns_B == turns] = images_BCHW[turns_B == turns].rot90(turns, (2, 3))
    return replace(batch, views=(replace(view, images_BCHW=turned),)), turns_B


def _turns_of_places(count: int) -> Tensor:
    """The turns of this process's places of the batch: a fixed shuffle, so that no process gets one turn alone."""
    rank, world = processes()
    shuffled = torch.randperm(count * world, generator=torch.Generator().manual_seed(0))
    return shuffled[rank::world] % TURNS
