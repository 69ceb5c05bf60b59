"""What is to be solved, and what came of it: classes x penalties x folds x seeds as one list of problems."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from wordsight.errors import InputError


@dataclass(frozen=True)
class Problems:
    """Problems on the rows of one feature matrix; each is a target under a penalty.

    What a fold or a seed leaves out has weight 0 in targets of its own, so that the problems of all folds are solved
    together.

    Args:
        target_TN: Targets of which each problem takes one: +1 and -1; for several classes the class's number; for ridge
            regression any number.
        target_P: Which target.
        penalty_P: liblinear's and scikit-learn's C, the weight of the summed loss beside w'w / 2; for ridge regression
            its alpha, the weight of w'w beside the summed squares.
        weight_TN: Weight of each row's loss in problems with each target; None for one.
        folds: So many times the targets come, one fold's after the other's; for messages.
    """

    target_TN: Tensor
    target_P: Tensor
    penalty_P: Tensor
    weight_TN: Tensor | None = None
    folds: int = 1

    def __len__(self) -> int:
        return len(self.penalty_P)

    def weights(self) -> Tensor:
        """Weight of each row in problems with each target, ``[T, N]``."""
        if self.weight_TN is None:
            return torch.ones(1, 1).expand(self.target_TN.shape)
        return self.weight_TN.float()

    def rows(self) -> Tensor:
        """Numbers of the rows that have a weight in any problem, ``[n]``."""
        if self.weight_TN is None:
            return torch.arange(self.target_TN.shape[1])
        return torch.nonzero((self.weight_TN > 0).any(0))[:, 0]

    def of_fold(self, target: int) -> tuple[int, int]:
        """The fold of a target, and its number in the fold."""
        return divmod(target, len(self.target_TN) // self.folds)


def grid(
    target_TN: Tensor, penalties: Sequence[float], rows_FN: Tensor | None = None, weight_TN: Tensor | None = None
) -> Problems:
    """Every target with every set of rows and every penalty; penalties change fastest, then targets.

    Args:
        target_TN: Targets.
        penalties: C, or alpha for ridge regression.
        rows_FN: Sets of rows, true where a row counts: a fold's, a seed's; None for one of all rows.
        weight_TN: Weight of each row for each target.

    Raises:
        InputError: When a penalty is not above zero, or shapes don't fit.

    Examples:
        >>> problems = grid(torch.tensor([[-1, 1, 1], [1, -1, 1]]), penalties=[0.1, 1.0, 10.0])
        >>> len(problems), problems.target_P.tolist()
        (6, [0, 0, 0, 1, 1, 1])
    """
    if not penalties or min(penalties) <= 0:
        raise InputError(f"penalties {list(penalties)}", expected="one or more, all above zero")
    for name, tensor in (("sets of rows", rows_FN), ("weights of rows", weight_TN)):
        if tensor is not None and tensor.shape[1] != target_TN.shape[1]:
            raise InputError(f"{name} are for {tensor.shape[1]:,} rows, targets for {target_TN.shape[1]:,}")
    target_TN, folds = target_TN.cpu(), 1
    if rows_FN is not None:
        own_TN = torch.ones(target_TN.shape) if weight_TN is None else weight_TN.float().cpu()
        folds = len(rows_FN)
        weight_TN = (rows_FN.cpu().float()[:, None] * own_TN).flatten(0, 1)
        target_TN = target_TN.repeat(folds, 1)
    target_P = torch.arange(len(target_TN)).repeat_interleave(len(penalties))
    penalty_P = torch.tensor(penalties, dtype=torch.float64).repeat(len(target_TN))
    return Problems(target_TN, target_P, penalty_P, weight_TN, folds)


def class_weights(target_TN: Tensor, positive: float, negative: float) -> Tensor:
    """Weight of each row by its side, as VISSL weights positives by two."""
    return torch.where(target_TN > 0, positive, negative)


def check_sides(problems: Problems, names: Sequence[str] | None = None) -> None:
    """Refuse targets that are not +1 and -1, and classes that a fold holds no positive or no negative of.

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
        count_T = ((target_TN == side) & weighted).sum(1)
        empty = torch.nonzero(count_T[problems.target_P] == 0)[:, 0]
        if len(empty):
            fold, target = problems.of_fold(int(problems.target_P[empty[0]]))
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
