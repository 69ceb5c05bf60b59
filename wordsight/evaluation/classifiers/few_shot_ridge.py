"""Ridge regression on a handful of images, its penalty chosen by leaving each image out: all in closed form.

With features X (centred), targets Y (centred) and X X' = U E U', the fitted values under the penalty alpha are H Y with
H = U E / (E + alpha) U' + 1 1' / n, and the error that the fit without image i makes on it is (y_i - f_i) / (1 - H_ii)
(Allen 1974): no fit has to be made again.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

# Directions with less of the spread than this are rounding.
_ROUNDING = 1e-10


@dataclass(frozen=True)
class ShotRidge:
    """A fitted ridge regression.

    Args:
        penalty: The one that was chosen, as a share of the features' own spread.
        errors: The mean square of the errors on images left out, for each penalty.
        weight_DK: Weights.
        bias_K: Biases.
    """

    penalty: float
    errors: list[float]
    weight_DK: Tensor
    bias_K: Tensor

    def scores(self, features_MD: Tensor) -> Tensor:
        """Scores of images, ``[M, K]``."""
        return features_MD.double() @ self.weight_DK + self.bias_K


def fit_shots(features_nD: Tensor, target_nK: Tensor, penalties: Sequence[float]) -> ShotRidge:
    """Choose a penalty by the squared error on images left out, and fit.

    Args:
        features_nD: Features of the drawn images.
        target_nK: +1 and -1, and 0 where a label is to be ignored: there the fit is drawn to the class's mean.
        penalties: What is tried, each a share of the mean squared distance of an image from the mean of all: alpha is
            that times the distance.
    """
    features_nD, target_nK = features_nD.double(), target_nK.double()
    counted_nK = target_nK != 0
    mean_D = features_nD.mean(0)
    mean_K = target_nK.sum(0) / counted_nK.sum(0).clamp_min(1)
    centred_nD = features_nD - mean_D
    rest_nK = (target_nK - mean_K) * counted_nK
    axes_nR, spread_R = _axes(centred_nD)
    turned_RK = axes_nR.T @ rest_nK
    unit = float((centred_nD**2).sum() / len(features_nD)) or 1.0
    errors = []
    for penalty in penalties:
        share_R = spread_R / (spread_R + penalty * unit)
        fitted_nK = axes_nR @ (share_R[:, None] * turned_RK)
        own_n1 = ((axes_nR**2) @ share_R)[:, None] + 1 / len(features_nD)
        left_out_nK = (rest_nK - fitted_nK) / (1 - own_n1).clamp_min(1e-12)
        errors.append(float((left_out_nK[counted_nK] ** 2).mean()))
    # Of equals the strongest.
    penalty = min(zip(errors, (-each for each in penalties), strict=True))[1] * -1
    weight_DK = centred_nD.T @ (axes_nR @ (turned_RK / (spread_R + penalty * unit)[:, None]))
    return ShotRidge(penalty, errors, weight_DK, mean_K - mean_D @ weight_DK)


def _axes(centred_nD: Tensor) -> tuple[Tensor, Tensor]:
    """U and E of X X' = U E U', from the smaller of X X' and X' X; directions without spread left out."""
    rows, width = centred_nD.shape
    if rows <= width:
        spread_R, axes_nR = torch.linalg.eigh(centred_nD @ centred_nD.T)
    else:
        spread_R, turn_DR = torch.linalg.eigh(centred_nD.T @ centred_nD)
        axes_nR = centred_nD @ (turn_DR / spread_R.clamp_min(1e-300).sqrt())
    kept_R = spread_R > _ROUNDING * spread_R.max()
    return axes_nR[:, kept_R], spread_R[kept_R]
