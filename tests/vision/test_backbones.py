"""Backbones give a grid, name their layers, and carry random weights unless asked otherwise."""

from __future__ import annotations

import warnings
from typing import Any

import pytest
import timm
import torch

from wordsight.errors import InputError
from wordsight.vision.backbones import BackboneSettings, build_backbone

IMAGES = torch.randn(1, 3, 64, 64)


@pytest.mark.parametrize(
    ("name", "shape"),
    [
        ("resnet18", (1, 512, 2, 2)),
        ("resnet50", (1, 2048, 2, 2)),
        ("vgg16", (1, 512, 4, 4)),
        ("alexnet", (1, 256, 1, 1)),
        ("mobilenet_v3_small", (1, 576, 2, 2)),
        ("timm:resnet10t", (1, 512, 2, 2)),
        ("timm:vit_tiny_patch16_224", (1, 192, 4, 4)),
        ("timm:swin_tiny_patch4_window7_224", (1, 768, 2, 2)),
    ],
)
def test_every_family_gives_a_grid(name: str, shape: tuple[int, ...]) -> None:
    backbone = build_backbone(name, image_size=64).eval()
    with torch.no_grad():
        grid = backbone(IMAGES)
        assert grid.shape == shape and backbone.out_channels == shape[1]
        for layer in backbone.layers:
            assert backbone.tap(IMAGES, layer).ndim == 4


def test_vgg16_names_the_layers_that_the_paper_probes() -> None:
    layers = build_backbone("vgg16").layers
    assert {"conv11", "conv12", "conv13"} <= set(layers) and layers[-1] == "conv13"


def test_a_tapped_layer_is_what_the_network_computes() -> None:
    backbone = build_backbone("resnet18").eval()
    with torch.no_grad():
        assert torch.equal(backbone.tap(IMAGES, "res5"), backbone(IMAGES))
        assert backbone.tap(IMAGES, "res3").shape == (1, 128, 8, 8)


def test_an_unknown_layer_is_answered_with_the_nearest() -> None:
    with pytest.raises(InputError, match="did you mean 'res4'"):
        build_backbone("resnet18").tap(IMAGES, "res-4")


def test_an_unknown_backbone_is_answered_with_the_nearest() -> None:
    with pytest.raises(InputError, match="did you mean 'resnet18'"):
        build_backbone("resnet-18")


@pytest.mark.parametrize(
    ("name", "near"),
    [("googlenet", "try timm:convnext_tiny, vgg16 or resnet50"), ("inception_v3", "try timm:inception_v3 or resnet50")],
)
def test_a_network_without_a_known_grid_suggests_only_what_exists(name: str, near: str) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        with pytest.raises(InputError, match=f"has no grid that is known here; {near}$"):
            build_backbone(name)


@pytest.mark.parametrize(("stem", "last", "side"), [(4, 1, 4), (2, 2, 4), (1, 1, 16)])
def test_strides_set_the_side_of_the_grid(stem: int, last: int, side: int) -> None:
    backbone = build_backbone("resnet18", BackboneSettings(stem_stride=stem, last_stride=last)).eval()
    with torch.no_grad():
        assert backbone(IMAGES).shape[-2:] == (side, side)


def test_stages_may_be_left_out() -> None:
    backbone = build_backbone("resnet18", BackboneSettings(stages=3)).eval()
    with torch.no_grad():
        assert backbone(IMAGES).shape == (1, 256, 4, 4) and backbone.out_channels == 256
    assert backbone.layers == ["stem", "res2", "res3", "res4"]


def test_strides_of_other_networks_are_refused() -> None:
    with pytest.raises(InputError, match="last_stride is 1, and that of 'vgg16' can't be changed"):
        build_backbone("vgg16", BackboneSettings(last_stride=1))
    with pytest.raises(InputError, match=r"swin_s3_tiny_224 can't be changed.*give backbone_settings\.last_stride=2"):
        build_backbone("timm:swin_s3_tiny_224", BackboneSettings(last_stride=1))


def test_a_vision_transformer_has_no_strides_to_change_and_says_so() -> None:
    backbone = build_backbone("timm:test_vit", BackboneSettings(last_stride=1), image_size=64).eval()
    assert backbone(IMAGES).shape[-2:] == (4, 4)
    assert backbone.notes == ["last_stride 1 has no effect: all grids of test_vit have cells of 16 pixels"]
    assert build_backbone("timm:test_vit", image_size=64).notes == []
    with pytest.raises(InputError, match="stages is 3, and that of timm:test_vit can't be changed"):
        build_backbone("timm:test_vit", BackboneSettings(stages=3), image_size=64)


# A class token and register tokens; a norm after averaging; distillation; no class token at all.
TRANSFORMERS = {
    "test_vit4": ("norm",),
    "vit_tiny_patch16_224": ("norm", "class_token"),
    "deit_tiny_distilled_patch16_224": ("norm", "class_token"),
    "vit_medium_patch16_gap_240": ("norm",),
}


@pytest.mark.parametrize("name", TRANSFORMERS)
def test_the_last_norm_and_the_class_token_of_a_transformer_are_layers(name: str) -> None:
    torch.manual_seed(0)
    backbone = build_backbone(f"timm:{name}", image_size=64).eval()
    assert tuple(layer for layer in backbone.layers if not layer.startswith("stage")) == TRANSFORMERS[name]
    with torch.no_grad():
        found = backbone.tap_all(IMAGES, backbone.layers)
        assert torch.equal(found["stage3"], backbone(IMAGES)), "the last block's is the backbone's own, as before"
    grid = found["norm"]
    assert grid.shape == backbone(IMAGES).shape
    torch.testing.assert_close(grid.var(1, unbiased=False), torch.ones_like(grid[:, 0]), rtol=0, atol=0.1)
    # The same as timm's own features, token by token.
    torch.manual_seed(0)
    whole: Any = timm.create_model(name, img_size=64).eval()
    whole.load_state_dict(
        {key.removeprefix("body.model."): value for key, value in backbone.network.state_dict().items()}, strict=False
    )
    with torch.no_grad():
        tokens = whole.forward_features(IMAGES)
        tokens = whole.fc_norm(tokens) if isinstance(whole.norm, torch.nn.Identity) else tokens
    prefix = tokens.shape[1] - grid[0, 0].numel()
    torch.testing.assert_close(grid.flatten(2).mT, tokens[:, prefix:], rtol=1e-3, atol=1e-4)
    if "class_token" in found:
        torch.testing.assert_close(found["class_token"][..., 0, 0], tokens[:, 0], rtol=1e-3, atol=1e-4)


def test_weights_of_a_transformer_written_without_its_norm_are_read() -> None:
    backbone = build_backbone("timm:test_vit", image_size=64)
    older = {name: value for name, value in backbone.network.state_dict().items() if ".model.norm." not in name}
    backbone.network.load_state_dict(older)
    with pytest.raises(RuntimeError, match="Missing key"):
        backbone.network.load_state_dict({name: value for name, value in older.items() if "patch_embed" not in name})
    assert all(not p.requires_grad for name, p in backbone.network.named_parameters() if ".model.norm." in name)


def test_the_seed_decides_the_weights() -> None:
    def first_filter(seed: int) -> torch.Tensor:
        torch.manual_seed(seed)
        return next(build_backbone("resnet18").parameters()).detach()

    assert torch.equal(first_filter(0), first_filter(0))
    assert not torch.equal(first_filter(0), first_filter(1))


def test_parameter_names_are_torchvisions() -> None:
    from torchvision.models import resnet18

    ours = build_backbone("resnet18").network.state_dict()
    theirs = {name for name in resnet18().state_dict() if not name.startswith("fc.")}
    assert set(ours) == theirs


@pytest.mark.parametrize("name", ["alexnet", "vgg11"])
def test_fully_connected_layers_are_torchvisions(name: str) -> None:
    from torchvision import models

    theirs = models.get_model(name).eval()
    backbone = build_backbone(name, BackboneSettings(fully_connected=True)).eval()
    kept = {key: value for key, value in theirs.state_dict().items() if not key.startswith("classifier.6")}
    backbone.network.load_state_dict(kept)
    with torch.no_grad():
        found = backbone.tap_all(IMAGES, ["fc6", "fc7"])
        assert found["fc6"].shape == found["fc7"].shape == (1, backbone.out_channels, 1, 1)
        assert torch.equal(found["fc7"], backbone(IMAGES))
        torch.testing.assert_close(theirs.classifier[6](found["fc7"].flatten(1)), theirs(IMAGES))
    assert backbone.layers[-3:] == [{"alexnet": "pool5", "vgg11": "pool8"}[name], "fc6", "fc7"]


@pytest.mark.parametrize("name", ["resnet18", "squeezenet1_0", "timm:resnet10t"])
def test_networks_without_fully_connected_layers_say_so(name: str) -> None:
    with pytest.raises(InputError, match="has no fc6 and fc7"):
        build_backbone(name, BackboneSettings(fully_connected=True))


@pytest.mark.parametrize("error", [FileNotFoundError("the hub is out of reach\nmore"), RuntimeError("there are none")])
def test_published_weights_that_can_not_be_had_are_one_line(error: Exception, monkeypatch: pytest.MonkeyPatch) -> None:
    def create_model(*_: object, pretrained: bool, **options: object) -> None:
        if "img_size" in options:
            raise TypeError("takes any size")
        raise error

    monkeypatch.setattr("timm.create_model", create_model)
    wanted = f"published weights can't be had: {str(error).splitlines()[0]}; give them as a file"
    with pytest.raises(InputError, match=wanted):
        build_backbone("timm:resnet10t", pretrained=True)
