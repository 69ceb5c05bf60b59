"""Ridge regression in closed form: sum_i c_i (w'x_i + b - y_i)² + alpha w'w, all penalties from one eigendecomposition.

The objective of scikit-learn's `Ridge`; the bias is not penalised, which centring by the weighted mean takes care of.
After the few-shot evaluator of big_vision (Zhai et al.), which solves it the same way.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, replace

import numpy as np
import torch
from torch import Tensor

from wordsight.evaluation.features.matrix import Features, check
from wordsight.evaluation.solvers.basis import Basis, turn
from wordsight.evaluation.solvers.batched import Plan, check_shapes, matrix_of
from wordsight.evaluation.solvers.problems import Fits, Problems

# Arrays of a number for each row that a target needs at once.
_ARRAYS = 8


def solve_ridge(features: Features, problems: Problems, plan: Plan | None = None) -> Fits:
    """Fit ridge regressions.

    Args:
        features: ``[N, D]``, float16 or float32.
        problems: Targets of any number, and alpha.
        plan: Where.

    Raises:
        InputError: When features can't be learned from.

    Examples:
        >>> from wordsight.evaluation.solvers import grid
        >>> features = torch.tensor([[0.0], [1.0], [2.0], [3.0]])
        >>> fits = solve_ridge(features, grid(torch.tensor([[1.0, 3.0, 5.0, 7.0]]), penalties=[1e-6]))
        >>> round(float(fits.weight_PKD), 2), round(float(fits.bias_PK), 2)
        (2.0, 1.0)
    """
    plan = plan or Plan()
    check_shapes(features, problems)
    check(features, "features", plan.block)
    device = torch.device(plan.device)
    count, width = len(problems), features.shape[1]
    weight_PKD, bias_PK = torch.zeros(count, 1, width, device=device), torch.zeros(count, 1, device=device)
    objective_P = torch.zeros(count, dtype=torch.float64, device=device)
    for targets, weight_N in _by_weights(problems):
        rows_n = torch.nonzero(weight_N > 0)[:, 0]
        root_n = weight_N[rows_n].to(device).sqrt()
        matrix = replace(matrix_of(features, rows_n, plan, free_bias=False), ones=False, scale_n=root_n).centred()
        basis = turn(matrix, free_bias=False, resident=False)
        for some in targets.split(max(1, plan.memory_bytes // (4 * _ARRAYS * len(rows_n)))):
            gathered = _gathered(basis, problems.target_TN[some][:, rows_n].to(device), root_n)
            place_T = torch.full((len(problems.target_TN),), -1).scatter_(0, some, torch.arange(len(some)))
            part = torch.nonzero(place_T[problems.target_P] >= 0)[:, 0]
            own = place_T[problems.target_P[part]].to(device)
            penalty_p1 = problems.penalty_P[part].to(device)[:, None]
            turned_pR = gathered.rows_TR[own] / (basis.spread_R + penalty_p1)
            # |Xv - y|² + alpha v'v at its minimum is y'y - v'X'y.
            objective_P[part] = gathered.squares_T[own] - (turned_pR * gathered.rows_TR[own]).sum(1)
            weight_pD, bias_p = basis.back(turned_pR.float())
            weight_PKD[part, 0], bias_PK[part, 0] = weight_pD, bias_p + gathered.mean_T[own]
    exact = torch.ones(count, dtype=torch.bool, device=device)
    none = torch.zeros(count, device=device)
    return Fits(weight_PKD, bias_PK, objective_P, none, none.long(), exact)


@dataclass(frozen=True)
class _CrossProducts:
    """What all penalties of some targets need: X'y, y'y and the mean, y being centred and weighted."""

    rows_TR: Tensor
    squares_T: Tensor
    mean_T: Tensor


def _gathered(basis: Basis, target_Tn: Tensor, root_n: Tensor) -> _CrossProducts:
    target_Tn = target_Tn.double()
    mean_T1 = (target_Tn * root_n**2).sum(1, keepdim=True) / (root_n**2).sum()
    rest_Tn = (target_Tn - mean_T1) * root_n
    return _CrossProducts(basis.gather(rest_Tn.float()).double(), (rest_Tn**2).sum(1), mean_T1[:, 0].float())


def _by_weights(problems: Problems) -> list[tuple[Tensor, Tensor]]:
    """Targets that share their rows' weights, and so an eigendecomposition; and the weights."""
    if problems.weight_TN is None:
        return [(torch.arange(len(problems.target_TN)), torch.ones(problems.target_TN.shape[1]))]
    alike: dict[bytes, list[int]] = {}
    for target, weight_N in enumerate(problems.weight_TN.float().cpu()):
        digest = hashlib.blake2b(np.ascontiguousarray(weight_N.numpy()).data).digest()
        alike.setdefault(digest, []).append(target)
    return [(torch.tensor(targets), problems.weight_TN[targets[0]].float().cpu()) for targets in alike.values()]
