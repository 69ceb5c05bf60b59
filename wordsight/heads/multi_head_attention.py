"""Attention with several heads (Vaswani et al. 2017, Section 3.2) whose keys and values are computed once and kept.

A decoder reads the cells of an image with many captions, and goes on with a caption token by token: in both cases what
is attended to has been read already. :class:`torch.nn.MultiheadAttention` would read it again each time.

https://arxiv.org/abs/1706.03762
"""

from __future__ import annotations

import math
from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional

from wordsight.errors import InputError


class KeysValues(NamedTuple):
    """What can be attended to: S places of n rows.

    Args:
        keys_nNSd: Keys of N heads, each d wide.
        values_nNSd: Values.
    """

    keys_nNSd: Tensor
    values_nNSd: Tensor

    def with_more(self, more: KeysValues) -> KeysValues:
        """The same places and some after them.

        Args:
            more: These.
        """
        return KeysValues(*(torch.cat(pair, 2) for pair in zip(self, more, strict=True)))

    def of(self, rows_n: Tensor) -> KeysValues:
        """Some of the rows.

        Args:
            rows_n: Their numbers.
        """
        return KeysValues(self.keys_nNSd[rows_n], self.values_nNSd[rows_n])


class MultiHeadAttention(nn.Module):
    """Queries look for what they need among keys, and take the values there.

    Args:
        width: Width D of queries and of what comes out.
        heads: Number N of heads.
        dropout: Share of the attention that is left out in training.
        read_width: Width of what is attended to; 0 for that of the queries.

    Raises:
        InputError: When the heads do not divide the width.

    Examples:
        >>> import torch
        >>> attention = MultiHeadAttention(width=8, heads=2, read_width=16)
        >>> cells = attention.read(torch.randn(3, 49, 16))
        >>> queries_nTD = torch.randn(3, 5, 8)
        >>> tuple(attention(queries_nTD, cells).shape), tuple(attention.weights(queries_nTD, cells).shape)
        ((3, 5, 8), (3, 5, 49))
    """

    def __init__(self, width: int, heads: int, dropout: float = 0.0, read_width: int = 0) -> None:
        super().__init__()
        if width % heads:
            raise InputError(
                f"a width of {width} is not a multiple of {heads} heads",
                where="objective_settings",
                expected="a multiple",
            )
        self.heads, self.dropout = heads, dropout
        self.query = nn.Linear(width, width)
        self.key_value = nn.Linear(read_width or width, 2 * width)
        self.out = nn.Linear(width, width)

    def read(self, places_nSD: Tensor) -> KeysValues:
        """Keys and values of what is attended to.

        Args:
            places_nSD: S places of n rows.
        """
        return KeysValues(*(self._by_head(each) for each in self.key_value(places_nSD).chunk(2, -1)))

    def forward(
        self, queries_nTD: Tensor, read: KeysValues, allowed: Tensor | None = None, causal: bool = False
    ) -> Tensor:
        """What the queries find, ``[n, T, D]``.

        Args:
            queries_nTD: T queries of n rows.
            read: What :meth:`read` made of the places.
            allowed: Which places a query may look at, bool, broadcast to ``[n, N, T, S]``; None for all.
            causal: Whether the places are the queries themselves, and each may look at itself and those before it.
        """
        found_nNTd = functional.scaled_dot_product_attention(
            self._by_head(self.query(queries_nTD)),
            *read,
            attn_mask=allowed,
            dropout_p=self.dropout if self.training else 0.0,
            is_causal=causal,
        )
        out_nTD: Tensor = self.out(found_nNTd.transpose(1, 2).flatten(2))
        return out_nTD

    def weights(self, queries_nTD: Tensor, read: KeysValues) -> Tensor:
        """Where the queries look, ``[n, T, S]``: the mean over heads, each row summing to one.

        Args:
            queries_nTD: T queries of n rows.
            read: What :meth:`read` made of the places, all of which they may look at.
        """
        queries_nNTd = self._by_head(self.query(queries_nTD))
        scores_nNTS = queries_nNTd.float() @ read.keys_nNSd.float().transpose(2, 3)
        return (scores_nNTS / math.sqrt(queries_nNTd.shape[-1])).softmax(-1).mean(1)

    def _by_head(self, features_nTD: Tensor) -> Tensor:
        by_head_nTNd: Tensor = features_nTD.unflatten(-1, (self.heads, -1))
        return by_head_nTNd.transpose(1, 2)
