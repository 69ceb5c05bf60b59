"""The method ``sgd-probe``: linear classifiers on layers of the frozen backbone, learned by SGD from random views.

It is how DeeperCluster measures, and with it the paper (Section 4.2). Random crops give a classifier more to learn from
than the one view of each image that other probes see. All layers are learned in one pass over the images.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from wordsight.errors import InputError
from wordsight.evaluation.classifiers.label_loss import label_loss
from wordsight.evaluation.classifiers.sgd_heads import Grids, Head
from wordsight.evaluation.features.augmented_views import TEN, TrainingImages, crop_batches
from wordsight.evaluation.features.task_features import present_layers
from wordsight.evaluation.methods.task_method import TaskScore, measure_task
from wordsight.evaluation.metrics.classification import check_average_precision, measured
from wordsight.evaluation.metrics.outcomes import outcomes_of
from wordsight.evaluation.models.evaluated_model import EvaluatedModel
from wordsight.evaluation.protocol import EvalProtocol
from wordsight.evaluation.results.result import Result
from wordsight.evaluation.tasks import Task
from wordsight.progress import progress_bar
from wordsight.ranges import (
    AtLeastOne,
    Fraction,
    LearningRate,
    Passes,
    Seed,
    SideOrNetworks,
    UnitFromZero,
    WeightDecay,
    check_ranges,
)
from wordsight.vision.backbones import Backbone
from wordsight.vision.inference import ready
from wordsight.vision.views import CutSettings


@dataclass(frozen=True)
class SgdSettings:
    """A schedule of SGD, and how images are tested after it.

    Args:
        lr: Learning rate at the start: in step t it is lr / sqrt(1 + lr weight_decay t).
        batch: Images in a batch.
        epochs: Passes over the images.
        crops: Views of a test image whose scores are averaged: 1, the centre, or 10, corners and centre and their
            mirror images.
    """

    lr: LearningRate
    batch: AtLeastOne
    epochs: Passes
    crops: Literal[1, 10]

    def __post_init__(self) -> None:
        check_ranges(self)


@dataclass(frozen=True)
class SgdProbeSettings:
    """Settings of the method.

    Args:
        layers: Names of layers, those of several kinds of network together: those that the network has are probed, each
            with a result of its own. None for the last.
        numbers: A layer is average-pooled, by the smallest window that leaves no more numbers than these.
        batch_norm: Whether batch norm, without scale and shift, stands before a classifier.
        image_size: Side of the view in pixels; 0 for the side that the network was trained with.
        crop_share: Side of a test image's crop as a share of its shorter side.
        views: Random views that are learned from.
        one_label: The schedule where an image has one label: softmax.
        several_labels: The schedule where it may have several: each class a logistic regression.
        momentum: Of SGD.
        weight_decay: Of SGD.
        seed: Of the classifiers' first weights, the images' order and views.
        average_precision: Which, for several labels an image.
    """

    layers: tuple[str, ...]
    numbers: AtLeastOne
    batch_norm: bool
    image_size: SideOrNetworks
    crop_share: Fraction
    views: CutSettings
    one_label: SgdSettings
    several_labels: SgdSettings
    momentum: UnitFromZero
    weight_decay: WeightDecay
    seed: Seed
    average_precision: str

    def __post_init__(self) -> None:
        check_average_precision(self.average_precision)
        check_ranges(self)

    def schedule(self, task: Task) -> SgdSettings:
        """The schedule for a task."""
        return self.several_labels if task.multilabel else self.one_label


@dataclass(frozen=True)
class LayerScore:
    """What the classifier on one layer gave.

    Args:
        value: The metric on the test images, in percent.
        per_class: The same for each class ``[K]``; NaN where there is none.
        features: Numbers that the classifier read.
        scores: Scores of the test images ``[m, K]``.
    """

    value: float
    per_class: NDArray[np.float64]
    features: int
    scores: NDArray[np.float64]


def measure(model: EvaluatedModel, task: Task, protocol: EvalProtocol) -> list[Result]:
    """Learn classifiers on the layers of a backbone, and on those of its randomly initialised copy.

    Args:
        model: The backbone.
        task: Labelled images.
        protocol: The protocol.

    Returns:
        A result for each layer.

    Raises:
        InputError: When the task can't be measured, the network has none of the layers, or learning diverges.
    """
    settings: SgdProbeSettings = protocol.settings

    def score(backbone: Backbone, what: str) -> Iterator[TaskScore]:
        for layer, found in probe_layers(model, backbone, task, settings, what).items():
            outcomes = outcomes_of(task.test.hashes, found.scores, task.test.targets, settings.average_precision)
            yield TaskScore(found.value, found.per_class, outcomes, {"features": found.features}, layer=layer)

    return measure_task(model, task, protocol, score, side=settings.image_size or model.image_size)


def probe_layers(
    model: EvaluatedModel, backbone: Backbone, task: Task, settings: SgdProbeSettings, what: str
) -> dict[str, LayerScore]:
    """Learn a classifier on each layer, all from the same views, and test them.

    Args:
        model: What is measured: where to compute, and the side of its views.
        backbone: Its backbone, or the randomly initialised copy of that; it is left as it was found.
        task: The task.
        settings: The protocol's settings.
        what: Whose layers they are, for bars and messages.

    Raises:
        InputError: When the network has none of the layers, or learning diverges.
    """
    layers = present_layers(backbone, settings.layers)
    side = settings.image_size or model.image_size
    grids = Grids(backbone, layers, model.device)
    with ready(backbone, model.device):
        heads = _heads(grids, side, len(task.class_names), settings)
        _learn(grids, heads, task, settings, side, what)
        tested = _test(grids, heads, task, settings, side, what)
    found = {}
    for number, layer in enumerate(layers or [""]):
        # A class without a positive was not learned.
        tested[number][:, ~_learned(task)] = -np.inf
        per_class, value = measured(
            tested[number], task.test.targets, len(task.class_names), settings.average_precision
        )
        if math.isnan(value):
            raise InputError("no class has test images that hold it and images that don't", where=task.spec)
        found[layer] = LayerScore(value, per_class, heads[number].features, tested[number])
    return found


def rate_at(step: int, lr: float, weight_decay: float) -> float:
    """The learning rate in a step, counted from 0: lr / sqrt(1 + lr weight_decay step) (Bottou 2012)."""
    return lr / math.sqrt(1 + lr * weight_decay * step)


def _heads(grids: Grids, side: int, classes: int, settings: SgdProbeSettings) -> list[Head]:
    blank = grids.of(torch.zeros(1, 3, side, side, dtype=torch.uint8))
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(settings.seed)
        return [
            Head(grid.float().cpu(), classes, numbers=settings.numbers, batch_norm=settings.batch_norm).to(grids.device)
            for grid in blank
        ]


def _learn(grids: Grids, heads: list[Head], task: Task, settings: SgdProbeSettings, side: int, what: str) -> None:
    schedule = settings.schedule(task)
    images = TrainingImages(task.train.images, side, settings.views, schedule.batch, settings.seed)
    parameters = [parameter for head in heads for parameter in head.parameters()]
    optimizer = torch.optim.SGD(
        parameters, lr=schedule.lr, momentum=settings.momentum, weight_decay=settings.weight_decay
    )
    targets = torch.from_numpy(task.train.targets)
    # Batch norm can't do with a single image.
    drop_last = settings.batch_norm and len(task.train) % schedule.batch == 1 and len(task.train) > schedule.batch
    step = 0
    with progress_bar() as bar:
        progress = bar.add_task(f"{what}, learning", total=schedule.epochs * len(task.train), note="")
        for epoch in range(schedule.epochs):
            for views, colours, rows in images.epoch(epoch, drop_last=drop_last):
                for group in optimizer.param_groups:
                    group["lr"] = rate_at(step, schedule.lr, settings.weight_decay)
                target = targets[rows].to(grids.device)
                # No head's gradient touches another's weights: the sum is each learning by itself.
                losses = [
                    label_loss(head(grid), target) for head, grid in zip(heads, grids.of(views, colours), strict=True)
                ]
                optimizer.zero_grad()
                torch.stack(losses).sum().backward()
                optimizer.step()
                step += 1
                bar.update(progress, advance=len(rows), note=f"epoch {epoch + 1}")
    if not all(bool(parameter.isfinite().all()) for parameter in parameters):
        raise InputError(f"learning from {what} diverged", where="lr", mend="copy the protocol's file and lower its lr")


def _test(
    grids: Grids, heads: list[Head], task: Task, settings: SgdProbeSettings, side: int, what: str
) -> list[NDArray[np.float64]]:
    crops, framing = settings.schedule(task).crops, grids.backbone.preprocessing.framing
    found: list[list[Tensor]] = [[] for _ in heads]
    batch = 8 if crops == TEN else 64
    for head in heads:
        head.eval()
    with progress_bar() as bar, torch.no_grad():
        progress = bar.add_task(f"{what}, test images", total=len(task.test), note="")
        for views in crop_batches(task.test.images, side, settings.crop_share, batch, crops=crops, framing=framing):
            for number, (head, grid) in enumerate(zip(heads, grids.of(views), strict=True)):
                scores_BK = head(grid).double().unflatten(0, (-1, crops)).mean(1)
                found[number].append(scores_BK.cpu())
            bar.advance(progress, len(views) // crops)
    return [np.array(torch.cat(each).numpy()) for each in found]


def _learned(task: Task) -> NDArray[np.bool_]:
    targets, classes = task.train.targets, len(task.class_names)
    if targets.ndim == 1:
        return np.bincount(targets, minlength=classes) > 0
    return np.asarray((targets == 1).any(0))
