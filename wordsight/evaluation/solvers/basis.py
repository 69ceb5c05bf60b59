"""Features turned to the axes of their own spread: the mechanism that all solvers share.

With X = U S Q' (a singular value decomposition, got from the eigenvectors of the smaller of X'X and XX') a penalty on
w'w is the same for v as for w = Qv, so that every problem can be solved for v. In these axes

- ridge regression is one division for each direction, whatever the penalty;
- the Hessian of a classifier's objective is nearly diagonal, so that conjugate gradients need few steps;
- no direction without spread is left, and there are no more directions than rows.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from wordsight.evaluation.features.matrix import Matrix

# Directions with less than this share of the largest eigenvalue are rounding, in single and in double precision.
_ROUNDING = {torch.float32: 1e-9, torch.float64: 1e-12}


@dataclass(frozen=True)
class Basis:
    """Rows in turned axes.

    Args:
        matrix: The rows as they came.
        spread_R: Sum over rows of the square of each direction; the last is the bias where it goes unpenalised.
        penalised_R: 1 for a direction that the penalty counts, 0 for the bias.
        turned_nR: The turned rows; None where they are read again for every product.
        axes_DR: The directions; None where rows are fewer than features.
        left_nR: There, U / S, by which the directions are X' times it.
    """

    matrix: Matrix
    spread_R: Tensor
    penalised_R: Tensor
    turned_nR: Tensor | None
    axes_DR: Tensor | None
    left_nR: Tensor | None

    @property
    def free_bias(self) -> bool:
        """Whether the last direction is a bias without penalty."""
        return not bool(self.penalised_R[-1])

    def scores(self, weight_GR: Tensor) -> Tensor:
        """X v for each v: ``[G, n]``."""
        if self.turned_nR is not None:
            return weight_GR @ self.turned_nR.T
        weight_GD, bias_G1 = self._back(weight_GR)
        parts = [weight_GD @ block_nD.T for _, block_nD in self.matrix.blocks()]
        return torch.cat(parts, 1) + bias_G1

    def gather(self, rows_Gn: Tensor) -> Tensor:
        """X' d for each d: ``[G, R]``."""
        if self.turned_nR is not None:
            return rows_Gn @ self.turned_nR
        assert self.axes_DR is not None
        total_GD = rows_Gn.new_zeros(len(rows_Gn), self.matrix.width)
        for part, block_nD in self.matrix.blocks():
            total_GD += rows_Gn[:, part] @ block_nD
        total_GR = total_GD @ self.axes_DR
        return torch.cat([total_GR, rows_Gn.sum(1, keepdim=True)], 1) if self.free_bias else total_GR

    def back(self, weight_GR: Tensor) -> tuple[Tensor, Tensor]:
        """Weights of the features as they came ``[G, D]``, and biases ``[G]``."""
        weight_GD, bias_G1 = self._back(weight_GR)
        bias_G = bias_G1[:, 0]
        if self.matrix.ones:
            weight_GD, bias_G = weight_GD[:, :-1], bias_G + weight_GD[:, -1]
        if self.matrix.shift_D is not None:
            bias_G = bias_G - weight_GD @ self.matrix.shift_D
        return weight_GD, bias_G

    def _back(self, weight_GR: Tensor) -> tuple[Tensor, Tensor]:
        bias_G1 = weight_GR[:, -1:] if self.free_bias else weight_GR.new_zeros(len(weight_GR), 1)
        weight_GR = weight_GR[:, :-1] if self.free_bias else weight_GR
        if self.axes_DR is not None:
            return weight_GR @ self.axes_DR.T, bias_G1
        assert self.left_nR is not None
        rows_Gn = weight_GR @ self.left_nR.T
        total_GD = weight_GR.new_zeros(len(weight_GR), self.matrix.width)
        for part, block_nD in self.matrix.blocks():
            total_GD += rows_Gn[:, part] @ block_nD
        return total_GD, bias_G1


def turn(matrix: Matrix, *, free_bias: bool, resident: bool) -> Basis:
    """Find the axes of rows.

    Args:
        matrix: The rows; centred where the bias is free, with a column of ones where it is penalised.
        free_bias: Whether an unpenalised bias follows the directions.
        resident: Whether the turned rows are kept on the device; otherwise they are read again for every product. Where
            rows are fewer than features they are kept anyway: turned, they are a square.
    """
    turned_nR: Tensor | None = None
    if len(matrix) < matrix.width:
        spread_R, left_nR = _eigen(_gram_of_rows(matrix))
        turned_nR = (left_nR * spread_R.sqrt()).float()
        turned_nR = _with_bias(turned_nR) if free_bias else turned_nR
        axes_DR, left = None, (left_nR / spread_R.sqrt()).float()
    else:
        gram_DD = torch.zeros(matrix.width, matrix.width, device=matrix.device)
        for _, block_nD in matrix.blocks():
            gram_DD += block_nD.T @ block_nD
        spread_R, axes_DR = _eigen(gram_DD)
        left = None
        if resident:
            # One by one into their place: whole copies of large features would be memory for nothing.
            turned_nR = torch.ones(len(matrix), len(spread_R) + free_bias, device=matrix.device)
            for part, block_nD in matrix.blocks():
                turned_nR[part, : len(spread_R)] = block_nD @ axes_DR
    penalised_R = torch.ones(len(spread_R), device=matrix.device)
    if free_bias:
        count = spread_R.new_tensor([float(len(matrix))])
        spread_R, penalised_R = torch.cat([spread_R, count]), torch.cat([penalised_R, penalised_R.new_zeros(1)])
    return Basis(matrix, spread_R.float(), penalised_R, turned_nR, axes_DR, left)


def _with_bias(turned_nR: Tensor) -> Tensor:
    return torch.cat([turned_nR, turned_nR.new_ones(len(turned_nR), 1)], 1)


def _gram_of_rows(matrix: Matrix) -> Tensor:
    """XX' in double precision: its eigenvectors become the rows, and rounding would change them."""
    gram_nn = torch.zeros(len(matrix), len(matrix), dtype=torch.float64, device=matrix.device)
    for part, block_nD in matrix.blocks():
        first_nD = block_nD.double()
        for other, second_nD in matrix.blocks():
            if other.start > part.start:
                break
            products = first_nD @ second_nD.double().T
            gram_nn[part, other], gram_nn[other, part] = products, products.T
    return gram_nn


def _eigen(gram: Tensor) -> tuple[Tensor, Tensor]:
    values, vectors = torch.linalg.eigh(gram)
    kept = values > _ROUNDING[gram.dtype] * values[-1]
    return values[kept], vectors[:, kept]
