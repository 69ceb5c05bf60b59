"""Newton's direction of a support vector machine exactly, from the rows that are inside the margin.

Only they curve the objective. With K = VV' of all rows, W the curvature of the m active ones and g the gradient, the
Hessian is H = I + V_A' W V_A, and by Woodbury's identity

    H^-1 g = g - V_A' (W^-1 + K_AA)^-1 V_A g

a Cholesky decomposition of m x m. At a weak penalty few rows are active and conjugate gradients are slow, so that this
is the cheaper; K serves all classes and penalties. After Chapelle (2007), "Training a support vector machine in the
primal", section 3, where the set is found by Newton's method too.
"""

from __future__ import annotations

import torch
from torch import Tensor

from wordsight.evaluation.solvers.basis import Basis

# A product of conjugate gradients is four operations for a number of the rows, and a fifth for what goes with it.
_PRODUCT = 5
# A direction found here takes as long as these products besides its decomposition.
_BESIDES = 4


class Kernel:
    """K of a basis, computed when it is first asked for.

    Args:
        basis: Rows turned to their axes, all of them penalised and kept on the device.
    """

    def __init__(self, basis: Basis) -> None:
        self.basis = basis
        self._gram_nn: Tensor | None = None
        self._rows, self._square = torch.empty(0), torch.empty(0)

    @staticmethod
    def suits(basis: Basis, memory_bytes: int) -> bool:
        """Whether the basis has what it takes, and three squares of its rows fit into memory."""
        rows = len(basis.matrix)
        return basis.turned_nR is not None and not basis.free_bias and 3 * 4 * rows**2 <= memory_bytes

    def cost(self, curvature_PKn: Tensor) -> Tensor:
        """Products of conjugate gradients that take as long as an exact direction, ``[P]``."""
        active_P = (curvature_PKn > 0).sum((1, 2)).double()
        product = _PRODUCT * len(self.basis.matrix) * len(self.basis.spread_R)
        return (active_P**3 / 3 / product + _BESIDES).long()

    def direction(self, curvature_PKn: Tensor, gradient_PKR: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Find a direction.

        Args:
            curvature_PKn: Curvature, K = 1; zero in rows beyond the margin.
            gradient_PKR: The objective's gradient.

        Returns:
            The direction, what it changes the scores by, and where rounding has not spoilt it.
        """
        basis = self.basis
        gradient_PR = gradient_PKR[:, 0]
        score_Pn = basis.scores(gradient_PR)
        solved_Pn = torch.zeros_like(score_Pn)
        sound_P = torch.ones(len(score_Pn), dtype=torch.bool, device=score_Pn.device)
        for p, curvature_n in enumerate(curvature_PKn[:, 0]):
            active = torch.nonzero(curvature_n > 0)[:, 0]
            if not len(active):
                continue
            square = self._among(active)
            square.diagonal().add_(1 / curvature_n[active])
            factor, failed = torch.linalg.cholesky_ex(square)
            sound_P[p] = failed == 0
            solved_Pn[p, active] = torch.cholesky_solve(score_Pn[p, active, None], factor)[:, 0]
        way_PR = basis.gather(solved_Pn) - gradient_PR
        sound_P &= (way_PR * gradient_PR).sum(1) < 0
        return way_PR[:, None], basis.scores(way_PR)[:, None], sound_P

    def _among(self, active: Tensor) -> Tensor:
        """K of the active rows, in memory that is used again: asking for it anew takes longer than to fill it."""
        if self._gram_nn is None:
            assert self.basis.turned_nR is not None
            self._gram_nn = self.basis.turned_nR @ self.basis.turned_nR.T
            self._rows, self._square = (self._gram_nn.new_empty(self._gram_nn.numel()) for _ in range(2))
        every, count = len(self._gram_nn), len(active)
        rows = torch.index_select(self._gram_nn, 0, active, out=self._rows[: count * every].view(count, every))
        return torch.index_select(rows, 1, active, out=self._square[: count**2].view(count, count))
