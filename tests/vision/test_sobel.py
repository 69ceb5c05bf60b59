"""Edges by hand, and a network on edges against the published layout of grey and Sobel filters."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from wordsight.errors import InputError
from wordsight.vision.backbones import BackboneSettings, build_backbone
from wordsight.vision.sobel import SobelConv2d

EDGES = BackboneSettings(sobel=True)


def test_edges_are_the_published_filters_of_the_grey_image() -> None:
    torch.manual_seed(0)
    first = build_backbone("alexnet", EDGES).network.get_submodule("0")
    assert isinstance(first, SobelConv2d) and first.weight.shape == (64, 2, 11, 11)
    grey = nn.Conv2d(3, 1, 1)
    nn.init.constant_(grey.weight, 1 / 3)
    sobel = nn.Conv2d(1, 2, 3, padding=1)
    with torch.no_grad():
        sobel.weight[0, 0] = torch.tensor([[1.0, 0.0, -1.0], [2.0, 0.0, -2.0], [1.0, 0.0, -1.0]])
        sobel.weight[1, 0] = torch.tensor([[1.0, 2.0, 1.0], [0.0, 0.0, 0.0], [-1.0, -2.0, -1.0]])
        for part in (grey, sobel):
            assert part.bias is not None
            nn.init.zeros_(part.bias)
        images = torch.randn(2, 3, 64, 64)
        expected = nn.functional.conv2d(sobel(grey(images)), first.weight, first.bias, stride=4, padding=2)
        assert torch.allclose(first(images), expected, atol=1e-5)


def test_an_even_grey_has_no_edges_within() -> None:
    torch.manual_seed(0)
    backbone = build_backbone("resnet18", EDGES).eval()
    one, other = torch.zeros(1, 3, 64, 64), torch.tensor([1.0, -1.0, 0.0])[None, :, None, None].expand(1, 3, 64, 64)
    with torch.no_grad():
        assert torch.allclose(backbone(one), backbone(other), atol=1e-6), "colours of the same grey look alike"
        assert backbone(one).shape == build_backbone("resnet18").eval()(one).shape


def test_filters_are_no_weights() -> None:
    kept = build_backbone("resnet18", EDGES).network.state_dict()
    assert "conv1.edges" not in kept and kept["conv1.weight"].shape == (64, 2, 7, 7)


def test_networks_that_see_colours_alone_are_refused() -> None:
    with pytest.raises(InputError, match="sees colours alone"):
        build_backbone("timm:resnet18", EDGES)
    with pytest.raises(InputError, match="published weights see colours"):
        build_backbone("resnet18", EDGES, pretrained=True)
