"""Linear classifiers on the grids of a frozen backbone's layers, pooled to few enough numbers."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from wordsight.device import autocast
from wordsight.vision.backbones import Backbone


def window(side: int, channels: int, numbers: int) -> int:
    """Side of the window by which a grid is average-pooled: the smallest that leaves at most so many numbers.

    With 9,216 numbers and views of 224 pixels that is 3 for conv11 to conv13 of VGG16 (4 x 4 x 512) and 6 for conv8 to
    conv10, as DeeperCluster has it; 6, 4 and 3 for res3, res4 and res5 of ResNet-50.

    Args:
        side: Cells of the grid on its shorter side.
        channels: Channels of the grid.
        numbers: What is to be left at most; the mean over the whole grid where its channels alone are more.
    """
    fitting = [k for k in range(1, side + 1) if channels * (side // k) ** 2 <= numbers]
    return fitting[0] if fitting else side


class Head(nn.Module):
    """A linear classifier on a pooled grid.

    Args:
        grid_BCHW: A grid of the shape that it will read.
        classes: Number of classes.
        numbers: How many numbers it reads at most.
        batch_norm: Whether batch norm, without scale and shift, stands before it.

    Attributes:
        features: How many numbers it reads.
    """

    def __init__(self, grid_BCHW: Tensor, classes: int, *, numbers: int, batch_norm: bool) -> None:
        super().__init__()
        channels, side = grid_BCHW.shape[1], min(grid_BCHW.shape[-2:])
        self.pool = nn.AvgPool2d(window(side, channels, numbers))
        self.features = self.pool(grid_BCHW[:1]).numel()
        self.norm = nn.BatchNorm1d(self.features, affine=False) if batch_norm else nn.Identity()
        self.linear = nn.Linear(self.features, classes)

    def forward(self, grid_BCHW: Tensor) -> Tensor:
        scores_BK: Tensor = self.linear(self.norm(self.pool(grid_BCHW.float()).flatten(1)))
        return scores_BK


class Grids:
    """The grids of a frozen backbone's layers, without gradients.

    Args:
        backbone: The backbone.
        layers: Some of its layers; none for the last.
        device: Where to compute.
    """

    def __init__(self, backbone: Backbone, layers: list[str], device: torch.device) -> None:
        self.backbone, self.layers, self.device = backbone, layers, device

    def of(self, views_BCHW: Tensor, colours_BF: Tensor | None = None) -> list[Tensor]:
        """From views uint8 ``[B, 3, H, W]`` to a grid for each layer."""
        colours_BF = None if colours_BF is None else colours_BF.to(self.device)
        with torch.no_grad(), autocast(self.device):
            seen = self.backbone.prepare(views_BCHW.to(self.device, non_blocking=True), colours_BF)
            if not self.layers:
                return [self.backbone(seen)]
            return list(self.backbone.tap_all(seen, self.layers).values())
