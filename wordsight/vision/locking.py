"""Locked backbones: what they have learned before stays as it is, of the whole network or of all but its last layers.

A locked weight takes no gradient. A locked layer stays in evaluation mode, whatever mode the rest is put into: its
batch norm keeps its running statistics, and uses them.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm

from wordsight.errors import InputError
from wordsight.vision.backbone import Backbone
from wordsight.vision.modes import evaluating

__all__ = ["freeze_batch_norm", "lock"]


def lock(backbone: Backbone, unlocked: int = 0) -> None:
    """Lock a backbone, or all of it that comes before its last layers.

    Args:
        backbone: The backbone; changed in place, and put into evaluation mode where it is locked.
        unlocked: How many of its last layers learn: of those in ``backbone.layers`` that have weights of their own,
            such as the four stages and the stem of a ResNet. All of them: nothing is locked.

    Raises:
        InputError: When it has fewer layers.

    Examples:
        >>> from wordsight.vision.backbones import build_backbone
        >>> backbone = build_backbone("resnet18", image_size=32)
        >>> lock(backbone, unlocked=1)
        >>> sorted({name.split(".")[1] for name, weight in backbone.named_parameters() if weight.requires_grad})
        ['layer4']
        >>> backbone.train().network.layer3.training
        False
    """
    locked = _weights_before(backbone, unlocked)
    for weight in locked:
        weight.requires_grad_(False)
    still = {id(weight) for weight in locked}
    for name, module in backbone.network.named_modules():
        weights = list(module.parameters())
        # A batch norm without weights is told apart by nothing, and changes least when it stays still.
        if (unlocked == 0) or (all(id(each) in still for each in weights) and (weights or list(module.buffers()))):
            backbone.still.add(name)
    backbone.train(backbone.training)


def freeze_batch_norm(backbone: Backbone) -> int:
    """Let all batch norm of a backbone use its running statistics, which no longer change; its weights still learn.

    Args:
        backbone: The backbone; changed in place.

    Returns:
        How many layers of batch norm it has.

    Examples:
        >>> from wordsight.vision.backbones import build_backbone
        >>> backbone = build_backbone("resnet18")
        >>> freeze_batch_norm(backbone), backbone.train().network.bn1.training
        (20, False)
    """
    found = [name for name, module in backbone.network.named_modules() if isinstance(module, _BatchNorm)]
    backbone.still.update(found)
    backbone.train(backbone.training)
    return len(found)


def _weights_before(backbone: Backbone, unlocked: int) -> list[nn.Parameter]:
    """The weights that are not of the last layers: those that the layer before these is computed from."""
    weights = list(backbone.network.parameters())
    if unlocked == 0:
        return weights
    depths = _depths(backbone, [weight for weight in weights if weight.requires_grad])
    if unlocked > len(depths):
        raise InputError(
            f"{unlocked} layers are to learn, and the backbone has {len(depths)}",
            setting="objective_settings.unlocked_layers",
            expected=f"at most {len(depths)}",
        )
    # None where all layers learn.
    below = depths[-unlocked - 1] if unlocked < len(depths) else []
    return list(below)


def _depths(backbone: Backbone, learned: list[nn.Parameter]) -> list[list[nn.Parameter]]:
    """For each layer that has weights of its own, from the image upwards: all weights that it is computed from."""
    side = backbone.preprocessing.side
    home = learned[0]
    image_1CHW = torch.zeros(1, 3, side, side, device=home.device, dtype=home.dtype)
    depths: list[list[nn.Parameter]] = []
    with evaluating(backbone), torch.enable_grad():
        grids = backbone.tap_all(image_1CHW, backbone.layers)
        for grid in grids.values():
            if not grid.requires_grad:
                continue
            found: tuple[Tensor | None, ...] = torch.autograd.grad(
                grid.sum(), learned, retain_graph=True, allow_unused=True
            )
            depths.append([weight for weight, gradient in zip(learned, found, strict=True) if gradient is not None])
    distinct = {len(each): each for each in depths}
    return [distinct[size] for size in sorted(distinct)]
