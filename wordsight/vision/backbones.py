"""Backbones (the paper's phi): from an image to a grid of features, every layer named.

Networks come from torchvision and timm, without their classifiers and without pooling over the grid: the paper removes
the fully connected layers of VGG16 (Section 4) because att and tfm need a grid; they stay where that is asked for.
Weights are random unless published ones are asked for.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from wordsight.errors import InputError, unknown
from wordsight.ranges import Stages, Stride, check_ranges
from wordsight.vision.fully_connected import FullyConnected
from wordsight.vision.modes import evaluating
from wordsight.vision.sobel import see_edges


@dataclass(frozen=True)
class BackboneSettings:
    """Strides and depth of a ResNet (a finer grid costs time and keeps smaller things apart), and what goes in.

    Args:
        stem_stride: Stride of the stem: 4 as published, 2 without its max-pooling, 1 with a 3x3 convolution.
        last_stride: Stride of the last stage: 2 as published, 1 for a grid of twice the side.
        stages: How many of the four stages are kept; the fourth holds three quarters of the weights.
        sobel: Show the network the edges of the grey image instead of colours, as DeeperCluster does; for networks of
            torchvision.
        fully_connected: Keep fc6 and fc7 of AlexNet or a VGG of torchvision, as the papers before ICMLM did. The last
            grid is then one cell: for tags and topics, not for attention.
    """

    stem_stride: Stride = 4
    last_stride: Stride = 2
    stages: Stages = 4
    sobel: bool = False
    fully_connected: bool = False

    def __post_init__(self) -> None:
        check_ranges(self, "backbone_settings")
        if self.stem_stride not in (1, 2, 4):
            raise InputError(f"stem_stride is {self.stem_stride}", expected="1, 2 or 4")
        if self.last_stride not in (1, 2):
            raise InputError(f"last_stride is {self.last_stride}", expected="1 or 2")


class Backbone(nn.Module):
    """A network that turns images into a grid of features.

    Args:
        network: The network; its forward gives the last layer's grid [B, C, H, W].
        taps: Name of each layer to the module inside ``network`` whose output it is, from the image upwards.
        out_channels: Channels C of the last layer.

    Attributes:
        origin: Where its weights came from, where they are not random.
    """

    def __init__(
        self,
        network: nn.Module,
        taps: dict[str, str],
        out_channels: int,
    ) -> None:
        super().__init__()
        self.network = network
        self.origin = ""
        self.out_channels = out_channels
        self._taps = taps

    @property
    def layers(self) -> list[str]:
        """Names of the layers that can be tapped, from the image upwards."""
        return list(self._taps)

    def forward(self, images_BCHW: Tensor) -> Tensor:
        """Normalised images [B, 3, H, W] to the last layer's grid [B, C, H', W']."""
        grid: Tensor = self.network(images_BCHW)
        return grid

    def tap(self, images_BCHW: Tensor, layer: str) -> Tensor:
        """The grid of one named layer.

        Args:
            images_BCHW: Normalised images.
            layer: One of :attr:`layers`.

        Raises:
            InputError: When there is no such layer.
        """
        return self.tap_all(images_BCHW, [layer])[layer]

    def tap_all(self, images_BCHW: Tensor, layers: Sequence[str]) -> dict[str, Tensor]:
        """The grids of several named layers, in one pass.

        Args:
            images_BCHW: Normalised images.
            layers: Some of :attr:`layers`.

        Raises:
            InputError: When there is no such layer.
        """
        with self._listen(layers) as heard:
            self.network(images_BCHW)
        return {layer: heard[layer] for layer in layers}

    @contextmanager
    def _listen(self, layers: Sequence[str]) -> Iterator[dict[str, Tensor]]:
        heard: dict[str, Tensor] = {}

        def keeper(layer: str) -> Callable[[nn.Module, Any, Tensor], None]:
            def keep(module: nn.Module, inputs: Any, output: Tensor) -> None:
                heard[layer] = output

            return keep

        for layer in layers:
            if layer not in self._taps:
                raise unknown("layer", layer, self.layers)
        modules = [(layer, self.network.get_submodule(self._taps[layer])) for layer in layers]
        handles = [module.register_forward_hook(keeper(layer)) for layer, module in modules]
        try:
            yield heard
        finally:
            for handle in handles:
                handle.remove()


def build_backbone(
    name: str, settings: BackboneSettings | None = None, *, image_size: int = 224, pretrained: bool = False
) -> Backbone:
    """Build a backbone by name.

    Args:
        name: ``resnet18``, ``vgg16``, ``alexnet``, ... from torchvision, or ``timm:NAME`` for any network of timm. A
            bare name that torchvision lacks is looked up in timm.
        settings: Strides, for ResNets.
        image_size: Side of the images it will see, for networks that fix it (vision transformers).
        pretrained: Whether to load published weights.

    Raises:
        InputError: When the name is unknown, the strides can't be changed in this network, or its published weights are
            out of reach.
    """
    settings = settings or BackboneSettings()
    if settings.sobel and pretrained:
        raise InputError("published weights see colours", where="backbone_settings: sobel", expected="false")
    try:
        return _named(name, settings, image_size, pretrained)
    except (OSError, RuntimeError) as error:
        if not pretrained:
            raise
        said = (str(error).splitlines() or [type(error).__name__])[0]
        mend = "give them as a file: evaluate NAME@FILE, pretrain --weights FILE"
        raise InputError(f"its published weights can't be had: {said}", where=f"backbone {name}", mend=mend) from error


def _named(name: str, settings: BackboneSettings, image_size: int, pretrained: bool) -> Backbone:
    library, _, bare = name.rpartition(":")
    if library not in ("", "timm", "torchvision"):
        raise unknown("library", library, ["timm", "torchvision"], where=f"backbone {name}")
    if library != "timm":
        from torchvision import models

        if bare in models.list_models(module=models):
            backbone = _torchvision_backbone(bare, settings, pretrained)
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
    return _timm_backbone(bare, settings, image_size, pretrained)


def _torchvision_backbone(name: str, settings: BackboneSettings, pretrained: bool) -> Backbone:
    from torchvision import models

    weights = "DEFAULT" if pretrained else None
    # GoogLeNet and Inception warn of an initialisation that is theirs alone, and spend seconds on it.
    options = {"init_weights": False} if name in ("googlenet", "inception_v3") else {}
    network = models.get_model(name, weights=weights, **options)
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


class _TimmGrid(nn.Module):
    """A timm network that returns the last of its feature maps as [B, C, H, W]."""

    def __init__(self, network: Any) -> None:
        super().__init__()
        self.body = network
        # Swin and its like keep channels last; the rest of timm gives [B, C, H, W].
        self.channels_come_last = str(getattr(network, "output_fmt", "NCHW")).endswith("NHWC")
        self.grids = nn.ModuleList(nn.Identity() for _ in network.feature_info.channels())

    def forward(self, images_BCHW: Tensor) -> Tensor:
        # Each grid passes through an identity, so that a layer can be tapped whatever the network is made of.
        grids = self.body(images_BCHW)
        if self.channels_come_last:
            grids = [grid.permute(0, 3, 1, 2) for grid in grids]
        last: Tensor = [tap(grid) for tap, grid in zip(self.grids, grids, strict=True)][-1]
        return last


def _timm_backbone(name: str, settings: BackboneSettings, image_size: int, pretrained: bool) -> Backbone:
    import timm

    _refuse_strides(name, settings, allow_last=True)
    options: dict[str, Any] = {"output_stride": 16} if settings.last_stride == 1 else {}
    try:
        network = timm.create_model(name, pretrained=pretrained, features_only=True, img_size=image_size, **options)
    except TypeError:
        # Convolutional networks take any image size and refuse the argument.
        try:
            network = timm.create_model(name, pretrained=pretrained, features_only=True, **options)
        except (TypeError, AssertionError, RuntimeError, AttributeError, NotImplementedError) as error:
            if pretrained and type(error) is RuntimeError:
                # There are no published weights of this network.
                raise
            raise InputError(f"backbone timm:{name} gives no grid of features: {error}") from error
    info: Any = network.feature_info
    channels: list[int] = info.channels()
    taps = {f"stage{number}": f"grids.{number - 1}" for number in range(1, len(channels) + 1)}
    return Backbone(_TimmGrid(network), taps, channels[-1])


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


def _refuse_strides(name: str, settings: BackboneSettings, allow_last: bool = False) -> None:
    if settings.stem_stride != 4 or settings.stages != 4 or (settings.last_stride != 2 and not allow_last):
        raise InputError(
            f"strides and stages of {name!r} can't be changed",
            where="backbone_settings",
            expected="stem_stride 4, last_stride 2 and stages 4 for networks that are no torchvision ResNet",
        )
