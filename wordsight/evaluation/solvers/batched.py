"""Solve problems as a batch, as many together as memory allows."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field

import torch
from torch import Tensor

from wordsight.errors import InputError
from wordsight.evaluation.features.matrix import Features, Matrix, check
from wordsight.evaluation.solvers.basis import Basis, turn
from wordsight.evaluation.solvers.kernel import Kernel
from wordsight.evaluation.solvers.loss import Loss
from wordsight.evaluation.solvers.newton import Minimum, Settings, minimise
from wordsight.evaluation.solvers.problems import Fits, Problems, check_sides
from wordsight.evaluation.solvers.threads import threads_for
from wordsight.progress import track

# Arrays of a number for each row and output that a problem needs at once.
_ARRAYS = 12

MakeLoss = Callable[[Tensor, Tensor], Loss]


@dataclass(frozen=True)
class Family:
    """What tells one kind of classifier from another.

    Args:
        make: The loss, of targets and weights ``[P, 1, n]``.
        start: Where to start, of basis, targets and weights.
        share: What each problem's tolerance is multiplied by, of targets and weights.
        outputs: Scores K that a problem gives a row.
        free_bias: Whether the bias goes unpenalised.
    """

    make: MakeLoss
    start: Callable[[Basis, Tensor, Tensor], Tensor]
    share: Callable[[Tensor, Tensor], Tensor]
    outputs: int
    free_bias: bool


@dataclass(frozen=True)
class Plan:
    """Where problems are solved, and how far.

    Args:
        device: "cpu", "cuda", ...
        memory_bytes: What the problems solved together may take.
        features_bytes: What features kept on the device may take: larger ones are read again for every product.
        block: Rows that are read at a time.
        settings: When to stop.
    """

    device: str = "cpu"
    memory_bytes: int = 2**31
    features_bytes: int = 2**31
    block: int = 4096
    settings: Settings = field(default_factory=Settings)

    def resident(self, rows: int, width: int) -> bool:
        """Whether a float32 matrix is kept on the device."""
        return 4 * rows * width <= self.features_bytes


def room_for_features(device: torch.device) -> int:
    """Bytes that features may take on a device: a quarter of what is free on a GPU, or of the machine's memory.

    Args:
        device: The device.
    """
    if device.type == "cuda":
        return int(torch.cuda.mem_get_info(device)[0]) // 4
    try:
        return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") // 4
    except (AttributeError, OSError, ValueError):
        # Systems that do not tell.
        return Plan.features_bytes


@dataclass(frozen=True)
class SharedFeatures:
    """Features that several calls learn from: their axes are found once, for all rows.

    Args:
        features: ``[N, D]``.
    """

    features: Features
    _found: dict[tuple[Plan, bool], tuple[Basis, Kernel | None]] = field(default_factory=dict, repr=False)

    def basis(self, plan: Plan, *, free_bias: bool) -> tuple[Basis, Kernel | None]:
        """The axes of all rows, and what exact directions need of them.

        Args:
            plan: Where.
            free_bias: Whether the bias goes unpenalised.

        Raises:
            InputError: When features can't be learned from.
        """
        key = (plan, free_bias)
        if key not in self._found:
            self._found[key] = basis_of(self.features, torch.arange(len(self.features)), plan, free_bias=free_bias)
        return self._found[key]


def basis_of(features: Features, rows_n: Tensor, plan: Plan, *, free_bias: bool) -> tuple[Basis, Kernel | None]:
    """The axes of some rows, and what exact directions need of them.

    Args:
        features: ``[N, D]``.
        rows_n: The rows.
        plan: Where.
        free_bias: Whether the bias goes unpenalised.

    Raises:
        InputError: When features can't be learned from.
    """
    check(features, "features", plan.block)
    matrix = matrix_of(features, rows_n, plan, free_bias=free_bias)
    basis = turn(matrix, free_bias=free_bias, resident=plan.resident(len(rows_n), matrix.width))
    return basis, Kernel(basis) if Kernel.suits(basis, plan.memory_bytes) else None


def check_shapes(features: Features, problems: Problems) -> None:
    """Refuse features and targets of different numbers of rows.

    Raises:
        InputError: When they differ.
    """
    if len(features) != problems.target_TN.shape[1]:
        raise InputError(f"{len(features):,} rows of features for {problems.target_TN.shape[1]:,} targets")


def matrix_of(features: Features, rows_n: Tensor, plan: Plan, *, free_bias: bool) -> Matrix:
    """The rows of a batch: centred, or with a column of ones."""
    device = torch.device(plan.device)
    matrix = Matrix(features, rows_n.to(device), device, plan.block, ones=not free_bias)
    return matrix.centred() if free_bias else matrix


def solve_sides(
    make: MakeLoss,
    features: Features | SharedFeatures,
    problems: Problems,
    plan: Plan | None,
    names: Sequence[str] | None,
    *,
    free_bias: bool,
) -> Fits:
    """`solve` for targets of +1 and -1, after a look whether every fold holds both; `names` are for messages."""
    check_sides(problems, names)
    return solve(Family(make, _least_squares, _smaller, outputs=1, free_bias=free_bias), features, problems, plan)


def solve(family: Family, features: Features | SharedFeatures, problems: Problems, plan: Plan | None) -> Fits:
    """Solve problems of any loss.

    Args:
        family: What they are.
        features: ``[N, D]``.
        problems: The problems.
        plan: Where and how.

    Raises:
        InputError: When features can't be learned from.
    """
    plan = plan or Plan()
    device = torch.device(plan.device)
    array_ND = features.features if isinstance(features, SharedFeatures) else features
    check_shapes(array_ND, problems)
    fits = _empty(len(problems), family.outputs, array_ND.shape[1], device)
    if not len(problems):
        return fits
    target_TN, weight_TN = problems.target_TN.to(device), problems.weights().to(device)
    with threads_for(len(array_ND), array_ND.shape[1], len(problems) * family.outputs):
        if isinstance(features, SharedFeatures):
            basis, kernel = features.basis(plan, free_bias=family.free_bias)
        else:
            basis, kernel = basis_of(array_ND, problems.rows(), plan, free_bias=family.free_bias)
        rows_n = basis.matrix.rows_n
        together = max(1, plan.memory_bytes // (4 * _ARRAYS * family.outputs * len(rows_n)))
        warm_TKR = torch.zeros(len(target_TN), family.outputs, len(basis.spread_R), device=device)
        begun, exact = torch.zeros(2, len(target_TN), dtype=torch.bool, device=device)
        for part in track(list(_by_penalty(problems, together)), "classifiers"):
            own = problems.target_P[part].to(device)
            penalty_P11 = problems.penalty_P[part].to(device, torch.float32)[:, None, None]
            target_P1n = target_TN[own[:, None], rows_n][:, None]
            weight_P1n = weight_TN[own[:, None], rows_n][:, None] * penalty_P11
            cold = family.start(basis, target_P1n, weight_P1n)
            first = torch.where(begun[own][:, None, None], warm_TKR[own], cold)
            loss, share_P = family.make(target_P1n, weight_P1n), family.share(target_P1n, weight_P1n)
            found = minimise(loss, basis, kernel, first, exact[own], share_P, plan.settings)
            warm_TKR[own], begun[own], exact[own] = found.weight_PKR, True, found.exact_P
            _keep(fits, part.to(device), found, basis)
    return fits


def _empty(problems: int, outputs: int, width: int, device: torch.device) -> Fits:
    return Fits(
        torch.zeros(problems, outputs, width, device=device),
        torch.zeros(problems, outputs, device=device),
        torch.zeros(problems, dtype=torch.float64, device=device),
        torch.zeros(problems, device=device),
        torch.zeros(problems, dtype=torch.long, device=device),
        torch.zeros(problems, dtype=torch.bool, device=device),
    )


def _by_penalty(problems: Problems, together: int) -> Iterator[Tensor]:
    """Problems of every target's strongest penalty, then of the next (C rising): each starts where the one before
    ended. A target may have penalties of its own."""
    target_P = problems.target_P
    order = problems.penalty_P.argsort(stable=True)
    order = order[target_P[order].argsort(stable=True)]
    count_T = torch.bincount(target_P, minlength=len(problems.target_TN))
    rank_P = torch.empty_like(target_P)
    rank_P[order] = torch.arange(len(order)) - (count_T.cumsum(0) - count_T)[target_P[order]]
    for rank in rank_P.unique():
        yield from torch.nonzero(rank_P == rank)[:, 0].split(together)


def _keep(fits: Fits, part: Tensor, found: Minimum, basis: Basis) -> None:
    weight_GD, bias_G = basis.back(found.weight_PKR.flatten(0, 1))
    shape = found.weight_PKR.shape[:2]
    fits.weight_PKD[part], fits.bias_PK[part] = weight_GD.unflatten(0, shape), bias_G.unflatten(0, shape)
    fits.objective_P[part], fits.gradient_P[part] = found.objective_P, found.gradient_P
    fits.steps_P[part], fits.converged_P[part] = found.steps_P, found.converged_P


def _least_squares(basis: Basis, side_P1n: Tensor, weight_P1n: Tensor) -> Tensor:
    """Squared loss of all rows at their mean weight: a division in these axes, and near enough to start from."""
    gathered_PR = basis.gather((weight_P1n * side_P1n)[:, 0])
    mean_P1 = weight_P1n.mean(-1)
    return (2 * gathered_PR / (basis.penalised_R + 2 * mean_P1 * basis.spread_R))[:, None]


def _smaller(side_P1n: Tensor, weight_P1n: Tensor) -> Tensor:
    """Share of rows on the smaller side, as liblinear multiplies its tolerance by."""
    counted = weight_P1n > 0
    positive = ((side_P1n > 0) & counted).sum((1, 2))
    every = counted.sum((1, 2))
    return torch.minimum(positive, every - positive) / every
