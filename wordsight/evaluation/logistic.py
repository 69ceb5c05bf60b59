"""The protocol ``logistic``: a logistic regression on the average-pooled features of the frozen backbone.

After CLIP's linear probe (Radford et al. 2021, Section A.3): L-BFGS, the penalty found on a validation split of the
training images, then a fit on all of them. Features are standardised by the training images. One label an image:
softmax, top-1 accuracy. Several: one class against the rest, mean average precision, ignored labels left out of the fit
and of the metric.
"""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from wordsight.errors import InputError
from wordsight.evaluation import guards
from wordsight.evaluation.features import extract_features
from wordsight.evaluation.holdout import held_out, strata_of
from wordsight.evaluation.linear import LogisticFits, Standardiser, strongest_first
from wordsight.evaluation.metrics import accuracies, accuracy, average_precisions, mean_of_known, standard_error
from wordsight.evaluation.results import Result, SweepPoint, reusable
from wordsight.evaluation.subject import Subject, weights_fingerprint
from wordsight.evaluation.tasks import Task
from wordsight.precision import precision_on
from wordsight.progress import track
from wordsight.vision.backbones import Backbone

NAME = "logistic"


@dataclass(frozen=True)
class LogisticSettings:
    """Settings of the protocol.

    Args:
        penalties: Weights of the penalty on the mean loss that are tried.
        validation_share: Share of the training images that the penalty is chosen on.
        max_iterations: Of L-BFGS.
        tolerance: L-BFGS stops when no entry of the mean gradient is larger.
        layer: The backbone's layer; None for the last.
        pool: Cells a side that the grid is average-pooled to.
        crop_share: Side of the centre square that is looked at, as a share of the image's shorter side.
    """

    penalties: tuple[float, ...] = (1e-4, 3e-4, 1e-3, 3e-3, 1e-2, 3e-2, 1e-1, 3e-1, 1.0, 3.0, 10.0, 30.0)
    validation_share: float = 0.2
    max_iterations: int = 1000
    tolerance: float = 1e-5
    layer: str | None = None
    pool: int = 1
    crop_share: float = 1.0


@dataclass(frozen=True)
class ProbeScore:
    """What one probe gave.

    Args:
        value: The metric in percent.
        per_class: The metric for each class in percent; NaN where there is none.
        penalty: The penalty that was chosen.
        sweep: What every penalty gave on the validation split.
        notes: What a reader should know.
    """

    value: float
    per_class: NDArray[np.float64]
    penalty: float
    sweep: tuple[SweepPoint, ...]
    notes: tuple[str, ...]


def measure(subject: Subject, task: Task, settings: LogisticSettings) -> Result:
    """Probe a backbone and its random twin on a task.

    Args:
        subject: The backbone.
        task: Labelled images.
        settings: The protocol's settings.

    Raises:
        InputError: When the task or the features can't be probed.
    """
    guards.check_overlap(task)
    notes = [*task.notes, *guards.check_counts(task)]

    def probe_of(backbone: Backbone, what: str) -> ProbeScore:
        features = [
            extract_features(
                backbone,
                part.images,
                subject.image_size,
                layer=settings.layer,
                pool=settings.pool,
                crop_share=settings.crop_share,
                device=subject.device,
                what=f"{what}, {side}",
            )
            for side, part in (("training images", task.train), ("test images", task.test))
        ]
        return probe(features[0], features[1], task, settings, what)

    found = probe_of(subject.backbone, "trained")
    twin = _random_twin(subject, task, settings, probe_of)
    notes += [*found.notes, *guards.compare_with_random(found.value, twin["value"])]
    targets = task.test.targets
    return Result(
        task=task.name,
        protocol=NAME,
        metric="mAP" if task.multilabel else "top-1 accuracy",
        value=found.value,
        random_weights=twin["value"],
        baselines={"chance": chance(task)},
        standard_error=None if task.multilabel else standard_error(found.value, len(targets)),
        per_class=_named(task.class_names, found.per_class),
        penalty=found.penalty,
        sweep=list(found.sweep),
        counts={
            "classes": len(task.class_names),
            "train_images": len(task.train),
            "test_images": len(task.test),
            "validation_images": int(_validation(task, settings).sum()),
        },
        settings={
            **asdict(settings),
            "penalties": list(settings.penalties),
            "image_size": subject.image_size,
            "precision": str(precision_on(subject.device)).removeprefix("torch."),
            "split": task.split_rule,
            "source": task.spec,
        },
        weights=weights_fingerprint(subject.backbone),
        data=task.fingerprint,
        warnings=notes,
        reusable={"random_weights": twin},
    )


def probe(
    train: NDArray[np.float32],
    test: NDArray[np.float32],
    task: Task,
    settings: LogisticSettings,
    what: str = "features",
) -> ProbeScore:
    """Choose the penalty on a validation split of the training features, fit on all of them, score the test features.

    Args:
        train: Features of the training images ``[n, C]``.
        test: Features of the test images ``[m, C]``.
        task: Their targets.
        settings: The protocol's settings.
        what: Whose features they are, for messages.

    Raises:
        InputError: When the features hold no information, or no class can be measured.
    """
    notes = guards.check_features(train, what)
    guards.check_features(test, f"{what} (test)")
    validation = _validation(task, settings)
    classes = len(task.class_names)

    def fits(rows: NDArray[np.bool_]) -> tuple[Standardiser, LogisticFits]:
        scaled = Standardiser.of(train[rows])
        fit = LogisticFits(
            scaled(train[rows]), task.train.targets[rows], classes, settings.max_iterations, settings.tolerance
        )
        return scaled, fit

    sweep, unfinished = [], 0
    if _can_choose(task.train.targets, validation):
        scaled, fit = fits(~validation)
        seen, targets = scaled(train[validation]), task.train.targets[validation]
        for penalty in track(strongest_first(settings.penalties), f"{what}, penalties"):
            value = _per_class_and_mean(fit.scores(penalty, seen), targets, classes)[1]
            if not math.isnan(value):
                sweep.append(SweepPoint(penalty, value))
        unfinished = fit.unfinished
    penalty, edge = choose(sweep, settings.penalties)
    notes += edge
    scaled, final = fits(np.ones(len(train), dtype=np.bool_))
    per_class, value = _per_class_and_mean(final.scores(penalty, scaled(test)), task.test.targets, classes)
    if math.isnan(value):
        raise InputError(
            "no class has images that hold it and images that don't in both training and test", where=task.spec
        )
    unfinished += final.unfinished
    if unfinished:
        notes.append(f"{unfinished} fits of {what} stopped at {settings.max_iterations:,} iterations")
    return ProbeScore(value, per_class, penalty, tuple(sweep), tuple(notes))


def choose(sweep: Sequence[SweepPoint], penalties: Sequence[float]) -> tuple[float, list[str]]:
    """The penalty with the best value, the strongest of equals.

    Args:
        sweep: What each penalty gave on the validation split.
        penalties: Those that there are to choose from.

    Returns:
        The penalty; and a sentence where it lies at the sweep's edge, or there was nothing to choose it by.
    """
    low, middle, high = min(penalties), sorted(penalties)[len(penalties) // 2], max(penalties)
    if not sweep:
        return middle, [f"too few training images to choose a penalty by: {middle:g} was taken"]
    best = max(sweep, key=lambda point: (point.value, point.penalty))
    if len(penalties) > 1 and best.penalty in (low, high):
        side = "weakest" if best.penalty == low else "strongest"
        return best.penalty, [f"the best penalty, {best.penalty:g}, is the {side} tried: a wider sweep may do better"]
    return best.penalty, []


def chance(task: Task) -> float:
    """What the labels alone give: always guessing the most frequent class; for several, the share of positives."""
    if not task.multilabel:
        guess = int(np.bincount(task.train.targets).argmax())
        return 100 * float((task.test.targets == guess).mean())
    counted = task.test.targets >= 0
    shares = (task.test.targets == 1).sum(0) / np.maximum(counted.sum(0), 1)
    return 100 * float(shares[(task.test.targets == 1).any(0)].mean())


def _random_twin(
    subject: Subject, task: Task, settings: LogisticSettings, probe_of: Callable[[Backbone, str], ProbeScore]
) -> dict[str, Any]:
    """The same probe of the network with random weights; found again where an earlier result holds it."""
    backbone = subject.random_backbone()
    depends = [asdict(settings), subject.image_size, task.fingerprint, weights_fingerprint(backbone)]
    key = hashlib.sha256(json.dumps(depends).encode()).hexdigest()[:16]
    earlier = reusable(subject.results_folder, task.name, NAME, "random_weights", key)
    if earlier is not None:
        return earlier
    found = probe_of(backbone, "random weights")
    return {
        "key": key,
        "value": found.value,
        "penalty": found.penalty,
        "per_class": _named(task.class_names, found.per_class),
    }


def _validation(task: Task, settings: LogisticSettings) -> NDArray[np.bool_]:
    return held_out(task.train.hashes, strata_of(task.train.targets), settings.validation_share, "validation")


def _per_class_and_mean(
    scores: NDArray[np.float64], targets: NDArray[Any], classes: int
) -> tuple[NDArray[np.float64], float]:
    if targets.ndim == 1:
        predicted = scores.argmax(1)
        return accuracies(predicted, targets, classes), accuracy(predicted, targets)
    learned = np.isfinite(scores).all(0)
    per_class = np.full(classes, np.nan)
    per_class[learned] = average_precisions(scores[:, learned], targets[:, learned])
    return per_class, mean_of_known(per_class)


def _can_choose(targets: NDArray[Any], validation: NDArray[np.bool_]) -> bool:
    """Whether there is something to validate on, and two classes to tell apart in the rest."""
    rest = targets[~validation]
    return bool(validation.any()) and (rest.ndim == 2 or len(np.unique(rest)) > 1)


def _named(names: Sequence[str], values: NDArray[np.float64]) -> dict[str, float]:
    return {name: float(value) for name, value in zip(names, values, strict=True) if not math.isnan(value)}
