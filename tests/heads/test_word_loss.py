"""The blockwise loss over the vocabulary: Eq. 7 by hand, and PyTorch's own loss and gradients."""

from __future__ import annotations

import math

import pytest
import torch

from wordsight.heads import word_loss as module
from wordsight.heads.vocabulary import Vocabulary
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


@pytest.mark.parametrize("block", [1, 7, 10_000])
def test_a_vocabulary_matrix_that_is_learned_gets_pytorch_s_gradient(
    block: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "_BLOCK", {"cpu": block})
    torch.manual_seed(0)
    features, vectors = torch.randn(6, 4), torch.randn(5, 4, requires_grad=True)
    target, bias = torch.tensor([0, 3, 3, 4, 1, 2]), torch.randn(5)
    loss, _ = word_loss(features, vectors, target, bias)
    expected = torch.nn.functional.cross_entropy(features @ vectors.T + bias, target)
    ours, theirs = (torch.autograd.grad(3 * each, vectors)[0] for each in (loss, expected))
    torch.testing.assert_close(ours, theirs)


def test_a_learned_vocabulary_is_trained_in_half_precision_too() -> None:
    vocabulary = Vocabulary(torch.randn(5, 4))
    vocabulary.vectors_VD.requires_grad_()
    for _ in range(2):
        with torch.autocast("cpu", torch.bfloat16):
            loss, _ = vocabulary.loss(torch.randn(6, 4), torch.tensor([0, 3, 3, 4, 1, 2]))
        loss.backward()
    assert vocabulary.vectors_VD.grad is not None and bool(vocabulary.vectors_VD.grad.any())
