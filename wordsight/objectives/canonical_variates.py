"""Canonical correlation analysis in closed form, from moments that are summed up while features stream by once.

Projections of two sides that belong together, each of unit variance and uncorrelated with the others of its side, the
first pair as correlated as any can be, the second as any besides that, and so on (Hotelling 1936). With a power, each
is multiplied with that power of its eigenvalue, which is 1 + the correlation (Gong et al. 2014, Section 3.3).

https://arxiv.org/abs/1212.4522
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor


class Moments:
    """Means and covariances of pairs, of which some are added at a time; in double precision, nothing else is kept.

    Args:
        first: Width C of the first side.
        second: Width D of the second side.

    Attributes:
        pairs: How many pairs were added.

    Examples:
        >>> features_NC, vectors_ND = torch.randn(100, 6), torch.randn(100, 4)
        >>> moments = Moments(6, 4)
        >>> for part in range(0, 100, 25):
        ...     moments.add(features_NC[part : part + 25], vectors_ND[part : part + 25])
        >>> torch.allclose(moments.covariance[:6, :6].float(), features_NC.T.cov(), atol=1e-5)
        True
    """

    def __init__(self, first: int, second: int) -> None:
        self.first, self.pairs = first, 0
        self.mean = torch.zeros(first + second, dtype=torch.float64)
        self._scatter = torch.zeros(first + second, first + second, dtype=torch.float64)

    def add(self, first_NC: Tensor, second_ND: Tensor) -> None:
        """Add N pairs.

        Args:
            first_NC: Their first sides.
            second_ND: Their second sides.
        """
        if not len(first_NC):
            return
        both = torch.cat([first_NC.double(), second_ND.double()], 1)
        mean, pairs = both.mean(0), len(both)
        apart, total = mean - self.mean, self.pairs + pairs
        centred = both - mean
        # Around the new mean: sums of squares around zero would cancel (Chan et al. 1979).
        self._scatter += centred.T @ centred + torch.outer(apart, apart) * (self.pairs * pairs / total)
        self.mean = self.mean + apart * (pairs / total)
        self.pairs = total

    @property
    def covariance(self) -> Tensor:
        """The covariance of both sides together ``[C + D, C + D]``, the first side first."""
        return self._scatter / max(1, self.pairs - 1)


class Side(NamedTuple):
    """How one side is projected.

    Args:
        mean_C: What is subtracted first.
        weight_CZ: What is multiplied with.
    """

    mean_C: Tensor
    weight_CZ: Tensor

    def __call__(self, some_NC: Tensor) -> Tensor:
        """Projections ``[N, Z]``.

        Args:
            some_NC: Features of this side.
        """
        return (some_NC - self.mean_C.to(some_NC)) @ self.weight_CZ.to(some_NC)


class Canonical(NamedTuple):
    """What an analysis found.

    Args:
        first: How the first side is projected.
        second: How the second is.
        correlation_Z: The correlation of each pair of projections, descending.
    """

    first: Side
    second: Side
    correlation_Z: Tensor


def canonical(moments: Moments, dimensions: int, penalty: float = 1e-4, power: float = 0.0) -> Canonical:
    """Solve it: a singular value decomposition of the covariance between both sides, each whitened.

    Args:
        moments: Of the pairs that are learned from.
        dimensions: Z, at most the width of either side.
        penalty: What is added to the variance in every direction, as a share of the side's mean variance.
        power: Power of the eigenvalues that projections are multiplied with; 0 leaves them at unit variance.
    """
    together, first = moments.covariance, moments.first
    whitening_CC, whitening_DD = (
        _whitening(block, penalty) for block in (together[:first, :first], together[first:, first:])
    )
    between_CD = whitening_CC.T @ together[:first, first:] @ whitening_DD
    left_CZ, correlation_Z, right_ZD = torch.linalg.svd(between_CD, full_matrices=False)
    correlation_Z = correlation_Z[:dimensions].clamp(0, 1)
    weight_Z = (1 + correlation_Z) ** power
    return Canonical(
        Side(moments.mean[:first], whitening_CC @ left_CZ[:, :dimensions] * weight_Z),
        Side(moments.mean[first:], whitening_DD @ right_ZD[:dimensions].T * weight_Z),
        correlation_Z,
    )


def _whitening(covariance_CC: Tensor, penalty: float) -> Tensor:
    """What makes features uncorrelated and of unit variance; directions in which nothing varies are left out."""
    variance = covariance_CC.diagonal().mean()
    eigen_C, basis_CC = torch.linalg.eigh(covariance_CC)
    regular_C = eigen_C.clamp_min(0) + penalty * variance
    # Rounding leaves some variance where there is none.
    varied_C = eigen_C > 1e-10 * eigen_C.amax().clamp_min(1e-300)
    scale_C = torch.where(varied_C, regular_C.clamp_min(1e-300).rsqrt(), 0.0)
    whitening_CC: Tensor = basis_CC * scale_C
    return whitening_CC
