"""Ridge regression in closed form: sum_i c_i (w'x_i + b - y_i)² + alpha w'w, all penalties from one eigendecomposition.

The objective of scikit-learn's `Ridge`; the bias is not penalised, which centring by the weighted mean takes care of.
After the few-shot evaluator of big_vision (Zhai et al.), which solves it the same way.
"""

from __future__ import annotations

from dataclasses import replace

import torch
from torch import Tensor

from wordsight.evaluation.solvers.basis import turn
from wordsight.evaluation.solvers.batch import Plan, check_shapes, matrix_of
from wordsight.evaluation.solvers.matrix import Features, check
from wordsight.evaluation.solvers.problems import Fits, Problems


def solve_ridge(features: Features, problems: Problems, plan: Plan | None = None) -> Fits:
    """Fit ridge regressions.

    Args:
        features: ``[N, D]``, float16 or float32.
        problems: Targets of any number, and alpha.
        plan: Where.

    Raises:
        InputError: When features can't be learned from.
    """
    plan = plan or Plan()
    check_shapes(features, problems)
    check(features, "features", plan.block)
    device = torch.device(plan.device)
    count, width = len(problems), features.shape[1]
    weight_PKD, bias_PK = torch.zeros(count, 1, width, device=device), torch.zeros(count, 1, device=device)
    objective_P = torch.zeros(count, dtype=torch.float64, device=device)
    for rows_n, chosen, weight_n in _by_weights(problems):
        part = chosen.to(device)
        root_n = weight_n.to(device, torch.float32).sqrt()
        matrix = replace(matrix_of(features, rows_n, plan, free_bias=False), ones=False, scale_n=root_n).centred()
        basis = turn(matrix, free_bias=False, resident=False)
        target_Tn = problems.target_TN[problems.target_P[chosen]][:, rows_n].to(device, torch.float64)
        mean_T1 = (target_Tn * root_n**2).sum(1, keepdim=True) / (root_n**2).sum()
        rest_Tn = ((target_Tn - mean_T1) * root_n).float()
        penalty_T1 = problems.penalty_P[chosen].to(device, torch.float32)[:, None]
        turned_TR = basis.gather(rest_Tn) / (basis.spread_R + penalty_T1)
        misses_T = ((basis.scores(turned_TR) - rest_Tn).double() ** 2).sum(1)
        objective_P[part] = misses_T + (penalty_T1 * turned_TR**2).sum(1)
        weight_TD, bias_T = basis.back(turned_TR)
        weight_PKD[part, 0], bias_PK[part, 0] = weight_TD, bias_T + mean_T1[:, 0].float()
    exact = torch.ones(count, dtype=torch.bool, device=device)
    none = torch.zeros(count, device=device)
    return Fits(weight_PKD, bias_PK, objective_P, none, none.long(), exact)


def _by_weights(problems: Problems) -> list[tuple[Tensor, Tensor, Tensor]]:
    """Problems that share rows and the rows' weights: rows, problems, weights. They share an eigendecomposition."""
    found = []
    for rows_n, chosen in problems.by_rows():
        if problems.weight_TN is None:
            found.append((rows_n, chosen, torch.ones(len(rows_n))))
            continue
        weight_Pn = problems.weight_TN[problems.target_P[chosen]][:, rows_n]
        distinct, which_P = torch.unique(weight_Pn, dim=0, return_inverse=True)
        found += [(rows_n, chosen[which_P == i], distinct[i]) for i in range(len(distinct))]
    return found
