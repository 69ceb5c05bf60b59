"""What all methods on labelled images share: a network is measured, and read beside its randomly initialised copy.

A method says what a network gives on each of its layers (`TaskScore`). The task's checks, the copy, whose numbers are
cached, and the results are made here.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace

import numpy as np
from numpy.typing import NDArray

from wordsight.environment import installed_versions
from wordsight.evaluation.features.cache import key_of, load_outcomes, store_outcomes
from wordsight.evaluation.methods.recorded_settings import recorded_settings
from wordsight.evaluation.methods.task_results import baselines_of, with_random_init
from wordsight.evaluation.metrics.classification import TOP1, standard_error
from wordsight.evaluation.metrics.outcomes import Outcomes
from wordsight.evaluation.models.evaluated_model import EvaluatedModel
from wordsight.evaluation.protocol import EvalProtocol
from wordsight.evaluation.results.result import Result
from wordsight.evaluation.tasks import Task
from wordsight.evaluation.tasks.task_checks import check_task
from wordsight.vision.backbones import Backbone
from wordsight.vision.inference import behaviour, weights_fingerprint

# How the two networks are called in progress bars and messages.
TRAINED, RANDOM = "trained", "random weights"


@dataclass(frozen=True)
class TaskScore:
    """What a network gave on a task by one of its layers.

    Args:
        value: The metric on the test images, in percent.
        per_class: The same for each class ``[K]``; NaN where there is none.
        outcomes: What became of each test image.
        counts: How many of what, besides classes and images.
        layer: The layer; "" for the last.
        part: What else tells its result from others of the layer ("5-shot").
        named: The outcomes that results are read beside when they are the random copy's, by name; by default those
            above under the layer's name.
        complete: From the result, and the copy's named outcomes, to the result with the method's own fields and the
            copy's numbers; None for the latter alone.
        notes: What a reader should know.
    """

    value: float
    per_class: NDArray[np.float64]
    outcomes: Outcomes
    counts: Mapping[str, int]
    layer: str = ""
    part: str = ""
    named: Mapping[str, Outcomes] = field(default_factory=dict)
    complete: Callable[[Result, Mapping[str, Outcomes]], Result] | None = None
    notes: Sequence[str] = ()

    def all_named(self) -> Mapping[str, Outcomes]:
        """The named outcomes."""
        return self.named or {self.layer: self.outcomes}


def measure_task(
    model: EvaluatedModel,
    task: Task,
    protocol: EvalProtocol,
    score: Callable[[Backbone, str], Iterable[TaskScore]],
    *,
    side: int,
    called: tuple[str, str] = (TRAINED, RANDOM),
) -> list[Result]:
    """Measure a backbone on a task, and its randomly initialised copy.

    Args:
        model: The backbone.
        task: Labelled images.
        protocol: The protocol.
        score: What a backbone gives, layer by layer; its second argument is what bars and messages call it.
        side: Side of the view in pixels.
        called: What they call the backbone, and the copy.

    Returns:
        A result for each score.

    Raises:
        InputError: When the task can't be measured.
    """
    notes = check_task(task)
    scores = list(score(model.backbone, called[0]))
    names = [name for each in scores for name in each.all_named()]
    random = _random_outcomes(model, task, protocol, names, lambda copy: score(copy, called[1]))
    several = len({each.layer for each in scores}) > 1
    results = []
    for each in scores:
        part = "-".join(filter(None, (each.layer if several else "", each.part)))
        result = _result(model, task, protocol, each, side)
        result = replace(result, part=part, warnings=[*notes, *each.notes])
        results.append(each.complete(result, random) if each.complete else with_random_init(result, random[each.layer]))
    return results


def _result(model: EvaluatedModel, task: Task, protocol: EvalProtocol, score: TaskScore, side: int) -> Result:
    """A result with everything that is known before the random copy's numbers."""
    return Result(
        task=task.name,
        protocol=protocol.name,
        metric="mAP" if task.multilabel else TOP1,
        value=score.value,
        baselines=baselines_of(task, score.outcomes.more),
        more=score.outcomes.more,
        standard_error=None if task.multilabel else standard_error(score.value, len(task.test)),
        per_class={
            name: float(each)
            for name, each in zip(task.class_names, score.per_class, strict=True)
            if not math.isnan(float(each))
        },
        counts={
            "classes": len(task.class_names),
            "train_images": len(task.train),
            "test_images": len(task.test),
            **score.counts,
        },
        settings=recorded_settings(protocol, model, task, view=side),
        weights=weights_fingerprint(model.backbone),
        data=task.fingerprint,
        outcomes=score.outcomes,
    )


def _random_outcomes(
    model: EvaluatedModel,
    task: Task,
    protocol: EvalProtocol,
    names: Sequence[str],
    score: Callable[[Backbone], Iterable[TaskScore]],
) -> dict[str, Outcomes]:
    """What becomes of the test images under the randomly initialised copy; found again where it was measured.

    The protocol's name does not matter, its method and settings do.
    """
    copy = model.random_backbone()
    key = key_of(
        protocol.method,
        asdict(protocol.settings),
        model.image_size,
        model.device.type,
        task.fingerprint,
        weights_fingerprint(copy),
        behaviour(copy, model.image_size),
        installed_versions(),
    )
    cached = load_outcomes(key)
    if cached is not None and cached.keys() >= set(names):
        return cached
    found = {name: outcomes for each in score(copy) for name, outcomes in each.all_named().items()}
    store_outcomes(key, found, task=task.name, method=protocol.method)
    return found
