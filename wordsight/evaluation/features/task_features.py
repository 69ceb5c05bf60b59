"""Features of a task for probes: extracted once for a backbone, a layer and a view, and cached in half precision."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from wordsight.device import precision_on
from wordsight.environment import installed_versions
from wordsight.errors import InputError, listed, unknown
from wordsight.evaluation.features.cache import key_of, load_features, store_features
from wordsight.evaluation.features.extract import pooled_layers
from wordsight.evaluation.features.matrix import Features, check
from wordsight.evaluation.features.normalised import Normalise, normalised
from wordsight.evaluation.models.evaluated_model import EvaluatedModel
from wordsight.evaluation.tasks import Task, TaskSplit
from wordsight.ranges import AtLeastOne, Fraction, SideOrNetworks, check_ranges
from wordsight.vision.backbones import Backbone
from wordsight.vision.inference import behaviour, weights_fingerprint

# Larger numbers are no half-precision ones.
_LARGEST_HALF = 60_000.0


@dataclass(frozen=True)
class FeatureSettings:
    """What of a backbone a probe reads, and of which view.

    Args:
        layers: Names of layers, those of several kinds of network together (``conv13`` of VGG16, ``res5`` of ResNets):
            those that the network has are probed, each with a result of its own. None for the last.
        pool: Cells a side that the grid is average-pooled to, where it has as many; they are laid end to end.
        image_size: Side of the view in pixels; 0 for the side that the network was trained with.
        crop_share: Side of the centre crop, as a share of the image's shorter side.
        normalise: ``l2``: every image's features have length one. ``standardise``: zero mean and unit spread over the
            training images. ``none``.
    """

    layers: tuple[str, ...]
    pool: AtLeastOne
    image_size: SideOrNetworks
    crop_share: Fraction
    normalise: Normalise

    def __post_init__(self) -> None:
        check_ranges(self)

    def side(self, model: EvaluatedModel) -> int:
        """Side of the view in pixels."""
        return self.image_size or model.image_size


@dataclass(frozen=True)
class TaskFeatures:
    """Features of one layer for both splits of a task.

    Args:
        layer: The layer; "" for the last.
        train: ``[n, D]``, normalised.
        test: ``[m, D]``.
        notes: What a reader should know.
    """

    layer: str
    train: Features
    test: Features
    notes: tuple[str, ...] = ()


def task_features(
    model: EvaluatedModel, backbone: Backbone, task: Task, settings: FeatureSettings, what: str
) -> list[TaskFeatures]:
    """Features of both splits of a task, layer by layer.

    Args:
        model: What is measured.
        backbone: Its backbone, or the randomly initialised copy of that.
        task: The task.
        settings: What is read.
        what: Whose features they are, for bars and messages.

    Raises:
        InputError: When the network has none of the layers, or the features hold no information.
    """
    layers = present_layers(backbone, settings.layers)
    train, test = (
        _features(model, backbone, part, layers, settings, f"{what}, {side}")
        for side, part in (("training images", task.train), ("test images", task.test))
    )
    found = []
    for number, layer in enumerate(layers or [""]):
        name = f"{what}, {layer}" if len(layers) > 1 else what
        where = f"{model.name}, {task.spec}, {name}"
        notes = check(train[number], name, where=where)
        check(test[number], name, where=f"{where} (test)")
        learned, tested = normalised(train[number], test[number], settings.normalise)
        found.append(TaskFeatures(layer, learned, tested, tuple(notes)))
    return found


def present_layers(backbone: Backbone, layers: Sequence[str]) -> list[str]:
    """Those of some layers that a network has, as it orders them; none for the last alone.

    Raises:
        InputError: When it has none of them.
    """
    if not layers:
        return []
    found = [layer for layer in backbone.layers if layer in layers]
    if not found:
        if len(layers) == 1:
            raise unknown("layer", layers[0], backbone.layers, where="features: layers")
        raise InputError(
            f"the network has none of the layers {listed(layers)}",
            where="features: layers",
            expected=f"some of: {listed(backbone.layers)}",
            mend="copy the protocol's file, name the layers in it, and give it a name of its own",
        )
    return found


def _features(
    model: EvaluatedModel,
    backbone: Backbone,
    part: TaskSplit,
    layers: Sequence[str],
    settings: FeatureSettings,
    what: str,
) -> list[NDArray[Any]]:
    """Features of one split for each layer, from the cache where it has them."""
    depends = [
        weights_fingerprint(backbone),
        behaviour(backbone, settings.side(model), layers),
        part.stored,
        settings.pool,
        settings.side(model),
        settings.crop_share,
        str(precision_on(model.device)),
        installed_versions(),
        list(part.hashes),
    ]
    keys = [key_of(*depends, layer) for layer in layers or [""]]
    cached = [load_features(key) for key in keys]
    known: list[NDArray[Any]] = [each for each in cached if each is not None]
    if len(known) == len(keys):
        return known
    batches = pooled_layers(
        backbone,
        part.images,
        settings.side(model),
        layers=layers,
        pool=settings.pool,
        crop_share=settings.crop_share,
        device=model.device,
        what=what,
    )
    return [_store(key, features) for key, features in zip(keys, _gathered(batches, len(part)), strict=True)]


def _gathered(batches: Any, count: int) -> list[NDArray[Any]]:
    """Batches of several layers as one half-precision array a layer; float32 where a number is too large for that."""
    arrays: list[NDArray[Any]] = []
    first = 0
    for batch in batches:
        if not arrays:
            arrays = [np.empty((count, features.shape[1]), np.float16) for features in batch]
        for number, features in enumerate(batch):
            if arrays[number].dtype == np.float16 and float(features.abs().max()) > _LARGEST_HALF:
                arrays[number] = arrays[number].astype(np.float32)
            arrays[number][first : first + len(features)] = features.numpy()
        first += len(batch[0])
    return arrays


def _store(key: str, features: NDArray[Any]) -> NDArray[Any]:
    return store_features(key, features) if features.dtype == np.float16 else features
