"""A sum over rows whose gradients are computed along with it, block by block: only a block's tensors are ever held."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn

# The summed loss of some rows, and a number without a gradient, of what all rows share and these rows' own tensors.
BlockLoss = Callable[[Sequence[Tensor], Sequence[Tensor]], tuple[Tensor, Tensor]]


class SummedOver(NamedTuple):
    """What a sum is taken over.

    Args:
        shared: What every row is held against; gets gradients.
        own: Tensors with a row for each; those of floating point get gradients.
        parameters: What the loss reads besides; gets gradients.
    """

    shared: Sequence[Tensor]
    own: Sequence[Tensor]
    parameters: Sequence[nn.Parameter]


def blockwise_sum(loss_of: BlockLoss, rows: SummedOver, block: int) -> tuple[Tensor, Tensor]:
    """The sum of a loss over rows, differentiable once, and the sum of its number.

    Args:
        loss_of: The loss of a block of rows.
        rows: What it is taken over.
        block: Rows computed together.

    Examples:
        >>> import torch
        >>> shared, own = torch.ones(2, requires_grad=True), torch.arange(6.0).view(3, 2)
        >>> squares = lambda shared, own: (((own[0] @ shared[0]) ** 2).sum(), torch.tensor(0.0))
        >>> total, _ = blockwise_sum(squares, SummedOver([shared], [own], []), block=2)
        >>> total.backward()
        >>> float(total.detach()), shared.grad.tolist()
        (107.0, [92.0, 122.0])
    """
    counts = len(rows.shared), len(rows.own)
    total, number = _Blockwise.apply(loss_of, block, counts, *rows.shared, *rows.own, *rows.parameters)
    return total, number


class _Blockwise(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: Any, loss_of: BlockLoss, block: int, counts: tuple[int, int], *tensors: Tensor
    ) -> tuple[Tensor, Tensor]:
        shared, own, parameters = tensors[: counts[0]], tensors[counts[0] : sum(counts)], tensors[sum(counts) :]
        wanted = ctx.needs_input_grad[3:]
        leaves = [_leaf(tensor, needed) for tensor, needed in zip(shared, wanted, strict=False)]
        found = [torch.zeros_like(tensor) if needed else None for tensor, needed in zip(tensors, wanted, strict=True)]
        total = torch.zeros((), device=shared[0].device)
        number = torch.zeros((), device=shared[0].device)
        for first in range(0, len(own[0]), block):
            rows = slice(first, first + block)
            needed = wanted[counts[0] : sum(counts)]
            mine = [_leaf(tensor[rows], need) for tensor, need in zip(own, needed, strict=True)]
            with torch.enable_grad():
                loss, counted = loss_of(leaves, mine)
            inputs = [*leaves, *mine, *parameters]
            learned = [place for place, need in enumerate(wanted) if need]
            if learned:
                gradients = torch.autograd.grad(loss, [inputs[place] for place in learned], allow_unused=True)
                for place, gradient in zip(learned, gradients, strict=True):
                    _add(found[place], gradient, rows if counts[0] <= place < sum(counts) else slice(None))
            total += loss.detach().float()
            number += counted
        ctx.save_for_backward(*found)
        ctx.mark_non_differentiable(number)
        return total, number

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor | None, ...]:
        scale = gradients[0]
        return (None, None, None, *(None if own is None else own * scale.to(own.dtype) for own in ctx.saved_tensors))


def _leaf(tensor: Tensor, needed: bool) -> Tensor:
    return tensor.detach().requires_grad_(needed)


def _add(found: Tensor | None, gradient: Tensor | None, rows: slice) -> None:
    if found is not None and gradient is not None:
        # Of no axis (a scalar) there are no rows.
        (found[rows] if found.dim() else found).add_(gradient)
