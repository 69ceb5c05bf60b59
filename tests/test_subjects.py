from __future__ import annotations

from pathlib import Path

import pytest
import torch
from torch import Tensor, nn

from wordsight.errors import InputError
from wordsight.subjects import as_backbone, is_network, module_subject, network_subject


class Tokens(nn.Module):
    """Patches with a position embedding and attention: what transformers are made of."""

    def __init__(self) -> None:
        super().__init__()
        self.patches = nn.Conv2d(3, 8, 16, 16)
        self.place = nn.Parameter(torch.randn(4, 8))
        self.attention = nn.MultiheadAttention(8, 2, batch_first=True)

    def forward(self, images: Tensor) -> Tensor:
        tokens = self.patches(images).flatten(2).mT + self.place
        seen: Tensor = self.attention(tokens, tokens, tokens)[0]
        return seen.mean(1)


def test_the_twin_of_a_module_keeps_no_trained_weight(tmp_path: Path) -> None:
    module = Tokens()
    subject = module_subject(module, "cpu", image_size=32, out=tmp_path)
    twin, again = subject.random_backbone(), subject.random_backbone()
    for (name, trained), new, same in zip(
        module.named_parameters(), twin.parameters(), again.parameters(), strict=True
    ):
        assert torch.equal(new, same), "the same one at every call"
        if trained.unique().numel() > 1:
            assert not torch.equal(trained, new), name


def test_a_module_may_give_vectors_or_a_grid_and_nothing_else() -> None:
    assert as_backbone(Tokens(), 32).out_channels == 8
    assert as_backbone(nn.Conv2d(3, 5, 4, 4), 32).out_channels == 5
    with pytest.raises(InputError, match="gives .*expected"):
        as_backbone(nn.Flatten(2), 32)


def test_networks_are_told_from_runs(tmp_path: Path) -> None:
    assert is_network("timm:resnet18")
    assert is_network("torchvision:vgg16@weights.pth")
    assert not is_network("runs/a")
    assert not is_network(tmp_path)
    with pytest.raises(InputError, match="unknown backbone"):
        network_subject("timm:resnet1888", "cpu", image_size=32, out=tmp_path)
