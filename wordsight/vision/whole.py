"""A whole network as a backbone: whatever it gives for an image, a grid or a vector, becomes a grid."""

from __future__ import annotations

from torch import Tensor, nn

from wordsight.errors import InputError


class WholeNetwork(nn.Module):
    """A network of one's own.

    Args:
        network: Normalised images ``[B, 3, H, W]`` to a grid ``[B, C, H', W']`` or to vectors ``[B, C]``, which are
            taken as grids of one cell.
    """

    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        self.network = network

    def forward(self, images_BCHW: Tensor) -> Tensor:
        """A grid ``[B, C, H', W']``.

        Raises:
            InputError: When the network gives something else.
        """
        found = self.network(images_BCHW)
        if isinstance(found, Tensor) and found.dim() in (2, 4):
            return found if found.dim() == 4 else found[:, :, None, None]
        shape = tuple(found.shape) if isinstance(found, Tensor) else type(found).__name__
        raise InputError(
            f"the network gives {shape}", where=type(self.network).__name__, expected="[B, C, H, W] or [B, C]"
        )
