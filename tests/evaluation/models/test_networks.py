"""Modules and published networks under evaluation, and their randomly initialised copies."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from torch import Tensor, nn
from torchvision import models

from wordsight.errors import InputError
from wordsight.evaluation.models.modules import as_backbone, evaluated_module
from wordsight.evaluation.models.networks import evaluated_network
from wordsight.vision.backbones import Backbone, BackboneSettings
from wordsight.vision.network_spec import is_network
from wordsight.vision.timm_networks import timm_backbone


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


def test_the_random_init_of_a_module_keeps_no_trained_weight(tmp_path: Path) -> None:
    module = Tokens()
    model = evaluated_module(module, "cpu", image_size=32, out=tmp_path)
    random_init, again = model.random_backbone(), model.random_backbone()
    for (name, trained), new, same in zip(
        module.named_parameters(), random_init.parameters(), again.parameters(), strict=True
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
        evaluated_network("timm:resnet1888", "cpu", image_size=32, out=tmp_path)
    with pytest.raises(InputError, match=r"expected one of: alexnet, .* \(\d\d in all\); did you mean 'resnet18'"):
        evaluated_network("torchvision:resnet188", "cpu", image_size=32, out=tmp_path)


def test_a_network_may_bring_weights_from_a_file_and_its_fully_connected_layers(tmp_path: Path) -> None:
    trained = models.alexnet()
    torch.save(trained.state_dict(), tmp_path / "alexnet.pth")
    spec = f"torchvision:alexnet+fc@{tmp_path / 'alexnet.pth'}"
    model = evaluated_network(spec, "cpu", image_size=64, out=tmp_path)
    assert model.backbone.layers[-2:] == ["fc6", "fc7"]
    own, random_init = model.backbone.network.state_dict(), model.random_backbone().network.state_dict()
    for name in ("features.0.weight", "classifier.4.weight"):
        assert torch.equal(own[name], trained.state_dict()[name])
        assert not torch.equal(own[name], random_init[name])


def test_published_weights_see_what_they_were_trained_on(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    # No hub is at hand: the network is built as it is with published weights, with random ones in their place.
    monkeypatch.setattr("wordsight.vision.timm_networks.timm_backbone", _unpublished)
    model = evaluated_network("timm:vit_tiny_patch16_224@pretrained", "cpu", image_size=0, out=tmp_path)
    bare = evaluated_network("timm:vit_tiny_patch16_224", "cpu", image_size=224, out=tmp_path)
    assert model.image_size == 224
    pixels = torch.rand(1, 3, 224, 224)
    with torch.no_grad():
        seen, wanted = model.backbone(model.backbone.prepare(255 * pixels)), bare.backbone((pixels - 0.5) / 0.5)
    torch.testing.assert_close(seen, wanted, rtol=1e-3, atol=1e-4)


def _unpublished(name: str, settings: BackboneSettings, image_size: int, pretrained: bool) -> Backbone:
    return timm_backbone(name, settings, image_size, False)
