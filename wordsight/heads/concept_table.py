"""The last layer of tp when concepts are many: a table of which a step reads and changes the rows that it needs."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn


class _Rows(torch.autograd.Function):
    """Rows of weights and biases, whose gradients hold these rows alone."""

    @staticmethod
    def forward(ctx: Any, weight_KD: Tensor, bias_K: Tensor, rows_C: Tensor) -> tuple[Tensor, Tensor]:
        ctx.save_for_backward(rows_C)
        ctx.shapes = weight_KD.shape, bias_K.shape
        return weight_KD.index_select(0, rows_C), bias_K.index_select(0, rows_C)

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, Tensor, None]:
        (rows_C,) = ctx.saved_tensors
        of_weight, of_bias = (
            torch.sparse_coo_tensor(
                rows_C[None], gradient.contiguous(), shape, is_coalesced=True, check_invariants=False
            )
            for gradient, shape in zip(gradients, ctx.shapes, strict=True)
        )
        return of_weight, of_bias, None


class ConceptTable(nn.Linear):
    """A linear layer to K concepts that can also be asked for a few of them, at a cost that does not grow with K.

    Asked for some, its weights and biases get sparse gradients, as an embedding's with ``sparse=True`` do.

    Examples:
        >>> import torch
        >>> table = ConceptTable(8, 100)
        >>> features_BD, rows_C = torch.ones(2, 8), torch.tensor([3, 50])
        >>> torch.equal(table.some(features_BD, rows_C), table(features_BD)[:, rows_C])
        True
    """

    def some(self, features_BD: Tensor, rows_C: Tensor) -> Tensor:
        """Scores of some concepts, [B, C].

        Args:
            features_BD: What concepts are told from.
            rows_C: Numbers of the concepts, ascending, each once.
        """
        weight_CD, bias_C = _Rows.apply(self.weight, self.bias, rows_C)
        return nn.functional.linear(features_BD, weight_CD, bias_C)
