"""A sum over rows in blocks has the value and the gradients of the sum at once."""

from __future__ import annotations

from collections.abc import Sequence

import pytest
import torch
from torch import Tensor, nn

from wordsight.heads.blockwise import SummedOver, blockwise_sum


@pytest.mark.parametrize("block", [1, 3, 7, 100])
def test_blocks_have_the_value_and_gradients_of_all_rows_at_once(block: int) -> None:
    torch.manual_seed(0)
    shared, own = torch.randn(4, 3, requires_grad=True), torch.randn(7, 3, requires_grad=True)
    unused = torch.randn(2, requires_grad=True)
    layer, number_7 = nn.Linear(3, 3), torch.arange(7)

    def loss_of(these: Sequence[Tensor], rows: Sequence[Tensor]) -> tuple[Tensor, Tensor]:
        scores = layer(rows[0]) @ these[0].T
        return (scores.logsumexp(1) * (1 + rows[1])).sum(), (rows[1] > 2).sum()

    inputs = [shared, own, *layer.parameters()]
    whole, _ = loss_of([shared], [own, number_7])
    expected = torch.autograd.grad(3 * whole, inputs)
    found, count = blockwise_sum(
        loss_of, SummedOver([shared, unused], [own, number_7], list(layer.parameters())), block
    )
    assert int(count) == 4
    torch.testing.assert_close(found, whole)
    for one, other in zip(torch.autograd.grad(3 * found, inputs), expected, strict=True):
        torch.testing.assert_close(one, other)


def test_no_rows_are_a_loss_of_zero_with_gradients_of_zero() -> None:
    shared = torch.ones(2, requires_grad=True)
    found, count = blockwise_sum(
        lambda these, rows: (rows[0] @ these[0], torch.zeros(())), SummedOver([shared], [torch.ones(0, 2)], []), 4
    )
    found.backward()
    assert float(found.detach()) == 0 == float(count)
    assert shared.grad is not None and shared.grad.tolist() == [0, 0]
