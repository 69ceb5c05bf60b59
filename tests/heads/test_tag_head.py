"""tp in its three shapes."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from wordsight.heads.tag_head import TagHead, TagHeadKind


@pytest.mark.parametrize("kind", ["linear", "mlp", "cnn"])
def test_gives_a_score_for_every_concept(kind: TagHeadKind) -> None:
    assert TagHead(6, 11, kind)(torch.randn(4, 6, 3, 3)).shape == (4, 11)


def test_linear_head_is_a_linear_map_of_the_mean_over_the_grid() -> None:
    head, grid = TagHead(6, 11), torch.randn(4, 6, 3, 5)
    scores = head.layers[-1]
    assert torch.allclose(head(grid), scores(grid.mean((2, 3))), atol=1e-6)


def test_cnn_head_has_four_convolutions_as_in_the_paper() -> None:
    assert sum(isinstance(module, nn.Conv2d) for module in TagHead(6, 11, "cnn").modules()) == 4
