"""The cross-entropy over the whole vocabulary (ICMLM, Eqs. 6 and 7), without keeping its logits.

With 30,522 candidates the logits of a step are far larger than anything else of it, and plain autograd walks over them
again and again. All that the backward pass needs are the gradients of the features and, where it is learned, of the
vocabulary matrix: they are computed together with the loss, block by block, while the block is in cache.

https://arxiv.org/abs/2008.01392
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

# Elements of a block of logits: small enough for a CPU's cache; a GPU takes larger blocks to stay busy.
_BLOCK = {"cpu": 1 << 20, "cuda": 1 << 27}


class _WordLoss(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: Any, features_MD: Tensor, vectors_VD: Tensor, bias_V: Tensor | None, target_M: Tensor
    ) -> tuple[Tensor, Tensor]:
        masks, words = len(features_MD), len(vectors_VD)
        loss = torch.zeros((), device=features_MD.device)
        right = torch.zeros((), device=features_MD.device)
        gradient_MD = torch.empty_like(features_MD)
        learned = ctx.needs_input_grad[1]
        vectors_gradient = torch.zeros_like(vectors_VD, dtype=torch.float32) if learned else None
        bias_gradient = None if bias_V is None else torch.zeros_like(bias_V, dtype=torch.float32)
        rows = max(1, _BLOCK.get(features_MD.device.type, 1 << 24) // words)
        for first in range(0, masks, rows):
            block = slice(first, min(first + rows, masks))
            scores = (features_MD[block] @ vectors_VD.T).float()
            if bias_V is not None:
                scores += bias_V
            target = target_M[block, None]
            wanted = scores.gather(1, target)
            top, best = scores.max(1, keepdim=True)
            # From here on `scores` holds probabilities, then their gradient: one buffer, reused.
            scores.sub_(top).exp_()
            total = scores.sum(1, keepdim=True)
            loss += (total.log() + top - wanted).sum()
            right += (best == target).sum()
            scores.div_(total)
            scores.scatter_add_(1, target, torch.full_like(wanted, -1))
            gradient_MD[block] = scores.to(vectors_VD.dtype) @ vectors_VD
            if vectors_gradient is not None:
                vectors_gradient += (scores.to(vectors_VD.dtype).T @ features_MD[block]).float()
            if bias_gradient is not None:
                bias_gradient += scores.sum(0)
        ctx.save_for_backward(gradient_MD, vectors_gradient, bias_gradient)
        ctx.masks = masks
        ctx.mark_non_differentiable(right)
        return loss / masks, right / masks

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor | None, ...]:
        gradient_MD, vectors_gradient, bias_gradient = ctx.saved_tensors
        scale = gradients[0] / ctx.masks
        of_bias = None if bias_gradient is None else bias_gradient * scale
        of_vectors = None if vectors_gradient is None else (vectors_gradient * scale).to(gradient_MD.dtype)
        return gradient_MD * scale.to(gradient_MD.dtype), of_vectors, of_bias, None


def word_loss(
    features_MD: Tensor, vectors_VD: Tensor, target_M: Tensor, bias_V: Tensor | None = None
) -> tuple[Tensor, Tensor]:
    """Mean cross-entropy of masked words, and the share of them whose best candidate is right.

    Args:
        features_MD: What each masked word is predicted from, in the space of the word vectors.
        vectors_VD: Vectors of the candidates, frozen or learned, in the precision to compute in.
        target_M: Row of the right candidate; M is at least 1.
        bias_V: Bias of each candidate.

    Returns:
        The loss of Eq. 7, differentiable, and the accuracy, both scalars.

    Examples:
        >>> import torch
        >>> features_MD, vectors_VD = torch.tensor([[4.0, 0.0], [0.0, 4.0]]), torch.eye(2)
        >>> loss, accuracy = word_loss(features_MD, vectors_VD, torch.tensor([0, 0]))
        >>> round(float(loss), 3), float(accuracy)
        (2.018, 0.5)
    """
    loss, accuracy = _WordLoss.apply(features_MD.to(vectors_VD.dtype), vectors_VD, bias_V, target_M)
    return loss, accuracy
