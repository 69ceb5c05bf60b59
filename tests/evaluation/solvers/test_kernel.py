"""Newton's direction from the rows inside the margin against the Hessian written out."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from torch import Tensor

from wordsight.evaluation.features.matrix import Matrix
from wordsight.evaluation.solvers import Plan, Settings, class_weights, grid, newton, solve_squared_hinge
from wordsight.evaluation.solvers.basis import Basis, turn
from wordsight.evaluation.solvers.conjugate import by_products
from wordsight.evaluation.solvers.kernel import Kernel
from wordsight.evaluation.solvers.squared_hinge import SquaredHinge


def a_basis(rows: int = 60, width: int = 20) -> Basis:
    features = torch.rand(rows, width, generator=torch.Generator().manual_seed(0))
    matrix = Matrix(features / features.norm(dim=1, keepdim=True), torch.arange(rows), torch.device("cpu"), ones=True)
    return turn(matrix, free_bias=False, resident=True)


def a_point(basis: Basis, penalty: float) -> tuple[SquaredHinge, Tensor, Tensor]:
    """Two problems: their loss, curvature where some rows are beyond the margin, a gradient."""
    drawn = torch.Generator().manual_seed(1)
    rows, directions = len(basis.matrix), len(basis.spread_R)
    side = torch.where(torch.rand(2, 1, rows, generator=drawn) < 0.3, 1.0, -1.0)
    loss = SquaredHinge(side, torch.full((2, 1, rows), penalty))
    return (
        loss,
        loss.curvature(2 * torch.randn(2, 1, rows, generator=drawn)),
        torch.randn(2, 1, directions, generator=drawn),
    )


@pytest.mark.parametrize(("rows", "width"), [(60, 20), (20, 60)])
@pytest.mark.parametrize("penalty", [0.1, 100.0])
def test_the_exact_direction_solves_the_hessian(rows: int, width: int, penalty: float) -> None:
    basis = a_basis(rows, width)
    _, curvature, gradient = a_point(basis, penalty)
    way, change, sound = Kernel(basis).direction(curvature, gradient)
    assert basis.turned_nR is not None and sound.all()
    turned = basis.turned_nR.double()
    for p in range(2):
        hessian = torch.eye(turned.shape[1]).double() + turned.T @ (curvature[p, 0].double()[:, None] * turned)
        expected = -torch.linalg.solve(hessian, gradient[p, 0].double())
        assert (way[p, 0] - expected).norm() < 1e-3 * expected.norm()
    torch.testing.assert_close(change[:, 0], way[:, 0] @ basis.turned_nR.T, rtol=1e-4, atol=1e-4)


def test_without_active_rows_the_direction_is_the_gradients() -> None:
    basis = a_basis()
    _, curvature, gradient = a_point(basis, 1.0)
    way, _, _ = Kernel(basis).direction(torch.zeros_like(curvature), gradient)
    torch.testing.assert_close(way, -gradient)


def test_conjugate_gradients_go_no_further_than_they_may() -> None:
    basis = a_basis()
    loss, curvature, gradient = a_point(basis, 100.0)
    few, many = torch.tensor([1, 1]), torch.tensor([500, 1])
    _, _, reached = by_products(loss, basis, curvature, gradient, 1e-4, few)
    assert not reached.any()
    way, change, reached = by_products(loss, basis, curvature, gradient, 1e-4, many)
    assert reached.tolist() == [True, False]
    exact, moved, _ = Kernel(basis).direction(curvature, gradient)
    assert (way[0] - exact[0]).norm() < 0.01 * exact[0].norm()
    assert (change[0] - moved[0]).norm() < 0.01 * moved[0].norm()


def test_a_kernel_needs_resident_rows_a_penalised_bias_and_memory() -> None:
    basis = a_basis()
    assert Kernel.suits(basis, 2**20)
    assert not Kernel.suits(basis, 3 * 4 * 60**2 - 1)
    assert not Kernel.suits(replace(basis, turned_nR=None), 2**20)
    free = turn(replace(basis.matrix, ones=False).centred(), free_bias=True, resident=True)
    assert not Kernel.suits(free, 2**20)


def made() -> tuple[Tensor, Tensor]:
    drawn = torch.Generator().manual_seed(0)
    side_TN = torch.where(torch.rand(2, 200, generator=drawn) < 0.2, 1, -1)
    features = torch.rand(200, 40, generator=drawn) * torch.arange(1, 41) ** -1.0 + 0.1 * (side_TN[:1].T > 0)
    return features / features.norm(dim=1, keepdim=True), side_TN


def test_exact_directions_and_products_end_at_the_same_objective(monkeypatch: pytest.MonkeyPatch) -> None:
    features, side_TN = made()
    problems = grid(side_TN, [0.1, 10.0, 1000.0], None, class_weights(side_TN, 2.0, 1.0))
    with_both = solve_squared_hinge(features, problems)
    monkeypatch.setattr(Kernel, "suits", staticmethod(lambda basis, memory_bytes: False))
    products = solve_squared_hinge(features, problems, Plan(settings=Settings(gap=1e-8)))
    assert with_both.converged_P.all()
    torch.testing.assert_close(with_both.objective_P, products.objective_P, rtol=1e-5, atol=0)
    assert int(with_both.steps_P.sum()) <= int(products.steps_P.sum())


def test_a_decomposition_that_fails_gives_way_to_conjugate_gradients(monkeypatch: pytest.MonkeyPatch) -> None:
    features, side_TN = made()
    problems = grid(side_TN, [1.0])
    expected = solve_squared_hinge(features, problems).objective_P

    def spoilt(self: Kernel, curvature_PKn: Tensor, gradient_PKR: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        nothing = torch.full_like(gradient_PKR, torch.nan)
        return nothing, torch.full_like(curvature_PKn, torch.nan), torch.zeros(len(gradient_PKR), dtype=torch.bool)

    monkeypatch.setattr(Kernel, "direction", spoilt)
    monkeypatch.setattr(newton, "_SURE", 10**6)
    torch.testing.assert_close(solve_squared_hinge(features, problems).objective_P, expected, rtol=1e-5, atol=0)
