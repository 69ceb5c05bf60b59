"""att with a null cell: a masked caption may look at no cell of a grid, where it asks for what the image doesn't show.

The null cell's feature is zero (FLAIR, Xiao et al. 2025, https://arxiv.org/abs/2412.03561), so what is seen is the
average over the cells times the share of the attention that they get; both are given apart.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn

from wordsight.heads.att import Attention

# A cell's key before anything is learned: the mean of a standard normal whose negative values are zero.
_AVERAGE_KEY = 1 / math.sqrt(2 * math.pi)


class NullAttention(Attention):
    """Attention over the cells of a grid and a null cell, for an image's own captions and for those of other images.

    Args:
        channels: Channels C of the grid.
        text_width: Width D of the token features.
        joint_width: Width Z of each head's joint space.
        heads: Number N of heads.
        null: Whether there is a null cell; without one all is seen.

    Examples:
        >>> import torch
        >>> attention = NullAttention(channels=512, text_width=384, joint_width=64)
        >>> visual_BLNZ = attention.visual(torch.randn(3, 49, 512))
        >>> textual_RTNZ, present_RT = attention.textual(torch.randn(8, 12, 384)), torch.ones(8, 12, dtype=torch.bool)
        >>> attention_BRL, seen_BR = attention.every(visual_BLNZ, textual_RTNZ, present_RT)
        >>> tuple(attention_BRL.shape), bool(attention_BRL.sum(-1).allclose(torch.ones(3, 8)))
        ((3, 8, 49), True)
        >>> tuple(seen_BR.shape)
        (3, 8)
    """

    def __init__(
        self, channels: int, text_width: int, joint_width: int = 256, heads: int = 1, null: bool = True
    ) -> None:
        super().__init__(channels, text_width, joint_width, heads)
        self.null_key: nn.Parameter | None = None
        if null:
            self.null_key = nn.Parameter(torch.full((heads, joint_width), _AVERAGE_KEY))

    def own(self, visual_BLNZ: Tensor, textual_BmTNZ: Tensor, present_BmT: Tensor) -> tuple[Tensor, Tensor]:
        """Each image seen through its own captions.

        Args:
            visual_BLNZ: The grids in the joint space: ``visual`` of them.
            textual_BmTNZ: Token features in the joint space: ``textual`` of them.
            present_BmT: True where there is a token.

        Returns:
            The attention over the cells [B, m, L], each row summing to one, and the share of it that lies on cells and
            not on the null cell [B, m].
        """
        scores_BmL = self.scores(visual_BLNZ, textual_BmTNZ, present_BmT)
        null_R = self._null_scores(textual_BmTNZ.flatten(0, 1), present_BmT.flatten(0, 1))
        return scores_BmL.softmax(-1), _seen(scores_BmL, None if null_R is None else null_R.view(present_BmT.shape[:2]))

    def every(self, visual_BLNZ: Tensor, textual_RTNZ: Tensor, present_RT: Tensor) -> tuple[Tensor, Tensor]:
        """Each of B images seen through each of R captions.

        Args:
            visual_BLNZ: As :meth:`own`.
            textual_RTNZ: Token features in the joint space.
            present_RT: True where there is a token.

        Returns:
            As :meth:`own`: [B, R, L] and [B, R].
        """
        of_heads = []
        for head in range(self.visual.heads):
            visual_nZ = visual_BLNZ[:, :, head].flatten(0, 1)
            scores_nt = visual_nZ @ self._scaled(textual_RTNZ[:, :, head]).flatten(0, 1).T
            scores_BLRT = scores_nt.float().view(*visual_BLNZ.shape[:2], *present_RT.shape)
            if not bool(present_RT.all()):
                scores_BLRT = scores_BLRT.masked_fill(~present_RT, -1e4)
            of_heads.append(scores_BLRT.logsumexp(-1))  # Eq. 4
        scores_BRL = self._averaged(torch.stack(of_heads)).transpose(1, 2)
        return scores_BRL.softmax(-1), _seen(scores_BRL, self._null_scores(textual_RTNZ, present_RT))

    def _scaled(self, textual: Tensor) -> Tensor:
        return textual / math.sqrt(self.visual.joint_width)

    def _null_scores(self, textual_RTNZ: Tensor, present_RT: Tensor) -> Tensor | None:
        """What the null cell's share is taken of, as the scores of cells."""
        if self.null_key is None:
            return None
        null_NZ = self.null_key.to(textual_RTNZ.dtype)
        scores_NRT = (self._scaled(textual_RTNZ) * null_NZ).sum(-1, dtype=torch.float32).permute(2, 0, 1)
        return self._averaged(scores_NRT.masked_fill(~present_RT, -1e4).logsumexp(-1))

    def _averaged(self, scores: Tensor) -> Tensor:
        """Over heads, which are the first axis."""
        if self.average is None:
            return scores.squeeze(0)
        weight, bias = self.average.weight.float().squeeze(0), self.average.bias.float()
        return torch.einsum("n...,n->...", scores, weight) + bias


def _seen(scores: Tensor, null: Tensor | None) -> Tensor:
    """The share of the attention that lies on the cells, the last axis."""
    every = scores.logsumexp(-1)
    return torch.ones_like(every) if null is None else torch.sigmoid(every - null)
