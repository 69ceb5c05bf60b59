"""att: where in the grid is the masked word? (ICMLM, Section 3.2, Eqs. 3 to 5.)

https://arxiv.org/abs/2008.01392
"""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn


class NormedProjection(nn.Module):
    """[norm(X Sigma)]_+ for several heads at once: linear, LayerNorm within each head, ReLU (Eq. 3).

    Args:
        width: Width of the input.
        heads: Number N of heads.
        joint_width: Width Z of a head.
    """

    def __init__(self, width: int, heads: int, joint_width: int) -> None:
        super().__init__()
        self.heads, self.joint_width = heads, joint_width
        # LayerNorm subtracts the mean, so a bias common to a head would vanish; its own bias stands behind it.
        self.linear = nn.Linear(width, heads * joint_width, bias=False)
        self.scale = nn.Parameter(torch.ones(heads, joint_width))
        self.shift = nn.Parameter(torch.zeros(heads, joint_width))

    def forward(self, features: Tensor) -> Tensor:
        """[..., width] to [..., N, Z], nothing below zero."""
        projected = self.linear(features).unflatten(-1, (self.heads, self.joint_width))
        normed = nn.functional.layer_norm(projected, (self.joint_width,))
        return torch.relu(normed * self.scale.to(normed.dtype) + self.shift.to(normed.dtype))


class Attention(nn.Module):
    """Attention of a masked caption over the cells of a grid.

    Args:
        channels: Channels C of the grid.
        text_width: Width D of the token features.
        joint_width: Width Z of each head's joint space (d_z in the paper).
        heads: Number N of heads. With one head the averaging layer is left out: a scale on the scores that softmax
            sees could be absorbed by Sigma, and the paper's Eq. 5 has none.

    Examples:
        >>> import torch
        >>> attention = Attention(channels=512, text_width=384)
        >>> cells_BLC, tokens_BmTD = torch.randn(2, 49, 512), torch.randn(2, 4, 12, 384)
        >>> attention_BmL = attention(cells_BLC, tokens_BmTD, torch.ones(2, 4, 12, dtype=torch.bool))
        >>> attention_BmL.shape, bool(attention_BmL.sum(-1).allclose(torch.ones(2, 4)))
        (torch.Size([2, 4, 49]), True)
    """

    def __init__(self, channels: int, text_width: int, joint_width: int = 512, heads: int = 1) -> None:
        super().__init__()
        self.visual = NormedProjection(channels, heads, joint_width)
        self.textual = NormedProjection(text_width, heads, joint_width)
        self.average: nn.Linear | None = None
        if heads > 1:
            self.average = nn.Linear(heads, 1)
            # Starts as the plain mean; learned from there.
            nn.init.constant_(self.average.weight, 1 / heads)
            nn.init.zeros_(self.average.bias)

    def forward(self, cells_BLC: Tensor, tokens_BmTD: Tensor, present_BmT: Tensor) -> Tensor:
        """Attention probabilities over the grid's cells, for each of m masked captions of every image.

        Args:
            cells_BLC: The grid, flattened: B images, L cells, C channels.
            tokens_BmTD: Token features of the masked captions.
            present_BmT: True where there is a token, False at padding.

        Returns:
            [B, m, L], float32, each row summing to one.
        """
        scores_BmL = self.scores(self.visual(cells_BLC), self.textual(tokens_BmTD), present_BmT)
        attention_BmL: Tensor = scores_BmL.softmax(-1)  # Eq. 5, left
        return attention_BmL

    def scores(self, visual_BLNZ: Tensor, textual_BmTNZ: Tensor, present_BmT: Tensor) -> Tensor:
        """What the softmax over cells is taken of (Eqs. 3 and 4), [B, m, L], float32.

        Args:
            visual_BLNZ: The grid in the joint space: ``visual`` of it.
            textual_BmTNZ: Token features in the joint space: ``textual`` of them.
            present_BmT: True where there is a token.
        """
        captions, length = present_BmT.shape[1:]
        joint_width = visual_BLNZ.shape[-1]
        # One matrix product per image and head: its L cells against all tokens of all its masked captions (Eq. 3).
        visual_BNLZ = visual_BLNZ.transpose(1, 2)
        textual_BNZt = textual_BmTNZ.flatten(1, 2).permute(0, 2, 3, 1)
        scores_BNLt = (visual_BNLZ @ textual_BNZt).float() / math.sqrt(joint_width)
        scores_BNLmT = scores_BNLt.unflatten(-1, (captions, length))
        absent_B11mT = ~present_BmT[:, None, None]
        # Finite, so that a row of padding alone (an image with fewer masks) gives no NaN.
        scores_BNLm = scores_BNLmT.masked_fill(absent_B11mT, -1e4).logsumexp(-1)  # Eq. 4
        if self.average is None:
            only_BmL: Tensor = scores_BNLm.squeeze(1).transpose(1, 2)
            return only_BmL
        weight, bias = self.average.weight.float().squeeze(0), self.average.bias.float()
        return torch.einsum("bnlm,n->bml", scores_BNLm, weight) + bias


def pool_attended(cells_BLC: Tensor, attention_BmL: Tensor) -> Tensor:
    """x_hat = X^T p_att: the grid averaged under the attention (Eq. 5, right), [B, m, C].

    Examples:
        >>> import torch
        >>> cells_BLC = torch.tensor([[[1.0, 0.0], [0.0, 1.0]]])
        >>> pool_attended(cells_BLC, torch.tensor([[[0.25, 0.75]]]))
        tensor([[[0.2500, 0.7500]]])
    """
    return attention_BmL.to(cells_BLC.dtype) @ cells_BLC
