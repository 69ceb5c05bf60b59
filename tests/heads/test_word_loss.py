"""The blockwise loss over the vocabulary: Eq. 7 by hand, and PyTorch's own loss and gradients."""

from __future__ import annotations

import math

import pytest
import torch

from wordsight.heads import word_loss as module
from wordsight.heads.word_loss import word_loss


def test_loss_follows_equations_6_and_7_by_hand() -> None:
    vectors = torch.tensor([[1.0, 0.0], [0.0, 1.0]])
    features = torch.tensor([[1.0, 3.0], [2.0, 2.0], [0.0, 1.0]])
    loss, accuracy = word_loss(features, vectors, torch.tensor([1, 0, 0]))
    by_hand = [math.log(math.exp(1) + math.exp(3)) - 3, math.log(2), math.log(1 + math.exp(1))]
    assert float(loss) == pytest.approx(sum(by_hand) / 3)
    assert float(accuracy) == pytest.approx(2 / 3)


@pytest.mark.parametrize("block", [1, 40, 10_000])
def test_loss_and_gradients_equal_pytorchs(block: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(module._BLOCK, "cpu", block)
    torch.manual_seed(0)
    vectors, target = torch.randn(20, 6), torch.randint(0, 20, (7,))
    features, bias = torch.randn(7, 6, requires_grad=True), torch.randn(20, requires_grad=True)
    expected = torch.nn.functional.cross_entropy(features @ vectors.T + bias, target)
    wanted = torch.autograd.grad(expected * 3, [features, bias])
    loss, _ = word_loss(features, vectors, target, bias)
    found = torch.autograd.grad(loss * 3, [features, bias])
    assert torch.allclose(loss, expected)
    assert all(torch.allclose(a, b, atol=1e-6) for a, b in zip(found, wanted, strict=True))
