"""Late interaction between all images and captions of a step: every cell with every token, in blocks of bounded memory.

The products of B images of L cells with T captions of S tokens are B x L x T x S numbers, of which the maxima alone are
kept: where each lay, two bytes a cell and caption, or token and image. From these the backward pass makes the products'
gradient again, block by block, which is zero but for the maxima.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

# Products that are held at once: 64 MB.
_PRODUCTS = 1 << 24


def mean_maxima(cells_BLZ: Tensor, tokens_TSZ: Tensor, length_T: Tensor) -> tuple[Tensor, Tensor]:
    """How alike images and captions are by their parts (FILIP, Equations 4 and 5).

    Args:
        cells_BLZ: The cells of each image, float32.
        tokens_TSZ: The tokens of each caption, the absent ones last, whatever they hold.
        length_T: How many tokens each caption has, one at least.

    Returns:
        For each image and caption, ``[B, T]``: the mean over cells of the product with the token that is most like
        each; the mean over tokens of the product with the cell that is.
    """
    place_S = torch.arange(tokens_TSZ.shape[1], device=length_T.device)
    present_TS = place_S[None] < length_T[:, None]
    # In place of an absent token its caption's first: no maximum over tokens is another for it.
    filled_TSZ = torch.where(present_TS[..., None], tokens_TSZ, tokens_TSZ[:, :1])
    share_TS = present_TS / length_T[:, None].to(cells_BLZ.dtype)
    found: tuple[Tensor, Tensor] = _MeanMaxima.apply(cells_BLZ, filled_TSZ, share_TS)
    return found


class _MeanMaxima(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, cells_BLZ: Tensor, tokens_TSZ: Tensor, share_TS: Tensor) -> tuple[Tensor, Tensor]:
        (images, cells, _), (texts, tokens, _) = cells_BLZ.shape, tokens_TSZ.shape
        of_cells_BT, of_tokens_BT = (cells_BLZ.new_empty(images, texts) for _ in range(2))
        # A caption has fewer tokens, and an image fewer cells, than two bytes count to.
        token_TX = torch.empty(texts, images * cells, dtype=torch.int16, device=cells_BLZ.device)
        cell_TSB = torch.empty(texts, tokens, images, dtype=torch.int16, device=cells_BLZ.device)
        for some in _blocks(texts, images * cells * tokens):
            alike_tSX = (tokens_TSZ[some].flatten(0, 1) @ cells_BLZ.flatten(0, 1).T).unflatten(0, (-1, tokens))
            best_tX, which_tX = alike_tSX.max(1)
            of_cells_BT[:, some] = best_tX.unflatten(1, (images, cells)).mean(2).T
            token_TX[some] = which_tX.to(torch.int16)
            best_tSB, which_tSB = alike_tSX.unflatten(2, (images, cells)).max(3)
            of_tokens_BT[:, some] = torch.einsum("tsb,ts->bt", best_tSB, share_TS[some])
            cell_TSB[some] = which_tSB.to(torch.int16)
        ctx.save_for_backward(cells_BLZ, tokens_TSZ, share_TS, token_TX, cell_TSB)
        return of_cells_BT, of_tokens_BT

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, of_cells_BT: Tensor, of_tokens_BT: Tensor) -> tuple[Tensor, Tensor, None]:
        cells_BLZ, tokens_TSZ, share_TS, token_TX, cell_TSB = ctx.saved_tensors
        (images, cells, width), (texts, tokens, _) = cells_BLZ.shape, tokens_TSZ.shape
        flat_XZ = cells_BLZ.flatten(0, 1)
        to_cells_XZ, to_tokens_TSZ = torch.zeros_like(flat_XZ), torch.empty_like(tokens_TSZ)
        for some in _blocks(texts, images * cells * tokens):
            count = len(token_TX[some])
            alike_tSX = cells_BLZ.new_zeros(count, tokens, images * cells)
            each_tX = (of_cells_BT[:, some].T / cells).repeat_interleave(cells, dim=1)
            alike_tSX.scatter_(1, token_TX[some].long()[:, None], each_tX[:, None])
            each_tSB = of_tokens_BT[:, some].T[:, None] * share_TS[some][..., None]
            alike_tSBL = alike_tSX.unflatten(2, (images, cells))
            alike_tSBL.scatter_add_(3, cell_TSB[some].long()[..., None], each_tSB[..., None])
            flat_xX = alike_tSX.flatten(0, 1)
            to_tokens_TSZ[some] = (flat_xX @ flat_XZ).unflatten(0, (count, tokens))
            to_cells_XZ.addmm_(flat_xX.T, tokens_TSZ[some].flatten(0, 1))
        return to_cells_XZ.view(images, cells, width), to_tokens_TSZ, None


def _blocks(texts: int, products: int) -> list[slice]:
    """Some captions at a time, one at least.

    Args:
        texts: All captions.
        products: Products of one of them with all images.
    """
    together = max(1, _PRODUCTS // max(1, products))
    return [slice(first, first + together) for first in range(0, texts, together)]
