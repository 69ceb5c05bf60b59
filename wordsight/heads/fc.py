"""fc: from the attended visual feature to the space of word vectors (ICMLM, Section 3.2, around Eq. 6).

https://arxiv.org/abs/2008.01392
"""

from __future__ import annotations

import torch
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

    def of_cells(self, cells: Tensor) -> Tensor:
        """The first linear map of every cell, without its bias: its average is the map of the cells' average.

        Args:
            cells: [..., C].
        """
        return nn.functional.linear(cells, self._linear(0).weight)

    def words(self, vectors_RD: Tensor) -> tuple[Tensor, Tensor]:
        """R word vectors as the last hidden layer meets them, [R, width], and what is added to their dot products, [R].

        Args:
            vectors_RD: The word vectors.
        """
        if len(self.layers) == 1:
            return vectors_RD, vectors_RD.float() @ self._linear(0).bias.float()
        last = self._linear(-1)
        return vectors_RD @ last.weight, vectors_RD.float() @ last.bias.float()

    def scores(self, averaged_BRH: Tensor, words_RH: Tensor, added_R: Tensor) -> Tensor:
        """Dot products of what is seen with one word each, [B, R], float32: those of :meth:`forward`.

        Args:
            averaged_BRH: Averages of :meth:`of_cells`.
            words_RH: Of :meth:`words`.
            added_R: Of :meth:`words`.
        """
        hidden_BRH = averaged_BRH
        if len(self.layers) > 1:
            hidden_BRH = hidden_BRH + self._linear(0).bias.to(hidden_BRH.dtype)
            for layer in self.layers[1:-1]:
                hidden_BRH = layer(hidden_BRH)
        return (hidden_BRH * words_RH.to(hidden_BRH.dtype)).sum(-1, dtype=torch.float32) + added_R

    def _linear(self, number: int) -> nn.Linear:
        layer = self.layers[number]
        assert isinstance(layer, nn.Linear)
        return layer
