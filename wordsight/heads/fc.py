"""fc: from the attended visual feature to the space of word vectors (ICMLM, Section 3.2, around Eq. 6).

https://arxiv.org/abs/2008.01392
"""

from __future__ import annotations

from torch import Tensor, nn


class WordProjection(nn.Module):
    """Hidden layers of linear, LayerNorm and ReLU, then a linear map to the width of the word vectors.

    The last layer is linear alone, because a ReLU there would keep the prediction in the positive orthant, where word
    vectors are not.

    Args:
        channels: Channels C of the attended feature.
        text_width: Width D of the word vectors.
        hidden_layers: Number of hidden layers (the paper found 1 to work well).
        hidden_width: Their width; 0 takes C.

    Examples:
        >>> import torch
        >>> WordProjection(channels=512, text_width=384)(torch.randn(2, 4, 512)).shape
        torch.Size([2, 4, 384])
    """

    def __init__(self, channels: int, text_width: int, hidden_layers: int = 1, hidden_width: int = 0) -> None:
        super().__init__()
        layers: list[nn.Module] = []
        width = channels
        for _ in range(hidden_layers):
            out = hidden_width or channels
            layers += [nn.Linear(width, out), nn.LayerNorm(out), nn.ReLU(inplace=True)]
            width = out
        self.layers = nn.Sequential(*layers, nn.Linear(width, text_width))

    def forward(self, attended: Tensor) -> Tensor:
        """[..., C] to [..., D]."""
        projected: Tensor = self.layers(attended)
        return projected
