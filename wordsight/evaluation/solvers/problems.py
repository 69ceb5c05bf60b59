"""What is to be solved, and what came of it: classes x penalties x folds x seeds as one list of problems."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from wordsight.errors import InputError


@dataclass(frozen=True)
class Problems:
    """Problems on the rows of one feature matrix; each is a target, a set of rows, a penalty.

    Args:
        target_TN: Targets of which each problem takes one: +1 and -1; for several classes the class's number; for ridge
            regression any number.
        rows_FN: Sets of rows of which each problem takes one: a fold's, a seed's; true where a row counts.
        target_P: Which target.
        rows_P: Which rows.
        penalty_P: liblinear's and scikit-learn's C, the weight of the summed loss beside w'w / 2; for ridge regression
            its alpha, the weight of w'w beside the summed squares.
        weight_TN: Weight of each row's loss in problems with each target; None for one.
    """

    target_TN: Tensor
    rows_FN: Tensor
    target_P: Tensor
    rows_P: Tensor
    penalty_P: Tensor
    weight_TN: Tensor | None = None

    def __len__(self) -> int:
        return len(self.penalty_P)

    def by_rows(self) -> Iterator[tuple[Tensor, Tensor]]:
        """For each set of rows that is used: numbers of its rows, numbers of its problems."""
        for f in range(len(self.rows_FN)):
            chosen = torch.nonzero(self.rows_P == f)[:, 0]
            if len(chosen):
                yield torch.nonzero(self.rows_FN[f])[:, 0], chosen

    def weights(self) -> Tensor:
        """Weight of each row in problems with each target, ``[T, N]``."""
        return torch.ones(self.target_TN.shape) if self.weight_TN is None else self.weight_TN.float()


def grid(
    target_TN: Tensor, penalties: Sequence[float], rows_FN: Tensor | None = None, weight_TN: Tensor | None = None
) -> Problems:
    """Every target with every set of rows and every penalty; penalties change fastest, then targets.

    Args:
        target_TN: Targets.
        penalties: C, or alpha for ridge regression.
        rows_FN: Sets of rows; None for one of all rows.
        weight_TN: Weight of each row for each target.

    Raises:
        InputError: When a penalty is not above zero, or shapes don't fit.
    """
    if not penalties or min(penalties) <= 0:
        raise InputError(f"penalties {list(penalties)}", expected="one or more, all above zero")
    rows_FN = torch.ones(1, target_TN.shape[1], dtype=torch.bool) if rows_FN is None else rows_FN.bool().cpu()
    for name, tensor in (("sets of rows", rows_FN), ("weights of rows", weight_TN)):
        if tensor is not None and tensor.shape[1] != target_TN.shape[1]:
            raise InputError(f"{name} are for {tensor.shape[1]:,} rows, targets for {target_TN.shape[1]:,}")
    sizes = [torch.arange(len(rows_FN)), torch.arange(len(target_TN)), torch.arange(len(penalties))]
    rows_P, target_P, penalty_P = torch.cartesian_prod(*sizes).reshape(-1, 3).T
    return Problems(
        target_TN.cpu(), rows_FN, target_P, rows_P, torch.tensor(penalties, dtype=torch.float64)[penalty_P], weight_TN
    )


def class_weights(target_TN: Tensor, positive: float, negative: float) -> Tensor:
    """Weight of each row by its side, as VISSL weights positives by two."""
    return torch.where(target_TN > 0, positive, negative)


def check_sides(problems: Problems, names: Sequence[str] | None = None) -> None:
    """Refuse targets that are not +1 and -1, and classes that a set of rows holds no positive or no negative of.

    Args:
        problems: The problems.
        names: Names of the targets, for messages.

    Raises:
        InputError: When there is one.
    """
    target_TN = problems.target_TN
    wrong = (target_TN != 1) & (target_TN != -1)
    if wrong.any():
        found = target_TN[wrong][0].item()
        raise InputError(f"a target is {found:g}", expected="+1 and -1", mend="leave ignored rows out by weight 0")
    weighted = problems.weights() > 0
    for side, word in ((1, "positive"), (-1, "negative")):
        count_FT = problems.rows_FN.float() @ ((target_TN == side) & weighted).float().T
        empty = torch.nonzero(count_FT[problems.rows_P, problems.target_P] == 0)[:, 0]
        if len(empty):
            fold, target = int(problems.rows_P[empty[0]]), int(problems.target_P[empty[0]])
            name = names[target] if names is not None else f"class {target}"
            raise InputError(
                f"no {word} of {name} in fold {fold}'s training rows",
                expected="at least one",
                mend="leave the class out, or use fewer folds",
            )


@dataclass(frozen=True)
class Fits:
    """What solving gave.

    Args:
        weight_PKD: Weights of the features; K is 1 but for several classes at once.
        bias_PK: Biases.
        objective_P: Value of the objective.
        gradient_P: Norm of its gradient, relative to that of weights of zero.
        steps_P: Newton steps that were taken.
        converged_P: Whether the stopping rule was met.
    """

    weight_PKD: Tensor
    bias_PK: Tensor
    objective_P: Tensor
    gradient_P: Tensor
    steps_P: Tensor
    converged_P: Tensor

    def scores(self, features_ND: Tensor, chosen: Tensor | None = None) -> Tensor:
        """Scores of rows in problems: ``[P, N]``, for several classes ``[P, K, N]``.

        Args:
            features_ND: Rows.
            chosen: Numbers of the problems; None for all.
        """
        weight_PKD = self.weight_PKD if chosen is None else self.weight_PKD[chosen]
        bias_PK = self.bias_PK if chosen is None else self.bias_PK[chosen]
        features_ND = features_ND.to(weight_PKD.device, torch.float32)
        scores_GN = weight_PKD.flatten(0, 1) @ features_ND.T
        scores_PKN = scores_GN.view(*bias_PK.shape, -1) + bias_PK[..., None]
        return scores_PKN[:, 0] if scores_PKN.shape[1] == 1 else scores_PKN
