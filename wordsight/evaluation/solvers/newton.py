"""Truncated Newton for many problems at once: two matrix products are a Hessian times a vector for all of them.

Minimises  v'v / 2 + sum_i c_i loss_i(x_i v)  for each problem, in the axes of a `Basis`. Each step solves for Newton's
direction by conjugate gradients, preconditioned by the Hessian's diagonal in these axes as if curvature were the same
for all rows, and goes along it to where the slope has all but vanished. After Lin, Weng and Keerthi (2008), "Trust
region Newton method for large-scale logistic regression", with a line search in place of the region.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

import torch
from torch import Tensor

from wordsight.evaluation.solvers.basis import Basis


class Loss(Protocol):
    """A convex loss of the scores of P problems with K outputs each, weighted by row."""

    def value(self, score_PKn: Tensor) -> Tensor:
        """The weighted sum over rows, float64 ``[P]``."""

    def slope(self, score_PKn: Tensor) -> Tensor:
        """Its derivative by each score."""

    def curvature(self, score_PKn: Tensor) -> Tensor:
        """What `times` needs to know of the point."""

    def times(self, curvature_PKn: Tensor, way_PKn: Tensor) -> Tensor:
        """Second derivative by the scores, times a change of them."""

    def diagonal(self, curvature_PKn: Tensor) -> Tensor:
        """The diagonal of the second derivative."""

    def select(self, chosen: Tensor) -> Loss:
        """The loss of some of the problems."""


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
    """Where the search stands: weights, scores, objective, gradient over that at zero, steps, for each problem."""

    weight_PKR: Tensor
    score_PKn: Tensor
    objective_P: Tensor
    gradient_P: Tensor
    steps_P: Tensor
    converged_P: Tensor


def minimise(loss: Loss, basis: Basis, start_PKR: Tensor, share_P: Tensor, settings: Settings) -> Minimum:
    """Minimise all problems together; those that are finished are dropped from the batch.

    Args:
        loss: Their loss.
        basis: Their rows.
        start_PKR: Where to start.
        share_P: What the tolerance is multiplied by.
        settings: When to stop.
    """
    problems = len(start_PKR)
    at_zero_P = _norm(_gradient(loss, basis, torch.zeros_like(start_PKR), _scores(basis, torch.zeros_like(start_PKR))))
    limit_P = settings.tolerance * share_P.to(at_zero_P) * at_zero_P
    found = Minimum(
        start_PKR.clone(),
        _scores(basis, start_PKR),
        start_PKR.new_zeros(problems, dtype=torch.float64),
        torch.full_like(at_zero_P, torch.inf),
        torch.zeros(problems, dtype=torch.long, device=start_PKR.device),
        torch.zeros(problems, dtype=torch.bool, device=start_PKR.device),
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
        way, change = _direction(part, basis, score, gradient, settings)
        length = _length(part, basis, weight, score, way, change)
        weight, score = weight + length * way, score + length * change
        found.weight_PKR[live], found.score_PKn[live] = weight, score
        found.steps_P[live] += 1
        promised = -_inner(gradient, way)[:, 0, 0] / 2
        small_P[live] = promised <= settings.gap * _objective(part, basis, weight, score)
    # Sums of many steps' changes round; the weights are what is handed out.
    found.score_PKn = _scores(basis, found.weight_PKR)
    found.objective_P = _objective(loss, basis, found.weight_PKR, found.score_PKn)
    return found


def _objective(loss: Loss, basis: Basis, weight_PKR: Tensor, score_PKn: Tensor) -> Tensor:
    return (weight_PKR.double() ** 2 * basis.penalised_R).sum((1, 2)) / 2 + loss.value(score_PKn)


def _scores(basis: Basis, weight_PKR: Tensor) -> Tensor:
    return basis.scores(weight_PKR.flatten(0, 1)).view(*weight_PKR.shape[:2], -1)


def _gather(basis: Basis, rows_PKn: Tensor) -> Tensor:
    return basis.gather(rows_PKn.flatten(0, 1)).view(*rows_PKn.shape[:2], -1)


def _gradient(loss: Loss, basis: Basis, weight_PKR: Tensor, score_PKn: Tensor) -> Tensor:
    return weight_PKR * basis.penalised_R + _gather(basis, loss.slope(score_PKn))


def _norm(vectors_PKR: Tensor) -> Tensor:
    norm: Tensor = vectors_PKR.flatten(1).norm(dim=1)
    return norm


def _inner(first: Tensor, second: Tensor) -> Tensor:
    return (first * second).sum((1, 2), keepdim=True)


def _direction(
    loss: Loss, basis: Basis, score_PKn: Tensor, gradient_PKR: Tensor, settings: Settings
) -> tuple[Tensor, Tensor]:
    """Newton's direction by preconditioned conjugate gradients, and what it changes the scores by."""
    curvature = loss.curvature(score_PKn)
    mean_PK1 = loss.diagonal(curvature).mean(-1, keepdim=True)
    # The least for directions without penalty or curvature (a bias of rows that are all right).
    inverse = 1 / (basis.penalised_R + mean_PK1 * basis.spread_R).clamp_min(1e-6)
    way, change = torch.zeros_like(gradient_PKR), torch.zeros_like(score_PKn)
    rest = -gradient_PKR
    toward = inverse * rest
    size = _inner(rest, toward)
    enough = settings.forcing**2 * size
    live = torch.arange(len(way), device=way.device)
    part, bend = loss, curvature
    for _ in range(settings.max_products):
        move = _scores(basis, toward)
        product = toward * basis.penalised_R + _gather(basis, part.times(bend, move))
        step = size / _inner(toward, product).clamp_min(1e-30)
        way.index_add_(0, live, step * toward)
        change.index_add_(0, live, step * move)
        rest = rest - step * product
        after = _inner(rest, inverse * rest)
        toward = inverse * rest + after / size.clamp_min(1e-30) * toward
        size = after
        going = (size > enough)[:, 0, 0]
        if not going.any():
            break
        if not going.all():
            live, rest, toward, size, enough = (each[going] for each in (live, rest, toward, size, enough))
            inverse, bend, part = inverse[going], bend[going], part.select(going)
    return way, change


def _length(
    loss: Loss, basis: Basis, weight_PKR: Tensor, score_PKn: Tensor, way_PKR: Tensor, change_PKn: Tensor
) -> Tensor:
    """How far to go: Newton's method for the slope along the way, kept inside what is known to hold its zero."""
    counted = way_PKR * basis.penalised_R
    constant, linear = _inner(counted, weight_PKR), _inner(counted, way_PKR)

    def slope_and_bend(length: Tensor) -> tuple[Tensor, Tensor]:
        there = score_PKn + length * change_PKn
        slope = constant + length * linear + _inner(loss.slope(there), change_PKn)
        return slope, linear + _inner(loss.times(loss.curvature(there), change_PKn), change_PKn)

    first = (constant + _inner(loss.slope(score_PKn), change_PKn)).abs()
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
