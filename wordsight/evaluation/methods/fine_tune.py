"""The method ``fine-tune``: the whole network goes on learning from labels, all of them or a share.

Its baseline is the same network learned from scratch, under the same schedule and from the same images: what it has
over that is what its first training was worth. The schedule is pinned, and what the last step leaves is tested: nothing
is chosen on the test images.
"""

from __future__ import annotations

import copy
import math
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from wordsight.corpus.encoded_images import ImageSubset
from wordsight.device import autocast
from wordsight.errors import InputError
from wordsight.evaluation.classifiers.label_loss import label_loss
from wordsight.evaluation.features.augmented_views import TrainingImages
from wordsight.evaluation.features.extract import view_batches
from wordsight.evaluation.methods.task_method import TaskScore, measure_task
from wordsight.evaluation.metrics.classification import check_average_precision, measured
from wordsight.evaluation.metrics.outcomes import outcomes_of
from wordsight.evaluation.models.evaluated_model import EvaluatedModel
from wordsight.evaluation.protocol import EvalProtocol
from wordsight.evaluation.results.result import Result
from wordsight.evaluation.tasks import Task
from wordsight.evaluation.tasks.subsets import draw_share
from wordsight.optim import Schedule, decay_groups, set_rate
from wordsight.progress import progress_bar
from wordsight.ranges import (
    AtLeastTwo,
    Count,
    Fraction,
    LearningRate,
    Passes,
    RateMultiple,
    Seed,
    SideOrNetworks,
    UnitFromZero,
    WeightDecay,
    check_ranges,
)
from wordsight.vision.backbones import Backbone
from wordsight.vision.views import CutSettings


@dataclass(frozen=True)
class FineTuneSettings:
    """Settings of the method.

    Args:
        label_share: Share of the training images of each class that are learned from, one of each class at least.
        epochs: Passes over them.
        least_steps: Steps that are taken at least, in more epochs where images are few.
        batch: Images in a batch.
        lr: Peak learning rate of AdamW: it rises in a line, and falls by half a cosine to zero.
        head_rate: The classifier's learning rate, as a multiple.
        weight_decay: Of matrices and filters.
        warmup_share: Share of the steps in which the learning rate rises.
        views: Random views that are learned from.
        image_size: Side of the view in pixels; 0 for the side that the network was trained with.
        crop_share: Side of a test image's centre square as a share of its shorter side.
        seed: Of the draw, the classifier's first weights, the images' order and views.
        average_precision: Which, for several labels an image.
    """

    label_share: Fraction
    epochs: Passes
    least_steps: Count
    batch: AtLeastTwo
    lr: LearningRate
    head_rate: RateMultiple
    weight_decay: WeightDecay
    warmup_share: UnitFromZero
    views: CutSettings
    image_size: SideOrNetworks
    crop_share: Fraction
    seed: Seed
    average_precision: str

    def __post_init__(self) -> None:
        check_ranges(self)
        check_average_precision(self.average_precision)

    @property
    def rates(self) -> Schedule:
        """How the learning rate rises and falls."""
        return Schedule(self.warmup_share)


@dataclass(frozen=True)
class FineTuneScore:
    """What a network gave.

    Args:
        value: The metric on the test images, in percent.
        per_class: The same for each class ``[K]``; NaN where there is none.
        images: How many it learned from.
        steps: How many steps were taken.
        scores: Scores of the test images ``[m, K]``.
    """

    value: float
    per_class: NDArray[np.float64]
    images: int
    steps: int
    scores: NDArray[np.float64]


def measure(model: EvaluatedModel, task: Task, protocol: EvalProtocol) -> list[Result]:
    """Learn a task with a copy of a backbone, and with its randomly initialised copy.

    Args:
        model: The backbone, which is left as it is.
        task: Labelled images.
        protocol: The protocol.

    Raises:
        InputError: When the task can't be measured, or learning diverges.
    """
    settings: FineTuneSettings = protocol.settings

    def score(backbone: Backbone, what: str) -> Iterator[TaskScore]:
        found = fine_tune(model, backbone, task, settings, what)
        outcomes = outcomes_of(task.test.hashes, found.scores, task.test.targets, settings.average_precision)
        counts = {"labelled_images": found.images, "steps": found.steps}
        yield TaskScore(found.value, found.per_class, outcomes, counts)

    side = settings.image_size or model.image_size
    return measure_task(model, task, protocol, score, side=side, called=("fine-tuning", "from scratch"))


def fine_tune(
    model: EvaluatedModel, backbone: Backbone, task: Task, settings: FineTuneSettings, what: str
) -> FineTuneScore:
    """Learn a task with a copy of a backbone and a new classifier, and test what came of it.

    Args:
        model: What is measured: where to compute, and the side of its views.
        backbone: Its backbone, or the randomly initialised copy of that.
        task: The task.
        settings: The protocol's settings.
        what: What the progress bar says.

    Raises:
        InputError: When there are too few images, or learning diverges.
    """
    rows = draw_share(task.train.hashes, task.train.targets, settings.label_share, settings.seed)
    if len(rows) < 2:
        raise InputError(f"{len(rows)} image to learn from", where=task.spec, expected="two or more")
    side, classes = settings.image_size or model.image_size, len(task.class_names)
    targets = task.train.targets[rows]
    images = TrainingImages(
        ImageSubset(task.train.images, rows), side, settings.views, min(settings.batch, len(rows)), settings.seed
    )
    # Dropout draws from torch's own generator, which is left as it was found.
    with torch.random.fork_rng(devices=[model.device] if model.device.type == "cuda" else []):
        torch.manual_seed(settings.seed)
        network = _Classifier(backbone, classes).to(model.device, memory_format=torch.channels_last)  # type: ignore[call-overload]
        steps = _learn(network, images, torch.from_numpy(targets), settings, model.device, what)
    scores = _scores(network, task, settings, side, model.device, f"{what}, test images")
    learned = (targets == 1).any(0) if targets.ndim == 2 else np.bincount(targets, minlength=classes) > 0
    scores[:, ~learned] = -np.inf
    per_class, value = measured(scores, task.test.targets, classes, settings.average_precision)
    if math.isnan(value):
        raise InputError("no class has test images that hold it and images that don't", where=task.spec)
    return FineTuneScore(value, per_class, len(rows), steps, scores)


class _Classifier(nn.Module):
    """A copy of a backbone, the mean over its grid, and a linear layer."""

    def __init__(self, backbone: Backbone, classes: int) -> None:
        super().__init__()
        self.backbone = copy.deepcopy(backbone)
        # A run may have kept its backbone, or the lowest layers of it, from learning.
        self.backbone.requires_grad_(True)
        self.linear = nn.Linear(backbone.out_channels, classes)

    def forward(self, images_BCHW: Tensor) -> Tensor:
        scores_BK: Tensor = self.linear(self.backbone(images_BCHW).mean((2, 3)))
        return scores_BK.float()


def _learn(
    network: _Classifier,
    images: TrainingImages,
    targets: Tensor,
    settings: FineTuneSettings,
    device: torch.device,
    what: str,
) -> int:
    """Train; gives back the number of steps."""
    # A last batch of fewer images is left out: its images come in another epoch.
    per_epoch = len(targets) // min(settings.batch, len(targets))
    steps = per_epoch * max(settings.epochs, math.ceil(settings.least_steps / per_epoch))
    groups = [
        *decay_groups(network.backbone.parameters(), settings.weight_decay),
        *decay_groups(network.linear.parameters(), settings.weight_decay, settings.head_rate),
    ]
    optimizer = torch.optim.AdamW(groups, lr=settings.lr)
    network.train()
    with progress_bar() as bar:
        progress = bar.add_task(what, total=steps, note="")
        for step, (views, colours, rows) in enumerate(_endless(images, steps)):
            set_rate(optimizer, settings.lr * settings.rates.rate(step, steps))
            seen = network.backbone.prepare(
                views.to(device, non_blocking=True), None if colours is None else colours.to(device)
            )
            with autocast(device):
                scores_BK = network(seen)
            loss = label_loss(scores_BK, targets[rows].to(device))
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            bar.advance(progress)
    if not all(bool(parameter.isfinite().all()) for parameter in network.parameters()):
        raise InputError(f"{what} diverged", where="lr", mend="copy the protocol's file and lower its lr")
    return steps


def _endless(images: TrainingImages, steps: int) -> Iterator[tuple[Tensor, Tensor | None, NDArray[np.int64]]]:
    taken, epoch = 0, 0
    while taken < steps:
        for batch in images.epoch(epoch, drop_last=True):
            yield batch
            taken += 1
        epoch += 1


def _scores(
    network: _Classifier, task: Task, settings: FineTuneSettings, side: int, device: torch.device, what: str
) -> NDArray[np.float64]:
    found, framing = [], network.backbone.preprocessing.framing
    network.eval()
    with progress_bar() as bar, torch.no_grad(), autocast(device):
        progress = bar.add_task(what, total=len(task.test), note="")
        for views in view_batches(task.test.images, side, settings.crop_share, framing):
            found.append(network(network.backbone.prepare(views.to(device))).double().cpu())
            bar.advance(progress, len(views))
    return np.array(torch.cat(found).numpy())
