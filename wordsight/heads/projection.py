"""A projection: a few linear layers between features and the space in which a loss compares them."""

from __future__ import annotations

from torch import nn


class Projection(nn.Sequential):
    """Linear layers with batch norm and ReLU between them.

    Args:
        width: Width of what is projected.
        hidden: Width of the layers between; 0 takes ``width``.
        out: Width of the projection.
        layers: Linear layers in all.
        norm: Whether batch norm, without a scale and a shift of its own, stands at the end too.

    Shapes:
        Input: ``[B, width]``. Output: ``[B, out]``.

    Examples:
        >>> import torch
        >>> Projection(512, 0, 128)(torch.randn(4, 512)).shape
        torch.Size([4, 128])
    """

    def __init__(self, width: int, hidden: int, out: int, layers: int = 2, *, norm: bool = False) -> None:
        parts: list[nn.Module] = []
        for layer in range(layers):
            wide, last = width if layer == 0 else hidden or width, layer == layers - 1
            # A bias before batch norm would be taken off again.
            parts.append(nn.Linear(wide, out if last else hidden or width, bias=last and not norm))
            if not last:
                parts += [nn.BatchNorm1d(hidden or width), nn.ReLU(inplace=True)]
            elif norm:
                parts.append(nn.BatchNorm1d(out, affine=False))
        super().__init__(*parts)
