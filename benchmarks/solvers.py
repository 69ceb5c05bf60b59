"""Linear classifiers by the hundred, solved together, against a loop over scikit-learn on the same cores.

    python benchmarks/solvers.py --rows 2000 --width 1024 --classes 5 --penalties 0.01 1 10 1000
    python benchmarks/solvers.py --rows 5011 --width 2048 --classes 20          # the sizes of VOC 2007
    python benchmarks/solvers.py --features features.npy --targets targets.npy  # [N, D]; [N, K] of 1, 0

The loop is joblib's `Parallel` over all problems. `--reference` says by what: liblinear on the dual problem as VISSL
calls it, on the primal problem, or L-BFGS. Features are made as a network's are: no negatives, many zeros, unit length.
`gap` is our objective over scikit-learn's, less one: below zero where ours is lower. `AP` is the largest difference in
average precision on the rows that a fold leaves out.
"""

from __future__ import annotations

import argparse
import time
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import torch
from rich.console import Console

from wordsight.evaluation.metrics import average_precision
from wordsight.evaluation.solvers import Plan, Problems, class_weights, grid, solve_logistic, solve_squared_hinge

VISSL = [0.01, 0.1, 1.0, 2.0, 5.0, 10.0, 15.0, 20.0, 50.0, 100.0, 1000.0]
WEIGHTS = {1: 2, -1: 1}


def made(rows: int, width: int, classes: int) -> tuple[torch.Tensor, torch.Tensor]:
    """Features and sides of classes that they tell apart in part."""
    drawn = torch.Generator().manual_seed(0)
    side_TN = (torch.rand(classes, rows, generator=drawn) < 0.08) * 2 - 1
    lean = (side_TN.T > 0).float() @ (torch.randn(classes, width, generator=drawn) / 4)
    spread = torch.rand(width, generator=drawn) ** 2
    features = torch.relu((torch.randn(rows, width, generator=drawn) + lean - 0.5) * spread)
    return features / features.norm(dim=1, keepdim=True), side_TN


def fit(features: Any, side: Any, penalty: float, reference: str, tolerance: float) -> Any:
    """One problem by scikit-learn."""
    from sklearn.linear_model import LogisticRegression
    from sklearn.svm import LinearSVC

    warnings.simplefilter("ignore")
    if reference == "lbfgs":
        model = LogisticRegression(C=penalty, class_weight=WEIGHTS, tol=tolerance, max_iter=2000)
    else:
        model = LinearSVC(
            C=penalty, class_weight=WEIGHTS, dual=reference == "liblinear-dual", tol=tolerance, max_iter=2000
        )
    return model.fit(features, side)


def objective(model: Any, features: Any, side: Any, penalty: float, reference: str) -> float:
    """The value that scikit-learn's model has."""
    margin, weight = side * model.decision_function(features), np.where(side > 0, 2, 1)
    penalised = (model.coef_**2).sum()
    if reference == "lbfgs":
        return float(penalised / 2 + penalty * (weight * np.logaddexp(0, -margin)).sum())
    penalised += (model.intercept_**2).sum()
    return float(penalised / 2 + penalty * (weight * np.maximum(1 - margin, 0) ** 2).sum())


def compare(features: torch.Tensor, problems: Problems, options: argparse.Namespace, console: Console) -> None:
    """Time both and print how they differ."""
    from sklearn.utils.parallel import Parallel, delayed

    solve = solve_logistic if options.reference == "lbfgs" else solve_squared_hinge
    begun = time.perf_counter()
    fits = solve(features, problems, Plan(device=options.device))
    ours = time.perf_counter() - begun
    array = features.numpy().astype(np.float64)
    rows = [problems.rows_FN[f].numpy() for f in problems.rows_P]
    sides = [problems.target_TN[t].numpy() for t in problems.target_P]
    penalties = problems.penalty_P.tolist()
    console.print(
        f"ours: {ours:.1f} s, {int(fits.converged_P.sum())} of {len(fits.converged_P)} converged, "
        f"{int(fits.steps_P.sum())} Newton steps"
    )
    begun = time.perf_counter()
    models = Parallel(n_jobs=options.jobs)(
        delayed(fit)(array[each], side[each], penalty, options.reference, options.tolerance)
        for each, side, penalty in zip(rows, sides, penalties, strict=True)
    )
    theirs = time.perf_counter() - begun
    console.print(f"{options.reference}: {theirs:.1f} s; ratio {theirs / ours:.1f}")
    scores_PN = fits.scores(features).cpu().numpy()
    gaps, differences = [], []
    for p, (each, side, penalty) in enumerate(zip(rows, sides, penalties, strict=True)):
        value = objective(models[p], array[each], side[each], penalty, options.reference)
        gaps.append(float(fits.objective_P[p]) / value - 1)
        theirs_N = models[p].decision_function(array[~each])
        pair = [average_precision(scores, side[~each] > 0) for scores in (scores_PN[p][~each], theirs_N)]
        differences.append(abs(pair[0] - pair[1]))
    for penalty in sorted(set(penalties)):
        own = [p for p, each in enumerate(penalties) if each == penalty]
        least, most = min(gaps[p] for p in own), max(gaps[p] for p in own)
        console.print(f"C {penalty:g}: gap {least:+.1e} to {most:+.1e}, AP {max(differences[p] for p in own):.3f}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, default=2000)
    parser.add_argument("--width", type=int, default=1024)
    parser.add_argument("--classes", type=int, default=5)
    parser.add_argument("--folds", type=int, default=3)
    parser.add_argument("--penalties", type=float, nargs="+", default=VISSL)
    parser.add_argument(
        "--reference", choices=["liblinear-dual", "liblinear-primal", "lbfgs"], default="liblinear-dual"
    )
    parser.add_argument("--tolerance", type=float, default=1e-4, help="scikit-learn's")
    parser.add_argument("--jobs", type=int, default=2)
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--features", type=Path)
    parser.add_argument("--targets", type=Path)
    options = parser.parse_args()
    torch.set_num_threads(options.jobs)
    if options.features is not None:
        features = torch.from_numpy(np.load(options.features, allow_pickle=False).astype(np.float32))
        features = features / features.norm(dim=1, keepdim=True).clamp_min(1e-12)
        if options.targets is None:
            parser.error("--features needs --targets")
        side_TN = torch.from_numpy((np.load(options.targets, allow_pickle=False) == 1).T * 2 - 1)
    else:
        features, side_TN = made(options.rows, options.width, options.classes)
    rows_FN = torch.stack([torch.arange(len(features)) % options.folds != fold for fold in range(options.folds)])
    problems = grid(side_TN, options.penalties, rows_FN, class_weights(side_TN, 2.0, 1.0))
    console = Console(highlight=False)
    console.print(f"{len(problems)} problems, {len(features):,} x {features.shape[1]:,}")
    compare(features, problems, options, console)


if __name__ == "__main__":
    main()
