"""Attentional pooling (CoCa, Yu et al. 2022, Section 3.2): learned queries look at a grid, and a vector comes of each.

https://arxiv.org/abs/2205.01917
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from wordsight.heads.multi_head_attention import MultiHeadAttention


class AttentionalPooler(nn.Module):
    """A layer of attention whose queries are learned, the same for every image.

    Args:
        read_width: Width C of the places that are pooled.
        width: Width D of what comes out.
        queries: How many queries, and so vectors.
        heads: Attention heads.

    Examples:
        >>> import torch
        >>> pooler = AttentionalPooler(read_width=512, width=64, queries=8, heads=4)
        >>> cells_BLC = torch.randn(2, 49, 512)
        >>> tuple(pooler(cells_BLC).shape), tuple(pooler.weights(cells_BLC).shape)
        ((2, 8, 64), (2, 8, 49))
    """

    def __init__(self, read_width: int, width: int, queries: int, heads: int) -> None:
        super().__init__()
        self.queries_qD = nn.Parameter(torch.randn(queries, width))
        self.norm_queries, self.norm_places = nn.LayerNorm(width), nn.LayerNorm(read_width)
        self.attention = MultiHeadAttention(width, heads, read_width=read_width)

    def forward(self, places_BLC: Tensor) -> Tensor:
        """The pooled vectors, ``[B, q, D]``.

        Args:
            places_BLC: Cells of grids, or vectors that were pooled from them.
        """
        pooled_BqD: Tensor = self.attention(self._asked(places_BLC), self.attention.read(self.norm_places(places_BLC)))
        return pooled_BqD

    def weights(self, places_BLC: Tensor) -> Tensor:
        """Where each query looks, ``[B, q, L]``: the mean over heads, summing to one.

        Args:
            places_BLC: As :meth:`forward`.
        """
        return self.attention.weights(self._asked(places_BLC), self.attention.read(self.norm_places(places_BLC)))

    def _asked(self, places_BLC: Tensor) -> Tensor:
        queries_qD: Tensor = self.norm_queries(self.queries_qD)
        return queries_qD.expand(len(places_BLC), -1, -1)
