"""Networks of timm as backbones: their feature maps, and of vision transformers the last norm and the class token."""

from __future__ import annotations

from typing import Any, NamedTuple

import timm
import torch
from timm.models._features import FeatureGetterNet
from torch import Tensor, nn

from wordsight.errors import InputError, setting
from wordsight.vision.backbone import Backbone, BackboneSettings

# Modules of timm whose networks are one stack of blocks over tokens, with a norm after the last.
_TOKEN_MODULES = ("vision_transformer", "vision_transformer_hybrid", "vision_transformer_relpos", "deit", "eva", "beit")
# What is raised by networks that don't take an argument, or give no feature maps.
_REFUSALS = (TypeError, AssertionError, RuntimeError, AttributeError, NotImplementedError)


class PublishedView(NamedTuple):
    """How published weights were trained to see: side of the view in pixels, mean and spread of each colour."""

    side: int
    mean: tuple[float, ...]
    std: tuple[float, ...]


class _Tokens(FeatureGetterNet):
    """A vision transformer's feature maps; after them its last norm's grid, and its class token where it has one.

    timm's own extractor removes the last norm, as its feature maps are those before it.
    """

    def __init__(self, model: Any, out_indices: Any = 4, **options: Any) -> None:
        norm, pooled_norm = model.norm, getattr(model, "fc_norm", nn.Identity())
        out_indices = model.prune_intermediate_layers(out_indices, prune_norm=False)
        super().__init__(model, out_indices=out_indices, **options | {"prune": False})
        # Networks that average their tokens have the last norm after that, under another name.
        self.normed_by = "fc_norm" if isinstance(norm, nn.Identity) else "norm"
        if self.normed_by == "fc_norm":
            model.fc_norm = pooled_norm
        self.has_norm = not isinstance(getattr(model, self.normed_by), nn.Identity)
        self.has_class_token = getattr(model, "cls_token", None) is not None
        # No feature map reads it, and so no objective trains it: gradients would be waited for in vain.
        getattr(model, self.normed_by).requires_grad_(False)
        register: Any = self.register_load_state_dict_pre_hook
        register(_keep_absent_norm)

    def forward(self, images_BCHW: Tensor) -> list[Tensor]:
        model: Any = self.model
        tokens_BTC, grids = model.forward_intermediates(
            images_BCHW, indices=self.out_indices, norm=False, output_fmt="NCHW", intermediates_only=False
        )
        if self.normed_by == "fc_norm":
            tokens_BTC = model.fc_norm(tokens_BTC)
        first = tokens_BTC.shape[1] - grids[-1].shape[-2] * grids[-1].shape[-1]
        more = []
        if self.has_norm:
            more.append(tokens_BTC[:, first:].mT.unflatten(-1, grids[-1].shape[-2:]))
        if self.has_class_token:
            more.append(tokens_BTC[:, 0, :, None, None])
        return [*grids, *more]


def _keep_absent_norm(module: nn.Module, state: dict[str, Tensor], prefix: str, *_: Any) -> None:
    """Weights written before the norm was kept have none: it stays as it is, and the rest is read."""
    above = f"model.{module.normed_by}."
    for name, tensor in module.state_dict().items():
        if name.startswith(above):
            state.setdefault(prefix + name, tensor)


class _TimmGrid(nn.Module):
    """A timm network that returns the last of its feature maps as [B, C, H, W].

    Args:
        network: timm's extractor of feature maps.
        layers: How many grids it gives.
        last: Which of them is the network's own output.
    """

    def __init__(self, network: Any, layers: int, last: int) -> None:
        super().__init__()
        self.body = network
        self._last = last
        # Swin and its like keep channels last; the rest of timm gives [B, C, H, W].
        self.channels_come_last = str(getattr(network, "output_fmt", "NCHW")).endswith("NHWC")
        self.grids = nn.ModuleList(nn.Identity() for _ in range(layers))

    def forward(self, images_BCHW: Tensor) -> Tensor:
        # Each grid passes through an identity, so that a layer can be tapped whatever the network is made of.
        grids = self.body(images_BCHW)
        if self.channels_come_last:
            grids = [grid.permute(0, 3, 1, 2) for grid in grids]
        last: Tensor = [tap(grid) for tap, grid in zip(self.grids, grids, strict=True)][self._last]
        return last


def timm_backbone(name: str, settings: BackboneSettings, image_size: int, pretrained: bool) -> Backbone:
    """A network of timm.

    Args:
        name: Its name in timm.
        settings: Strides, for those that have them.
        image_size: Side of the images it will see, for networks that fix it.
        pretrained: Whether to load published weights.

    Raises:
        InputError: When the network gives no feature maps, or its strides can't be changed as asked.
    """
    if settings.stages != 4:
        raise _fixed(name, "stages", settings.stages, 4)
    network, notes = _with_strides(name, settings, image_size, pretrained)
    info: Any = network.feature_info
    channels: list[int] = info.channels()
    layers = [f"stage{number}" for number in range(1, len(channels) + 1)]
    if isinstance(network, _Tokens):
        layers += ["norm"] * network.has_norm + ["class_token"] * network.has_class_token
    taps = {layer: f"grids.{number}" for number, layer in enumerate(layers)}
    backbone = Backbone(_TimmGrid(network, len(layers), len(channels) - 1), taps, channels[-1])
    backbone.source, backbone.notes = f"timm:{name}", notes
    return backbone


def published_view(name: str) -> PublishedView | None:
    """How published weights of a network of timm were trained to see; None where there are none."""
    known = timm.get_pretrained_cfg(name) if timm.is_model(name) else None
    return None if known is None else PublishedView(int(known.input_size[-1]), tuple(known.mean), tuple(known.std))


def _with_strides(name: str, settings: BackboneSettings, image_size: int, pretrained: bool) -> tuple[Any, list[str]]:
    """The network with the strides that were asked for, and a sentence where it has none to change."""
    asked = {"stem_stride": (settings.stem_stride, 4), "last_stride": (settings.last_stride, 2)}
    odd = {key: value for key, (value, usual) in asked.items() if value != usual}
    if odd == {"last_stride": 1}:
        try:
            return _extractor(name, image_size, pretrained, output_stride=16), []
        except InputError:
            pass
    network = _extractor(name, image_size, pretrained)
    if not odd:
        return network, []
    reductions = set(network.feature_info.reduction())
    if len(reductions) > 1:
        key, value = next(iter(odd.items()))
        raise _fixed(name, key, value, asked[key][1])
    # Patches of one side all the way: there is no stage whose stride could be another.
    ignored = " and ".join(f"{key} {value}" for key, value in odd.items())
    return network, [f"{ignored} has no effect: all grids of {name} have cells of {reductions.pop()} pixels"]


def _extractor(name: str, image_size: int, pretrained: bool, **options: Any) -> Any:
    """timm's extractor of feature maps.

    Raises:
        InputError: When it has none, or not with these options.
        RuntimeError: When there are no published weights.
    """
    module = timm.models.model_entrypoint(name).__module__.rpartition(".")[2]
    kind = {"feature_cls": _Tokens} if module in _TOKEN_MODULES else {}
    tries = ({"img_size": image_size}, {}) if not kind else ({"img_size": image_size} | kind, kind)
    refused: Exception | None = None
    for more in tries:
        try:
            return timm.create_model(name, pretrained=pretrained, features_only=True, **more, **options)
        except TypeError as error:
            # Convolutional networks take any image size and refuse the argument.
            refused = error
        except _REFUSALS as error:
            if pretrained and type(error) is RuntimeError:
                # There are no published weights of this network.
                raise
            refused = error
            break
    raise InputError(f"backbone timm:{name} gives no grid of features: {refused}") from refused


def names_of_whole(name: str) -> frozenset[str]:
    """Names of all tensors of a network of timm with its classifier; none where it can't be built without memory."""
    try:
        with torch.device("meta"):
            return frozenset(timm.create_model(name).state_dict())
    except (*_REFUSALS, ValueError):
        return frozenset()


def _fixed(name: str, key: str, value: int, usual: int) -> InputError:
    return InputError(
        f"{key} is {value}, and that of timm:{name} can't be changed",
        where=f"backbone_settings: {key}",
        expected=str(usual),
        mend=f"give {setting(f'backbone_settings.{key}', usual)}",
    )
