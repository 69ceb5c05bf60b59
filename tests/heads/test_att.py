"""Eqs. 3 to 5 of the paper, by hand."""

from __future__ import annotations

import math

import pytest
import torch

from wordsight.heads.att import Attention, pool_attended


def normed(vector: list[float]) -> list[float]:
    """[LayerNorm]_+ of a short vector, by the definition."""
    mean = sum(vector) / len(vector)
    spread = math.sqrt(sum((v - mean) ** 2 for v in vector) / len(vector) + 1e-5)
    return [max(0.0, (v - mean) / spread) for v in vector]


def hand_scores(cells: list[list[float]], tokens: list[list[float]]) -> list[float]:
    """Eqs. 3 and 4 with Sigma_x = Sigma_w = identity."""
    width = len(cells[0])
    scores = []
    for cell in cells:
        products = [
            sum(x * w for x, w in zip(normed(cell), normed(token), strict=True)) / math.sqrt(width) for token in tokens
        ]
        scores.append(math.log(sum(math.exp(s) for s in products)))
    return scores


def softmax(scores: list[float]) -> list[float]:
    total = sum(math.exp(s) for s in scores)
    return [math.exp(s) / total for s in scores]


def identity_attention(width: int, heads: int = 1) -> Attention:
    attention = Attention(channels=width, text_width=width, joint_width=width, heads=heads)
    for projection in (attention.visual, attention.textual):
        projection.linear.weight.data = torch.eye(width).repeat(heads, 1)
    return attention


CELLS = [[1.0, -2.0, 0.5], [0.0, 3.0, 1.0]]
TOKENS = [[2.0, 0.0, -1.0], [-1.0, 4.0, 0.0]]


def test_attention_follows_equations_3_to_5_by_hand() -> None:
    attention = identity_attention(3)
    present = torch.ones(1, 1, 2, dtype=torch.bool)
    found = attention(torch.tensor([CELLS]), torch.tensor([[TOKENS]]), present)
    assert found[0, 0].tolist() == pytest.approx(softmax(hand_scores(CELLS, TOKENS)), abs=1e-6)


def test_pooled_feature_is_the_grid_under_the_attention() -> None:
    attention = torch.tensor([[[0.25, 0.75]]])
    pooled = pool_attended(torch.tensor([CELLS]), attention)
    assert pooled[0, 0].tolist() == pytest.approx([0.25 * 1.0, 0.25 * -2.0 + 0.75 * 3.0, 0.25 * 0.5 + 0.75 * 1.0])


def test_heads_are_averaged_with_learned_weights() -> None:
    attention = identity_attention(3, heads=2)
    assert attention.average is not None
    # The second head sees negated tokens; weights .7 and .3 and a bias, as the averaging layer has them.
    attention.textual.linear.weight.data[3:] *= -1
    attention.average.weight.data = torch.tensor([[0.7, 0.3]])
    attention.average.bias.data = torch.tensor([0.2])
    present = torch.ones(1, 1, 2, dtype=torch.bool)
    found = attention(torch.tensor([CELLS]), torch.tensor([[TOKENS]]), present)
    negated = [[-value for value in token] for token in TOKENS]
    first, second = hand_scores(CELLS, TOKENS), hand_scores(CELLS, negated)
    expected = softmax([0.7 * a + 0.3 * b + 0.2 for a, b in zip(first, second, strict=True)])
    assert found[0, 0].tolist() == pytest.approx(expected, abs=1e-6)


def test_padding_changes_nothing() -> None:
    torch.manual_seed(0)
    attention = Attention(5, 4, joint_width=6, heads=3)
    cells, tokens = torch.randn(2, 7, 5), torch.randn(2, 3, 4, 4)
    present = torch.ones(2, 3, 4, dtype=torch.bool)
    padded = torch.cat([tokens, torch.randn(2, 3, 2, 4)], dim=2)
    longer = torch.cat([present, torch.zeros(2, 3, 2, dtype=torch.bool)], dim=2)
    assert torch.allclose(attention(cells, tokens, present), attention(cells, padded, longer), atol=1e-6)


def test_attention_sums_to_one_over_the_grid_even_without_a_caption() -> None:
    attention = Attention(5, 4, joint_width=6, heads=2)
    found = attention(torch.randn(2, 7, 5), torch.randn(2, 1, 4, 4), torch.zeros(2, 1, 4, dtype=torch.bool))
    assert torch.allclose(found.sum(-1), torch.ones(2, 1))


def test_masks_of_an_image_are_independent() -> None:
    torch.manual_seed(0)
    attention = Attention(5, 4, joint_width=6, heads=2)
    cells, tokens = torch.randn(2, 7, 5), torch.randn(2, 3, 4, 4)
    present = torch.ones(2, 3, 4, dtype=torch.bool)
    together = attention(cells, tokens, present)
    alone = torch.cat([attention(cells, tokens[:, i : i + 1], present[:, i : i + 1]) for i in range(3)], dim=1)
    assert torch.allclose(together, alone, atol=1e-6)
