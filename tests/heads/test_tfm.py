"""tfm computes the masked position alone; PyTorch's own encoder layer computes everything. Both must agree."""

from __future__ import annotations

import pytest
import torch

from wordsight.errors import InputError
from wordsight.heads.tfm import FusionTransformer


@pytest.mark.parametrize("layers", [1, 3])
def test_masked_output_equals_that_of_the_full_transformer(layers: int) -> None:
    torch.manual_seed(0)
    head = FusionTransformer(channels=5, text_width=8, heads=2, layers=layers).eval()
    cells, tokens = torch.randn(2, 6, 5), torch.randn(2, 3, 4, 8)
    present = torch.ones(2, 3, 4, dtype=torch.bool)
    present[0, 1, 3:] = False
    position = torch.tensor([[0, 1, 2], [3, 2, 1]])
    found = head(cells, tokens, present, position)
    for image in range(2):
        for caption in range(3):
            length = int(present[image, caption].sum())
            stacked = torch.cat([head.project(cells[image]), tokens[image, caption, :length]])[None]
            for layer in [*head.earlier, head.last]:
                stacked = layer(stacked)
            expected = stacked[0, 6 + int(position[image, caption])]
            assert torch.allclose(found.features_BmD[image, caption], expected, atol=1e-5)


def test_attention_sums_to_one_over_the_grid() -> None:
    head = FusionTransformer(channels=5, text_width=8, heads=2).eval()
    found = head(
        torch.randn(2, 6, 5), torch.randn(2, 3, 4, 8), torch.ones(2, 3, 4, dtype=torch.bool), torch.zeros(2, 3).long()
    )
    assert torch.allclose(found.attention_BmL.sum(-1), torch.ones(2, 3), atol=1e-6)


def test_heads_that_do_not_divide_the_width_are_refused() -> None:
    with pytest.raises(InputError, match="12 heads do not divide the 8 features"):
        FusionTransformer(channels=5, text_width=8, heads=12)
