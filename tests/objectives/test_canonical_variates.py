"""Canonical correlations in closed form: those of the generalised eigenproblem and of scikit-learn."""

from __future__ import annotations

import numpy as np
import pytest
import scipy.linalg
import torch
from torch import Tensor

from wordsight.objectives.canonical_variates import Canonical, Moments, canonical


def related(pairs: int = 400, seed: int = 0) -> tuple[Tensor, Tensor]:
    """Two sides of 6 and 4 numbers that share two directions, of different scales and far from zero."""
    torch.manual_seed(seed)
    shared = torch.randn(pairs, 2)
    first = torch.randn(pairs, 6) * torch.tensor([1.0, 20, 1, 0.1, 3, 1]) + 50
    second = torch.randn(pairs, 4) + 7
    first[:, 0] += 2 * shared[:, 0]
    second[:, 1] += 3 * shared[:, 0]
    first[:, 3] += 0.1 * shared[:, 1]
    second[:, 3] -= shared[:, 1]
    return first, second


def solved(first: Tensor, second: Tensor, step: int = 37, **values: float) -> Canonical:
    moments = Moments(first.shape[1], second.shape[1])
    for start in range(0, len(first), step):
        moments.add(first[start : start + step], second[start : start + step])
    return canonical(moments, 4, **values)


def test_moments_of_a_stream_are_those_of_all_at_once() -> None:
    first, second = related()
    moments = Moments(6, 4)
    for start in range(0, 400, 37):
        moments.add(first[start : start + 37], second[start : start + 37])
    both = torch.cat([first, second], 1).double()
    torch.testing.assert_close(moments.mean, both.mean(0))
    torch.testing.assert_close(moments.covariance, both.T.cov())
    assert moments.pairs == 400


@pytest.mark.parametrize("penalty", [0.0, 0.05])
def test_eigenvalues_and_directions_are_those_of_gong_s_eigenproblem(penalty: float) -> None:
    first, second = related()
    found = solved(first, second, penalty=penalty)
    whole = np.cov(torch.cat([first, second], 1).double().numpy().T)
    apart = scipy.linalg.block_diag(whole[:6, :6], whole[6:, 6:])
    regular = np.diag([whole[:6, :6].trace() / 6] * 6 + [whole[6:, 6:].trace() / 4] * 4) * penalty
    values, vectors = scipy.linalg.eigh(whole + regular, apart + regular)
    np.testing.assert_allclose(1 + found.correlation_Z, values[::-1][:4], rtol=1e-9)
    for place in range(4):
        theirs = vectors[:, ::-1][:, place]
        ours = torch.cat([found.first.weight_CZ[:, place], found.second.weight_CZ[:, place]]).numpy()
        # Up to one factor for both sides.
        assert abs(theirs @ ours) / np.linalg.norm(theirs) / np.linalg.norm(ours) == pytest.approx(1, abs=1e-6)


def test_correlations_are_scikit_learn_s() -> None:
    from sklearn.cross_decomposition import CCA

    first, second = related()
    found = solved(first, second, penalty=0.0)
    theirs = CCA(n_components=2, max_iter=10_000, tol=1e-12).fit(first.numpy(), second.numpy())
    one, other = theirs.transform(first.numpy(), second.numpy())
    for place in range(2):
        assert float(found.correlation_Z[place]) == pytest.approx(np.corrcoef(one[:, place], other[:, place])[0, 1])
        ours = found.first(first.double())[:, place].numpy()
        assert abs(np.corrcoef(ours, one[:, place])[0, 1]) == pytest.approx(1, abs=1e-6)


def test_projections_have_unit_variance_and_correlate_in_pairs_alone() -> None:
    first, second = (side.double() for side in related())
    found = solved(first, second, penalty=0.0)
    of_first, of_second = found.first(first), found.second(second)
    torch.testing.assert_close(of_first.T.cov(), torch.eye(4).double(), atol=1e-8, rtol=0)
    torch.testing.assert_close(of_second.T.cov(), torch.eye(4).double(), atol=1e-8, rtol=0)
    torch.testing.assert_close(of_first.T @ of_second / 399, found.correlation_Z.diag(), atol=1e-8, rtol=0)


def test_a_power_weights_each_dimension_by_its_eigenvalue() -> None:
    first, second = related()
    plain, weighted = (solved(first, second, power=power) for power in (0.0, 4.0))
    factor = (1 + plain.correlation_Z) ** 4
    torch.testing.assert_close(weighted.first.weight_CZ, plain.first.weight_CZ * factor)
    torch.testing.assert_close(weighted.second.weight_CZ, plain.second.weight_CZ * factor)


def test_what_never_varies_is_left_out() -> None:
    first, second = related()
    first[:, 2] = 3.0
    first[:, 4] = first[:, 0]
    found = solved(first, second)
    assert found.first.weight_CZ.isfinite().all() and (found.first.weight_CZ[2].abs() < 1e-6).all()
    assert float(found.correlation_Z[0]) < 1
