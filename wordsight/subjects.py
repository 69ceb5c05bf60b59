"""What is measured, whatever a person has: a run, a network of timm or torchvision, a file of weights, a module."""

from __future__ import annotations

import copy
import hashlib
import re
from collections.abc import Mapping
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from wordsight.errors import InputError

# torch takes seconds to import; each function imports what it needs.
if TYPE_CHECKING:
    import numpy as np
    import torch
    from numpy.typing import NDArray
    from torch import nn

    from wordsight.evaluation import LearnedConcepts, Subject
    from wordsight.training.run import Run
    from wordsight.vision.backbones import Backbone
    from wordsight.vision.preprocessing import Framing, Pixels

Device = Literal["auto", "cpu", "cuda"]
# Side of the view of a network that was not trained here: what published ones are trained with.
USUAL_SIDE = 224
_NETWORK = re.compile(r"(?P<library>timm|torchvision):(?P<name>[^@+]+)(?P<connected>\+fc)?(@(?P<weights>.+))?")


def is_network(spec: object) -> bool:
    """Whether a person named a network, and no run: ``timm:NAME``, ``torchvision:NAME``, either with ``@WEIGHTS``."""
    return isinstance(spec, str) and _NETWORK.fullmatch(spec) is not None


def network_subject(
    spec: str,
    device: Device,
    *,
    image_size: int,
    out: Path,
    framing: Framing = "crop",
    pixels: Pixels = "auto",
) -> Subject:
    """A network by name, its random twin drawn with seed 0.

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
        InputError: When there is no such network or file, or the device is not at hand.
    """
    import torch

    from wordsight.evaluation import Subject
    from wordsight.vision.backbones import BackboneSettings, build_backbone, show_as
    from wordsight.vision.timm_networks import published_view
    from wordsight.vision.weights import load_weights

    match = _NETWORK.fullmatch(spec)
    if match is None:
        raise InputError(f"{spec!r} names no network", expected="timm:NAME or torchvision:NAME, @pretrained or @FILE")
    name, weights = f"{match['library']}:{match['name']}", match["weights"]
    published = published_view(match["name"]) if match["library"] == "timm" and weights == "pretrained" else None
    side = image_size or (published.side if published else USUAL_SIDE)
    settings = BackboneSettings(fully_connected=match["connected"] is not None)

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
    return Subject(
        name=spec,
        backbone=backbone,
        random_backbone=lambda: _shown_alike(build(False), backbone),
        image_size=side,
        results_folder=out,
        device=chosen_device(device),
    )


def _shown_alike(twin: Backbone, trained: Backbone) -> Backbone:
    """A twin that sees its images as the trained network does."""
    twin.preprocessing = trained.preprocessing
    return twin


def module_subject(
    module: nn.Module, device: Device, *, image_size: int, out: Path, framing: Framing | None = None
) -> Subject:
    """A person's own network; its random twin is a copy whose layers are initialised anew with seed 0.

    Args:
        module: Normalised images ``[B, 3, H, W]`` to a grid ``[B, C, H', W']`` or to vectors ``[B, C]``. A
            :class:`~wordsight.vision.backbone.Backbone` is shown its images as its ``preprocessing`` says.
        device: Where to compute.
        image_size: Side of the view in pixels; 0 for that of a backbone, or 224.
        out: Where results are written.
        framing: How an image that is not square becomes one; None for what a backbone says, else the centre square.

    Raises:
        InputError: When the module gives something else, or the device is not at hand.
    """
    from wordsight.evaluation import Subject
    from wordsight.vision.backbones import Backbone

    side = image_size or (module.preprocessing.side if isinstance(module, Backbone) else USUAL_SIDE)
    backbone = as_backbone(module, side)
    if backbone is module:
        # What is asked for here is not to change how a person's own backbone preprocesses.
        backbone = copy.copy(backbone)
    shown = replace(backbone.preprocessing, side=side)
    backbone.preprocessing = shown if framing is None else replace(shown, framing=framing)
    return Subject(
        name=type(module).__name__,
        backbone=backbone,
        random_backbone=lambda: _shown_alike(as_backbone(_initialised(module), side), backbone),
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
    import torch

    from wordsight.vision.backbones import Backbone
    from wordsight.vision.modes import evaluating
    from wordsight.vision.whole import WholeNetwork

    if isinstance(module, Backbone):
        return module
    network = WholeNetwork(module)
    home = next((tensor.device for tensor in module.parameters()), torch.device("cpu"))
    with evaluating(network), torch.no_grad():
        channels = network(torch.zeros(1, 3, image_size, image_size, device=home)).shape[1]
    return Backbone(network, {"last": ""}, int(channels))


def _initialised(module: nn.Module) -> nn.Module:
    import torch

    twin = copy.deepcopy(module)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        for part in twin.modules():
            # Attention has its own under a private name.
            reset: Any = getattr(part, "reset_parameters", None) or getattr(part, "_reset_parameters", None)
            if callable(reset):
                reset()
        # What no layer resets (position embeddings, class tokens) is drawn as transformers draw it.
        for kept, new in zip(module.parameters(), twin.parameters(), strict=True):
            if new.requires_grad and torch.equal(kept, new) and new.detach().unique().numel() > 1:
                torch.nn.init.normal_(new, std=0.02)
    return twin.eval()


def chosen_device(device: Device) -> torch.device:
    """Where to compute.

    Raises:
        InputError: When the device is not at hand.
    """
    import torch

    if device == "cuda" and not torch.cuda.is_available():
        raise InputError("no CUDA device found", where="--device cuda", mend="give --device cpu or auto")
    return torch.device(("cuda" if torch.cuda.is_available() else "cpu") if device == "auto" else device)


def subject_of(run: Run, device: Device, *, heads: bool, image_size: int = 0, framing: Framing = "crop") -> Subject:
    """A run as evaluation sees it.

    Args:
        run: The run.
        device: Where to compute.
        heads: Whether its heads are asked too, and so its language model and concept sets are wanted.
        image_size: Side of the view in pixels; 0 for what it was trained with.
        framing: How an image that is not square becomes one.

    Raises:
        InputError: When the device is not at hand, or the run has no weights yet.
    """
    from wordsight.evaluation import Subject
    from wordsight.training.concept_means import means_of_run

    language = run.language_model() if heads else None
    objective = run.objective(language) if heads else None
    backbones = [run.backbone(), *([objective.backbone] if objective is not None else [])]
    for each in backbones:
        each.preprocessing = replace(each.preprocessing, framing=framing)

    @cache
    def log_means() -> Mapping[str, NDArray[np.float64]]:
        return {} if objective is None else means_of_run(run, objective, chosen_device(device))

    return Subject(
        name=run.name,
        backbone=backbones[0],
        random_backbone=lambda: _shown_alike(run.backbone("random"), backbones[0]),
        image_size=image_size or run.settings.image_size,
        results_folder=run.results_folder,
        objective=objective,
        language=language,
        concepts=_learned_concepts(run) if heads else {},
        log_means=log_means,
        device=chosen_device(device),
        trained_on=run.info.corpus_fingerprint,
        trained_split=run.info.split,
        pretrained=run.known_images(),
        settings=_settings_of_heads(run),
    )


def _settings_of_heads(run: Run) -> str:
    """A hash of what a run's heads were made with, wherever it and its corpus are."""
    from wordsight.training.concept_means import means_file

    # What was asked of the heads before their means were known is asked again.
    kept = means_file(run.path)
    means = hashlib.sha256(kept.read_bytes()).hexdigest() if kept.is_file() else ""
    sets = {name: one.fingerprint for name, one in run.info.concepts.items()}
    made_with = (run.settings, sets, run.info.language, run.info.language_fingerprint, means)
    return hashlib.sha256(repr(made_with).encode()).hexdigest()[:16]


def _learned_concepts(run: Run) -> dict[str, LearnedConcepts]:
    """The run's concept sets, with how many of its training examples have each concept, where that is known."""
    from wordsight.evaluation import LearnedConcepts

    counts = {name: run.concept_counts(name) for name in run.info.concepts}
    return {
        name: LearnedConcepts(
            run.concept_set(name) if one is None else one.concepts, None if one is None else one.train_K
        )
        for name, one in counts.items()
    }
