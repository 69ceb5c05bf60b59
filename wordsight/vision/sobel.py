"""Edges instead of colours (Sobel filters), as DeepCluster and DeeperCluster show images to their networks.

Without colours, clusters are not found by colour alone (Caron et al. 2018, Section 3.3).
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional

_ACROSS = [[1.0, 0.0, -1.0], [2.0, 0.0, -2.0], [1.0, 0.0, -1.0]]


class SobelConv2d(nn.Conv2d):
    """A network's first convolution, on the edges of the grey image across and down instead of on its three colours.

    Its weights [out, 2, h, w] are those that the published networks keep in their own first convolution; the filters
    are fixed. The published networks frame the image by one more row of zeros on each side, which moves their grid by a
    pixel; here it keeps its size.

    Args:
        colours: The convolution of three colours that it takes the place of.
    """

    edges: Tensor

    def __init__(self, colours: nn.Conv2d) -> None:
        super().__init__(
            2,
            colours.out_channels,
            colours.kernel_size,  # type: ignore[arg-type]
            colours.stride,  # type: ignore[arg-type]
            colours.padding,  # type: ignore[arg-type]
            bias=colours.bias is not None,
        )
        nn.init.kaiming_normal_(self.weight, mode="fan_out", nonlinearity="relu")
        if self.bias is not None:
            nn.init.zeros_(self.bias)
        across = torch.tensor(_ACROSS)
        # Not kept with the weights: nothing is learned here.
        self.register_buffer("edges", torch.stack([across, across.T])[:, None], persistent=False)

    def forward(self, images_BCHW: Tensor) -> Tensor:
        """Images [B, 3, H, W] to the convolution's output."""
        edges = functional.conv2d(images_BCHW.mean(1, keepdim=True), self.edges, padding=1)
        return super().forward(edges)


def see_edges(network: nn.Module) -> None:
    """Replace the first convolution of a network by one on edges."""
    name, first = next((name, part) for name, part in network.named_modules() if isinstance(part, nn.Conv2d))
    above, _, last = name.rpartition(".")
    setattr(network.get_submodule(above), last, SobelConv2d(first))
