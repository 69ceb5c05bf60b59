"""Backbones (the paper's phi): from an image to a grid of features, every layer named.

Networks come from torchvision and timm, without their classifiers and without pooling over the grid: the paper removes
the fully connected layers of VGG16 (Section 4) because att and tfm need a grid; they stay where that is asked for.
Weights are random unless published ones are asked for.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from typing import Any, Literal

import torch
from torch import nn

from wordsight.errors import InputError, setting, unknown
from wordsight.vision.backbone import Backbone, BackboneSettings
from wordsight.vision.fully_connected import FullyConnected
from wordsight.vision.modes import evaluating
from wordsight.vision.preprocessing import MEAN, STD
from wordsight.vision.sobel import see_edges

__all__ = [
    "Backbone",
    "BackboneSettings",
    "build_backbone",
    "names_of_whole",
    "published_pixels",
    "show_as",
]


def build_backbone(
    name: str, settings: BackboneSettings | None = None, *, image_size: int = 224, pretrained: bool = False
) -> Backbone:
    """Build a backbone by name.

    Args:
        name: ``resnet18``, ``vgg16``, ``alexnet``, ... from torchvision, or ``timm:NAME`` for any network of timm. A
            bare name that torchvision lacks is looked up in timm.
        settings: Strides, for ResNets.
        image_size: Side of the images it will see, for networks that fix it (vision transformers).
        pretrained: Whether to load published weights. Images are then shown with the mean and spread that these were
            trained with.

    Raises:
        InputError: When the name is unknown, the strides can't be changed in this network, or its published weights are
            out of reach.

    Examples:
        >>> import torch
        >>> backbone = build_backbone("resnet18")
        >>> tuple(backbone(torch.zeros(1, 3, 64, 64)).shape)
        (1, 512, 2, 2)
    """
    settings = settings or BackboneSettings()
    if settings.sobel and pretrained:
        raise InputError("published weights see colours", where="backbone_settings: sobel", expected="false")
    try:
        backbone = _named(name, settings, image_size, pretrained)
        backbone.preprocessing = replace(backbone.preprocessing, side=image_size)
        if pretrained:
            show_as(backbone, "published")
        return backbone
    except (OSError, RuntimeError) as error:
        if not pretrained:
            raise
        said = (str(error).splitlines() or [type(error).__name__])[0]
        mend = f"give them as a file: evaluate NAME@FILE, or pretrain with {setting('weights')}"
        raise InputError(f"its published weights can't be had: {said}", where=f"backbone {name}", mend=mend) from error


def _named(name: str, settings: BackboneSettings, image_size: int, pretrained: bool) -> Backbone:
    library, _, bare = name.rpartition(":")
    if library not in ("", "timm", "torchvision"):
        raise unknown("library", library, ["timm", "torchvision"], where=f"backbone {name}")
    if library != "timm":
        from torchvision import models

        if bare in models.list_models(module=models):
            backbone = _torchvision_backbone(bare, settings, pretrained)
            backbone.source = f"torchvision:{bare}"
            if settings.sobel:
                see_edges(backbone.network)
            return backbone
    import timm

    if library == "torchvision" or not timm.is_model(bare):
        from torchvision import models

        have = models.list_models(module=models)
        # Of a library that is named, only its own networks help.
        raise unknown("backbone", bare, have if library == "torchvision" else sorted({*have, *timm.list_models()}))
    if settings.fully_connected:
        raise _no_fully_connected(name)
    if settings.sobel:
        raise InputError(f"{name!r} sees colours alone", where="backbone_settings: sobel", expected="false")
    from wordsight.vision.timm_networks import timm_backbone

    return timm_backbone(bare, settings, image_size, pretrained)


def show_as(backbone: Backbone, pixels: Literal["imagenet", "published"]) -> None:
    """Show a backbone its images normalised by ImageNet's mean and spread, or as its published weights see them.

    Args:
        backbone: The backbone.
        pixels: Whose mean and spread.
    """
    if pixels not in ("imagenet", "published"):
        raise unknown("value", str(pixels), ["auto", "imagenet", "published"], where="pixels")
    mean, std = published_pixels(backbone.source) if pixels == "published" else (MEAN, STD)
    backbone.preprocessing = replace(backbone.preprocessing, mean=mean, std=std)


def published_pixels(source: str) -> tuple[tuple[float, ...], tuple[float, ...]]:
    """Mean and spread that the published weights of a network were trained with; ImageNet's where no others are known.

    Args:
        source: ``timm:NAME`` or ``torchvision:NAME``.
    """
    library, _, name = source.partition(":")
    if library == "timm":
        from wordsight.vision.timm_networks import published_view

        known = published_view(name)
        if known is not None:
            return known.mean, known.std
    return MEAN, STD


def names_of_whole(source: str) -> frozenset[str]:
    """Names of all tensors of a library's network, its classifier too; none where they can't be told.

    Args:
        source: ``timm:NAME`` or ``torchvision:NAME``.
    """
    library, _, name = source.partition(":")
    if library == "timm":
        from wordsight.vision import timm_networks

        return timm_networks.names_of_whole(name)
    if library != "torchvision":
        return frozenset()
    from torchvision import models

    with torch.device("meta"):
        return frozenset(models.get_model(name, weights=None, **_options(name)).state_dict())


def _options(name: str) -> dict[str, bool]:
    # GoogLeNet and Inception warn of an initialisation that is theirs alone, and spend seconds on it.
    return {"init_weights": False} if name in ("googlenet", "inception_v3") else {}


def _torchvision_backbone(name: str, settings: BackboneSettings, pretrained: bool) -> Backbone:
    from torchvision import models

    weights = "DEFAULT" if pretrained else None
    network = models.get_model(name, weights=weights, **_options(name))
    if settings.fully_connected and not isinstance(network, models.AlexNet | models.VGG):
        raise _no_fully_connected(name)
    if isinstance(network, models.ResNet):
        return _resnet(network, settings)
    features = getattr(network, "features", None)
    if not isinstance(features, nn.Sequential):
        import timm

        near = f"timm:{name}" if timm.is_model(name) else "timm:convnext_tiny, vgg16"
        raise InputError(
            f"backbone {name!r} of torchvision has no grid that is known here", mend=f"try {near} or resnet50"
        )
    _refuse_strides(name, settings)
    if settings.fully_connected:
        whole = FullyConnected(network)
        taps = {layer: f"features.{place}" for layer, place in _sequential_taps(features)[0].items()}
        return Backbone(whole, taps | whole.taps, whole.out_channels)
    return _sequential(features, name)


class _ResNetGrid(nn.Sequential):
    """A torchvision ResNet up to its last stage, under torchvision's own parameter names."""


def _resnet(network: Any, settings: BackboneSettings) -> Backbone:
    parts = {part: getattr(network, part) for part in ("conv1", "bn1", "relu", "maxpool")}
    if settings.stem_stride < 4:
        parts["maxpool"] = nn.Identity()
    if settings.stem_stride == 1:
        parts["conv1"] = nn.Conv2d(3, network.conv1.out_channels, 3, stride=1, padding=1, bias=False)
        nn.init.kaiming_normal_(parts["conv1"].weight, mode="fan_out", nonlinearity="relu")
    stages = range(1, settings.stages + 1)
    if settings.last_stride == 1 and settings.stages > 1:
        # A basic block strides in its first convolution, a bottleneck in its second; both in their shortcut.
        first = getattr(network, f"layer{settings.stages}")[0]
        for convolution in (first.conv1, first.conv2, first.downsample[0]):
            convolution.stride = (1, 1)
    parts |= {f"layer{stage}": getattr(network, f"layer{stage}") for stage in stages}
    grid = _ResNetGrid()
    for part, module in parts.items():
        grid.add_module(part, module)
    taps = {"stem": "maxpool", **{f"res{stage + 1}": f"layer{stage}" for stage in stages}}
    last = getattr(network, f"layer{settings.stages}")[-1]
    channels = (last.conv3 if hasattr(last, "conv3") else last.conv2).out_channels
    return Backbone(grid, taps, channels)


def _sequential(features: nn.Sequential, name: str) -> Backbone:
    """VGG, AlexNet and others of one sequence: layers are counted by convolution and tapped after their ReLU.

    A last max-pooling of VGG is left out, as the grid is what att and tfm look at; AlexNet keeps its own (`pool5`),
    which is the layer that others probe.
    """
    children = list(features.children())
    if name.startswith("vgg") and isinstance(children[-1], nn.MaxPool2d):
        children = children[:-1]
    taps, channels = _sequential_taps(children)
    grid = nn.Sequential(*children)
    return Backbone(grid, taps, channels or _channels_of(grid))


def _sequential_taps(children: Iterable[nn.Module]) -> tuple[dict[str, str], int]:
    """Name of each layer to its place, and the channels of the last convolution; 0 where there is none."""
    taps: dict[str, str] = {}
    count, channels, index = 0, 0, -1
    for index, child in enumerate(children):
        if isinstance(child, nn.Conv2d):
            count, channels = count + 1, child.out_channels
        if isinstance(child, nn.ReLU):
            taps[f"conv{count}"] = str(index)
            # A ReLU in place would overwrite what a tap on the layer before it has heard.
            child.inplace = False
        if isinstance(child, nn.MaxPool2d):
            taps[f"pool{count}"] = str(index)
    if not taps:
        taps = {f"stage{place}": str(place) for place in range(index + 1)}
    return taps, channels


def _channels_of(network: nn.Module) -> int:
    """Channels of the last layer, found by a trial on a blank image."""
    with evaluating(network), torch.no_grad():
        channels = network(torch.zeros(1, 3, 64, 64)).shape[1]
    return int(channels)


def _no_fully_connected(name: str) -> InputError:
    return InputError(
        f"{name!r} has no fc6 and fc7 that are known here",
        where="backbone_settings: fully_connected",
        expected="false; true for alexnet and vgg11 to vgg19 of torchvision",
    )


def _refuse_strides(name: str, settings: BackboneSettings) -> None:
    usual = BackboneSettings()
    for key in ("stem_stride", "last_stride", "stages"):
        value, fixed = getattr(settings, key), getattr(usual, key)
        if value != fixed:
            raise InputError(
                f"{key} is {value}, and that of {name!r} can't be changed",
                where=f"backbone_settings: {key}",
                expected=f"{fixed} for networks that are no torchvision ResNet",
                mend=f"give {setting(f'backbone_settings.{key}', fixed)}",
            )
