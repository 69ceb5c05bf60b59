"""Newton's direction by preconditioned conjugate gradients: two matrix products are a step for all problems.

The preconditioner is the Hessian's diagonal in the axes of a `Basis` as if curvature were the same for all rows; it is
exact where it is.
"""

from __future__ import annotations

import torch
from torch import Tensor

from wordsight.evaluation.solvers.basis import Basis
from wordsight.evaluation.solvers.loss import Loss


def scores(basis: Basis, weight_PKR: Tensor) -> Tensor:
    """Scores of rows ``[P, K, n]``."""
    return basis.scores(weight_PKR.flatten(0, 1)).view(*weight_PKR.shape[:2], -1)


# What holds directions without penalty back, in the search for a direction alone: the minimum is not moved by it.
_HELD = 1e-3


def gather(basis: Basis, rows_PKn: Tensor) -> Tensor:
    """Sums over rows ``[P, K, R]``."""
    return basis.gather(rows_PKn.flatten(0, 1)).view(*rows_PKn.shape[:2], -1)


def inner(first: Tensor, second: Tensor) -> Tensor:
    """Inner product of each problem, ``[P, 1, 1]``."""
    return (first * second).sum((1, 2), keepdim=True)


def by_products(
    loss: Loss, basis: Basis, curvature: Tensor, gradient_PKR: Tensor, forcing: float, most_P: Tensor
) -> tuple[Tensor, Tensor, Tensor]:
    """Find a direction.

    Args:
        loss: The problems' loss.
        basis: Their rows.
        curvature: The loss's curvature.
        gradient_PKR: The objective's gradient.
        forcing: Share of the gradient that may be left.
        most_P: Products that each problem may take.

    Returns:
        The direction, what it changes the scores by, and whether no more than that share was left.
    """
    mean_PK1 = loss.diagonal(curvature).mean(-1, keepdim=True)
    # A bias without penalty has no curvature left either once all rows are right: where it leads must stay finite.
    held_R = basis.penalised_R.clamp_min(_HELD)
    inverse = 1 / (held_R + mean_PK1 * basis.spread_R)
    way = torch.zeros_like(gradient_PKR)
    change = gradient_PKR.new_zeros(*gradient_PKR.shape[:2], len(basis.matrix))
    reached = torch.zeros(len(way), dtype=torch.bool, device=way.device)
    rest = -gradient_PKR
    toward = inverse * rest
    size = inner(rest, toward)
    enough = forcing**2 * size
    live = torch.arange(len(way), device=way.device)
    for taken in range(1, int(most_P.max()) + 1):
        move = scores(basis, toward)
        product = toward * held_R + gather(basis, loss.times(curvature, move))
        step = size / inner(toward, product).clamp_min(1e-30)
        way.index_add_(0, live, step * toward)
        change.index_add_(0, live, step * move)
        rest = rest - step * product
        after = inner(rest, inverse * rest)
        toward = inverse * rest + after / size.clamp_min(1e-30) * toward
        size = after
        reached[live] = (size <= enough)[:, 0, 0]
        going = ~reached[live] & (taken < most_P[live])
        if not going.any():
            break
        if not going.all():
            live, rest, toward, size, enough = (each[going] for each in (live, rest, toward, size, enough))
            inverse, curvature, loss = inverse[going], curvature[going], loss.select(going)
    return way, change, reached
