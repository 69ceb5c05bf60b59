"""Truncated Newton for many problems at once: two matrix products are a Hessian times a vector for all of them.

Minimises  v'v / 2 + sum_i c_i loss_i(x_i v)  for each problem, in the axes of a `Basis`. Each step solves for Newton's
direction, by conjugate gradients or exactly, and goes along it to where the slope has all but vanished. After Lin, Weng
and Keerthi (2008), "Trust region Newton method for large-scale logistic regression", with a line search in place of the
region.

Which of the two is cheaper is not known before. A problem is given to conjugate gradients until they have cost what the
exact direction would have; from then on it goes by exact ones, there and at weaker penalties. So it never costs more
than twice the cheaper.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from wordsight.evaluation.solvers.basis import Basis
from wordsight.evaluation.solvers.conjugate import by_products, gather, inner, scores
from wordsight.evaluation.solvers.kernel import Kernel
from wordsight.evaluation.solvers.loss import Loss

# An exact direction that costs no more products than this is taken at once: conjugate gradients seldom need fewer.
_SURE = 8


@dataclass(frozen=True)
class Settings:
    """How long to go on.

    Args:
        tolerance: A problem is finished when its gradient's norm is this share of that at zero; for each problem times
            the share of rows on its smaller side, as liblinear does.
        max_steps: Newton steps.
        max_products: Hessian products in a step.
        forcing: Share of the gradient that conjugate gradients may leave.
        gap: A problem is finished only when its last step was to lower the objective by less than this share too:
            where a class can be told apart without error, the gradient at zero is so large that it says nothing.
    """

    tolerance: float = 1e-4
    max_steps: int = 60
    max_products: int = 300
    forcing: float = 0.1
    gap: float = 1e-5


@dataclass
class Minimum:
    """Where the search stands: weights, scores, objective, gradient over that at zero, steps, for each problem.

    `exact_P` tells which problems have come to go by exact directions.
    """

    weight_PKR: Tensor
    score_PKn: Tensor
    objective_P: Tensor
    gradient_P: Tensor
    steps_P: Tensor
    converged_P: Tensor
    exact_P: Tensor


def minimise(
    loss: Loss,
    basis: Basis,
    kernel: Kernel | None,
    start_PKR: Tensor,
    exact_P: Tensor,
    share_P: Tensor,
    settings: Settings,
) -> Minimum:
    """Minimise all problems together; those that are finished are dropped from the batch.

    Args:
        loss: Their loss.
        basis: Their rows.
        kernel: For exact directions; None where there are none.
        start_PKR: Where to start.
        exact_P: Problems known to be better off with them.
        share_P: What the tolerance is multiplied by.
        settings: When to stop.
    """
    problems = len(start_PKR)
    at_zero_P = _norm(_gradient(loss, basis, torch.zeros_like(start_PKR), scores(basis, torch.zeros_like(start_PKR))))
    limit_P = settings.tolerance * share_P.to(at_zero_P) * at_zero_P
    found = Minimum(
        start_PKR.clone(),
        scores(basis, start_PKR),
        start_PKR.new_zeros(problems, dtype=torch.float64),
        torch.full_like(at_zero_P, torch.inf),
        torch.zeros(problems, dtype=torch.long, device=start_PKR.device),
        torch.zeros(problems, dtype=torch.bool, device=start_PKR.device),
        exact_P.clone(),
    )
    live = torch.arange(problems, device=start_PKR.device)
    small_P = torch.zeros_like(found.converged_P)
    for _ in range(settings.max_steps + 1):
        weight, score, part = found.weight_PKR[live], found.score_PKn[live], loss.select(live)
        gradient = _gradient(part, basis, weight, score)
        norm = _norm(gradient)
        found.gradient_P[live] = norm / at_zero_P[live].clamp_min(1e-30)
        found.converged_P[live] = (norm <= limit_P[live]) & small_P[live]
        going = ~found.converged_P[live] & (found.steps_P[live] < settings.max_steps)
        if not going.any():
            break
        live, weight, score, gradient = live[going], weight[going], score[going], gradient[going]
        part = loss.select(live)
        way, change, found.exact_P[live] = _direction(
            part, basis, kernel, score, gradient, found.exact_P[live], settings
        )
        length = _length(part, basis, weight, score, way, change)
        weight, score = weight + length * way, score + length * change
        found.weight_PKR[live], found.score_PKn[live] = weight, score
        found.steps_P[live] += 1
        promised = -inner(gradient, way)[:, 0, 0] / 2
        small_P[live] = promised <= settings.gap * _objective(part, basis, weight, score)
    # Sums of many steps' changes round; the weights are what is handed out.
    found.score_PKn = scores(basis, found.weight_PKR)
    found.objective_P = _objective(loss, basis, found.weight_PKR, found.score_PKn)
    return found


def _objective(loss: Loss, basis: Basis, weight_PKR: Tensor, score_PKn: Tensor) -> Tensor:
    return (weight_PKR.double() ** 2 * basis.penalised_R).sum((1, 2)) / 2 + loss.value(score_PKn)


def _gradient(loss: Loss, basis: Basis, weight_PKR: Tensor, score_PKn: Tensor) -> Tensor:
    return weight_PKR * basis.penalised_R + gather(basis, loss.slope(score_PKn))


def _norm(vectors_PKR: Tensor) -> Tensor:
    norm: Tensor = vectors_PKR.flatten(1).norm(dim=1)
    return norm


def _direction(
    loss: Loss,
    basis: Basis,
    kernel: Kernel | None,
    score_PKn: Tensor,
    gradient_PKR: Tensor,
    exact_P: Tensor,
    settings: Settings,
) -> tuple[Tensor, Tensor, Tensor]:
    """Newton's direction, what it changes the scores by, and which problems went by the exact one."""
    curvature = loss.curvature(score_PKn)
    most_P = torch.full_like(exact_P, settings.max_products, dtype=torch.long)
    way, change = torch.empty_like(gradient_PKR), torch.empty_like(score_PKn)
    if kernel is not None:
        cost_P = kernel.cost(curvature)
        exact_P = exact_P | (cost_P <= _SURE)
        most_P = torch.minimum(most_P, cost_P)
    rest = torch.nonzero(~exact_P)[:, 0]
    if len(rest):
        part = loss if len(rest) == len(exact_P) else loss.select(rest)
        found = by_products(part, basis, curvature[rest], gradient_PKR[rest], settings.forcing, most_P[rest])
        way[rest], change[rest] = found[0], found[1]
        if kernel is not None:
            exact_P = exact_P.index_fill(0, rest[~found[2]], True)
    if kernel is not None and exact_P.any():
        chosen = torch.nonzero(exact_P)[:, 0]
        way[chosen], change[chosen], sound_P = kernel.direction(curvature[chosen], gradient_PKR[chosen])
        spoilt = chosen[~sound_P]
        if len(spoilt):
            most_P = torch.full_like(spoilt, settings.max_products)
            found = by_products(
                loss.select(spoilt), basis, curvature[spoilt], gradient_PKR[spoilt], settings.forcing, most_P
            )
            way[spoilt], change[spoilt] = found[0], found[1]
    return way, change, exact_P


def _length(
    loss: Loss, basis: Basis, weight_PKR: Tensor, score_PKn: Tensor, way_PKR: Tensor, change_PKn: Tensor
) -> Tensor:
    """How far to go: Newton's method for the slope along the way, kept inside what is known to hold its zero."""
    counted = way_PKR * basis.penalised_R
    constant, linear = inner(counted, weight_PKR), inner(counted, way_PKR)

    def slope_and_bend(length: Tensor) -> tuple[Tensor, Tensor]:
        there = score_PKn + length * change_PKn
        slope = constant + length * linear + inner(loss.slope(there), change_PKn)
        return slope, linear + inner(loss.times(loss.curvature(there), change_PKn), change_PKn)

    first = (constant + inner(loss.slope(score_PKn), change_PKn)).abs()
    length = torch.ones_like(first)
    low, high = torch.zeros_like(first), torch.full_like(first, torch.inf)
    for _ in range(12):
        slope, bend = slope_and_bend(length)
        good = slope.abs() <= 0.1 * first
        if good.all():
            break
        low = torch.where(slope < 0, length, low)
        high = torch.where(slope > 0, length, high)
        new = length - slope / bend.clamp_min(1e-30)
        middle = torch.where(high.isinf(), 2 * length, (low + high) / 2)
        new = torch.where((new > low) & (new < high), new, middle)
        length = torch.where(good, length, new)
    return length
