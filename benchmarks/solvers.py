"""Linear classifiers by the hundred, solved together, against a loop over scikit-learn on the same cores.

    python benchmarks/solvers.py                               # 1,200 x 512, 6 classes, 4 penalties, 3 folds
    python benchmarks/solvers.py --size voc                    # 5,011 x 2,048, 20 classes, 11 penalties, 3 folds
    python benchmarks/solvers.py --size voc-wide --every 7     # 5,011 x 8,192; scikit-learn fits every 7th problem
    python benchmarks/solvers.py --features features.npy --targets targets.npy  # [N, D]; [N, K] of 1, 0

Ours solves the problems of all folds together. The loop is joblib's `Parallel` over all problems; with one core it is a
plain loop. References: liblinear on the dual problem as VISSL calls it, on the primal
problem, L-BFGS as it comes (a tolerance of 1e-4, at which it often stops early) and L-BFGS to 1e-7.

Features are made to be as badly conditioned as a network's: a power law of spread over mixed directions, cut at zero,
of unit length; that is an imitation, and `--features` takes real ones.

At weak penalties L-BFGS at 1e-7 has not quite arrived either (its objective is above ours by up to 2e-5); at 1e-9 the
average precision agrees to a hundredth of a point.

`objective` is ours over scikit-learn's, less one: below zero where ours is lower. `AP` is the largest difference in
average precision, in points, on the rows that a fold leaves out.
"""

from __future__ import annotations

import argparse
import time
import warnings
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import record
import torch
from rich.console import Console

from wordsight.evaluation.metrics.classification import average_precision
from wordsight.evaluation.solvers import Fits, Plan, Problems, class_weights, grid, solve_logistic, solve_squared_hinge

VISSL = [0.01, 0.1, 1.0, 2.0, 5.0, 10.0, 15.0, 20.0, 50.0, 100.0, 1000.0]
WEIGHTS = {1: 2, -1: 1}
# Rows, width, classes, penalties.
SIZES = {
    "small": (1200, 512, 6, [0.1, 1.0, 10.0, 100.0]),
    "middle": (2200, 1024, 20, VISSL),
    "voc": (5011, 2048, 20, VISSL),
    "voc-wide": (5011, 8192, 20, VISSL),
}
TOLERANCE = {"liblinear-dual": 1e-4, "liblinear-primal": 1e-4, "lbfgs": 1e-4, "lbfgs-tight": 1e-7}


def made(rows: int, width: int, classes: int, decay: float) -> tuple[torch.Tensor, torch.Tensor]:
    """Features whose spread falls as a power of the direction's number, and sides that they tell apart in part."""
    drawn = torch.Generator().manual_seed(0)
    side_TN = (torch.rand(classes, rows, generator=drawn) < 0.08) * 2 - 1
    latent = torch.randn(rows, width, generator=drawn)
    latent += (side_TN.T > 0).float() @ torch.randn(classes, width, generator=drawn) * 0.2
    latent *= torch.arange(1, width + 1) ** (-decay / 2)
    mixed = latent @ torch.linalg.qr(torch.randn(width, width, generator=drawn))[0]
    features = torch.relu(mixed / mixed.std() + 0.3 * torch.randn(width, generator=drawn) - 0.2)
    return features / features.norm(dim=1, keepdim=True), side_TN


def fit(features: Any, side: Any, penalty: float, reference: str) -> Any:
    """One problem by scikit-learn."""
    from sklearn.linear_model import LogisticRegression
    from sklearn.svm import LinearSVC

    warnings.simplefilter("ignore")
    settings: dict[str, Any] = {"C": penalty, "class_weight": WEIGHTS, "tol": TOLERANCE[reference]}
    if reference.startswith("lbfgs"):
        return LogisticRegression(**settings, max_iter=5000).fit(features, side)
    return LinearSVC(**settings, dual=reference == "liblinear-dual", max_iter=2000).fit(features, side)


def objective(model: Any, features: Any, side: Any, penalty: float) -> float:
    """The value that scikit-learn's model has."""
    margin, weight = side * model.decision_function(features), np.where(side > 0, 2, 1)
    penalised = (model.coef_**2).sum()
    if type(model).__name__ == "LogisticRegression":
        return float(penalised / 2 + penalty * (weight * np.logaddexp(0, -margin)).sum())
    penalised += (model.intercept_**2).sum()
    return float(penalised / 2 + penalty * (weight * np.maximum(1 - margin, 0) ** 2).sum())


@dataclass
class Clock:
    """Seconds that passed and seconds of this process's cores."""

    wall: float = 0.0
    cores: float = 0.0
    _begun: tuple[float, float] = field(default=(0.0, 0.0))

    def __enter__(self) -> None:
        self._begun = time.perf_counter(), time.process_time()

    def __exit__(self, *_: object) -> None:
        self.wall += time.perf_counter() - self._begun[0]
        self.cores += time.process_time() - self._begun[1]


@dataclass
class Found:
    """Of one problem: its penalty, how objective and precision differ."""

    penalty: float
    gap: float
    precision: float


def compare_fits(fits: Fits, models: dict[int, Any], problems: Problems, features: torch.Tensor) -> list[Found]:
    """How scikit-learn's models and ours differ."""
    found = []
    array = features.numpy().astype(np.float64)
    for p, model in models.items():
        rows = (problems.weights()[problems.target_P[p]] > 0).numpy()
        side = problems.target_TN[problems.target_P[p]].numpy()
        penalty = float(problems.penalty_P[p])
        gap = float(fits.objective_P[p]) / objective(model, array[rows], side[rows], penalty) - 1
        ours = fits.scores(features[~rows], torch.tensor([p]))[0].cpu().numpy()
        pair = [average_precision(each, side[~rows] > 0) for each in (ours, model.decision_function(array[~rows]))]
        found.append(Found(penalty, gap, abs(pair[0] - pair[1])))
    return found


def record_row(
    reference: str, size: tuple[int, ...], clocks: tuple[Clock, Clock], found: list[Found], options: argparse.Namespace
) -> None:
    """Seconds of both, and how the solutions differ: of the processor where both have one core, else by the clock."""
    alone = options.jobs == 1 and options.device == "cpu"
    clock_of = f"the clock, {options.jobs} cores" + ("" if options.device == "cpu" else f", {options.device}")
    ours, theirs = (clock.cores if alone else clock.wall for clock in clocks)
    record.append(
        "solvers",
        {
            "problems": "logistic regression" if reference.startswith("lbfgs") else "linear SVM",
            "rows": size[0],
            "width": size[1],
            "against": reference,
            "by": "processor" if alone else clock_of,
        },
        {
            "ours": f"{ours:.3g}",
            "scikit-learn": f"{theirs:.0f}",
            "x": f"{theirs / ours:.1f}",
            "objective": f"{min(each.gap for each in found):+.1e} to {max(each.gap for each in found):+.1e}",
            "average precision": f"{max(each.precision for each in found):.3f}",
        },
        seeds=[0],
    )


def compare(
    features: torch.Tensor, problems: Problems, reference: str, options: argparse.Namespace, console: Console
) -> None:
    """Time both, and print how they differ."""
    from sklearn.utils.parallel import Parallel, delayed

    solve = solve_logistic if reference.startswith("lbfgs") else solve_squared_hinge
    ours, theirs = Clock(), Clock()
    with ours:
        fits = solve(features, problems, Plan(device=options.device))
    converged = int(fits.converged_P.sum())
    array = features.numpy().astype(np.float64)
    rows_TN, side_TN = (problems.weights() > 0).numpy(), problems.target_TN.numpy()
    jobs = [
        (p, int(problems.target_P[p]), float(problems.penalty_P[p])) for p in range(0, len(problems), options.every)
    ]
    # The rows of a fold, taken once for all its problems.
    parts = {rows_TN[target].tobytes(): array[rows_TN[target]] for _, target, _ in jobs}
    with theirs:
        models = Parallel(n_jobs=options.jobs)(
            delayed(fit)(parts[rows_TN[target].tobytes()], side_TN[target][rows_TN[target]], penalty, reference)
            for _, target, penalty in jobs
        )
    fitted = len(jobs)
    found = compare_fits(fits, {p: model for (p, _, _), model in zip(jobs, models, strict=True)}, problems, features)
    count = len(problems)
    share = count / fitted
    said = "" if share == 1 else f" (of {fitted} fits, scaled to {count})"
    theirs.wall, theirs.cores = theirs.wall * share, theirs.cores * share
    line = f"{reference}: {theirs.wall:.1f} s{said}, ours {ours.wall:.1f} s, ratio {theirs.wall / ours.wall:.1f}"
    if options.jobs == 1 and options.device == "cpu":
        line += f"; of cores {theirs.cores:.1f} s and {ours.cores:.1f} s, ratio {theirs.cores / ours.cores:.1f}"
    console.print(line)
    console.print(
        f"  {converged} of {count} converged; objective {min(each.gap for each in found):+.1e} to "
        f"{max(each.gap for each in found):+.1e}; AP {max(each.precision for each in found):.3f}"
    )
    if options.record:
        record_row(reference, features.shape, (ours, theirs), found, options)
    for penalty in sorted({each.penalty for each in found}) if options.by_penalty else []:
        own = [each for each in found if each.penalty == penalty]
        least, most = min(each.gap for each in own), max(each.gap for each in own)
        console.print(
            f"  C {penalty:g}: objective {least:+.1e} to {most:+.1e}, AP {max(each.precision for each in own):.3f}"
        )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--size", choices=list(SIZES), default="small")
    parser.add_argument("--rows", type=int)
    parser.add_argument("--width", type=int)
    parser.add_argument("--classes", type=int)
    parser.add_argument("--penalties", type=float, nargs="+")
    parser.add_argument("--folds", type=int, default=3)
    parser.add_argument("--decay", type=float, default=1.2, help="power by which made features' spread falls")
    parser.add_argument("--references", choices=list(TOLERANCE), nargs="+", default=list(TOLERANCE))
    parser.add_argument("--every", type=int, default=1, help="scikit-learn fits every so manieth problem only")
    parser.add_argument("--by-penalty", action="store_true", help="differences for each penalty too")
    parser.add_argument("--jobs", type=int, default=1, help="cores for both")
    parser.add_argument("--device", default="cpu", help="for ours")
    parser.add_argument("--features", type=Path)
    parser.add_argument("--targets", type=Path)
    parser.add_argument("--record", action="store_true", help="append the rows to benchmarks/results/solvers.csv")
    options = parser.parse_args()
    torch.set_num_threads(options.jobs)
    rows, width, classes, penalties = SIZES[options.size]
    if options.features is not None:
        features = torch.from_numpy(np.load(options.features, allow_pickle=False).astype(np.float32))
        features = features / features.norm(dim=1, keepdim=True).clamp_min(1e-12)
        if options.targets is None:
            parser.error("--features needs --targets")
        side_TN = torch.from_numpy((np.load(options.targets, allow_pickle=False) == 1).T * 2 - 1)
    else:
        sizes = options.rows or rows, options.width or width, options.classes or classes
        features, side_TN = made(*sizes, options.decay)
    weight_TN = class_weights(side_TN, 2.0, 1.0)
    fold_N = torch.arange(len(features)) % max(options.folds, 3)
    rows_FN = torch.stack([fold_N != fold for fold in range(options.folds)])
    problems = grid(side_TN, options.penalties or penalties, rows_FN, weight_TN)
    console = Console(highlight=False, soft_wrap=True)
    console.print(
        f"{len(problems)} problems, {len(features):,} x {features.shape[1]:,}, {options.jobs} core(s), {options.device}"
    )
    for reference in options.references:
        compare(features, problems, reference, options, console)


if __name__ == "__main__":
    main()
