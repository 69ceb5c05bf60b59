"""A person's own network as the model under evaluation."""

from __future__ import annotations

import copy
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
from torch import nn

from wordsight.device import Device, chosen_device
from wordsight.evaluation.models.evaluated_model import EvaluatedModel
from wordsight.evaluation.models.networks import USUAL_SIDE, preprocessed_alike
from wordsight.vision.backbones import Backbone
from wordsight.vision.modes import evaluating
from wordsight.vision.preprocessing import Framing
from wordsight.vision.whole import WholeNetwork


def evaluated_module(
    module: nn.Module, device: Device, *, image_size: int, out: Path, framing: Framing | None = None
) -> EvaluatedModel:
    """A person's own network; its randomly initialised copy is drawn with seed 0.

    Args:
        module: Normalised images ``[B, 3, H, W]`` to a grid ``[B, C, H', W']`` or to vectors ``[B, C]``. A
            :class:`~wordsight.vision.backbone.Backbone` gets its images as its ``preprocessing`` describes.
        device: Where to compute.
        image_size: Side of the view in pixels; 0 for that of a backbone, or 224.
        out: Where results are written.
        framing: How an image that is not square becomes one; None for a backbone's own, else the centre square.

    Raises:
        InputError: When the module gives something else, or there is no such device.
    """
    side = image_size or (module.preprocessing.side if isinstance(module, Backbone) else USUAL_SIDE)
    backbone = as_backbone(module, side)
    if backbone is module:
        # A person's own backbone keeps its preprocessing.
        backbone = copy.copy(backbone)
    shown = replace(backbone.preprocessing, side=side)
    backbone.preprocessing = shown if framing is None else replace(shown, framing=framing)
    return EvaluatedModel(
        name=type(module).__name__,
        backbone=backbone,
        random_backbone=lambda: preprocessed_alike(as_backbone(_initialised(module), side), backbone),
        image_size=side,
        results_folder=out,
        device=chosen_device(device),
    )


def as_backbone(module: nn.Module, image_size: int = USUAL_SIDE) -> Backbone:
    """A module as a backbone of one layer, ``last``.

    Args:
        module: Normalised images ``[B, 3, H, W]`` to a grid or to vectors.
        image_size: Side of the images that it is tried on.

    Raises:
        InputError: When it gives something else.
    """
    if isinstance(module, Backbone):
        return module
    network = WholeNetwork(module)
    home = next((tensor.device for tensor in module.parameters()), torch.device("cpu"))
    with evaluating(network), torch.no_grad():
        channels = network(torch.zeros(1, 3, image_size, image_size, device=home)).shape[1]
    return Backbone(network, {"last": ""}, int(channels))


def _initialised(module: nn.Module) -> nn.Module:
    random_init = copy.deepcopy(module)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        for part in random_init.modules():
            # Attention has its own under a private name.
            reset: Any = getattr(part, "reset_parameters", None) or getattr(part, "_reset_parameters", None)
            if callable(reset):
                reset()
        # What no layer resets (position embeddings, class tokens) is drawn as transformers draw it.
        for trained, new in zip(module.parameters(), random_init.parameters(), strict=True):
            if new.requires_grad and torch.equal(trained, new) and new.detach().unique().numel() > 1:
                torch.nn.init.normal_(new, std=0.02)
    return random_init.eval()
