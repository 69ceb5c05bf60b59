"""A network of timm or torchvision, by name, as the model under evaluation."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import torch

from wordsight.device import Device, chosen_device
from wordsight.evaluation.models.evaluated_model import EvaluatedModel
from wordsight.vision.backbones import Backbone, BackboneSettings, build_backbone, show_as
from wordsight.vision.network_spec import NetworkSpec
from wordsight.vision.preprocessing import Framing, Pixels
from wordsight.vision.timm_networks import published_view
from wordsight.vision.weights import load_weights

# Side of the view of a network that was not trained here: what published ones are trained with.
USUAL_SIDE = 224


def evaluated_network(
    spec: str,
    device: Device,
    *,
    image_size: int,
    out: Path,
    framing: Framing = "crop",
    pixels: Pixels = "auto",
) -> EvaluatedModel:
    """A network by name, its randomly initialised copy drawn with seed 0.

    Args:
        spec: ``timm:resnet18``: random weights; ``timm:resnet18@pretrained``: published ones, which see images as they
            were trained to; ``torchvision:vgg16@FILE``: those of a file, ``...@FILE#student``: of one network in it;
            ``torchvision:alexnet+fc``: with ``fc6`` and ``fc7``.
        device: Where to compute.
        image_size: Side of the view in pixels; 0 for that of published weights, or 224.
        out: Where results are written.
        framing: How an image that is not square becomes one.
        pixels: Whose mean and spread images are normalised by; ``auto``: those of published weights, those that are
            written with a file, else ImageNet's.

    Raises:
        InputError: When there is no such network or file, or there is no such device.
    """
    named = NetworkSpec.parse(spec)
    name, weights = f"{named.library}:{named.name}", named.weights
    published = published_view(named.name) if named.library == "timm" and weights == "pretrained" else None
    side = image_size or (published.side if published else USUAL_SIDE)
    settings = BackboneSettings(fully_connected=named.fully_connected)

    def build(pretrained: bool) -> Backbone:
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(0)
            return build_backbone(name, settings, image_size=side, pretrained=pretrained).eval()

    backbone = build(weights == "pretrained")
    if weights not in (None, "pretrained"):
        load_weights(backbone, weights, pixels)
    elif pixels != "auto" or weights == "pretrained":
        show_as(backbone, "published" if pixels == "auto" else pixels)
    backbone.preprocessing = replace(backbone.preprocessing, framing=framing)
    return EvaluatedModel(
        name=spec,
        backbone=backbone,
        random_backbone=lambda: preprocessed_alike(build(False), backbone),
        image_size=side,
        results_folder=out,
        device=chosen_device(device),
    )


def preprocessed_alike(random_init: Backbone, trained: Backbone) -> Backbone:
    """A randomly initialised copy that sees its images as the trained network does."""
    random_init.preprocessing = trained.preprocessing
    return random_init
