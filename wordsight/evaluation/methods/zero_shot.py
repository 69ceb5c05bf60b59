"""The method ``zero-shot``: which class is it, by the name alone? No image of the task is learned from.

Class names go through templates to the objective's own text side, the texts of a class are averaged, and the class
whose text scores highest is the guess (Radford et al. 2021, Section 3.1). Classes can also be asked about by
descriptions, one or several lines each (fruit, red, round: an apple). Read beside chance, and beside the same heads on
the backbone with random weights.
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from wordsight.corpus.class_names import (
    ClassNames,
    check_templates,
    descriptions_of_classes,
    names_of_classes,
    unreadable,
)
from wordsight.errors import NoAnswerError
from wordsight.evaluation.image_text.few_guesses import few_classes, guesses_of, no_difference
from wordsight.evaluation.image_text.queries import TextQueries, TextQuery, TextSide
from wordsight.evaluation.image_text.text_sides import (
    AUTO,
    asking,
    check_text_side,
    chosen_similarity,
    others_unasked,
    see_images,
    text_sides,
    with_backbone,
)
from wordsight.evaluation.methods.recorded_settings import recorded_settings
from wordsight.evaluation.methods.task_results import chance_baselines
from wordsight.evaluation.metrics.bootstrap import bootstrap_interval
from wordsight.evaluation.metrics.classification import (
    CHANCE,
    TOP1,
    accuracies_of,
    average_precisions,
    chance_mean_precision,
    mean_of_known,
    standard_error,
    within,
)
from wordsight.evaluation.metrics.outcomes import Outcomes, classified, first_five, outcomes_of, parts_of_ratio
from wordsight.evaluation.models.evaluated_model import EvaluatedModel
from wordsight.evaluation.protocol import EvalProtocol
from wordsight.evaluation.results.measurement import baselines_for
from wordsight.evaluation.results.result import Result
from wordsight.evaluation.tasks import Task
from wordsight.ranges import Fraction, check_ranges
from wordsight.vision.inference import weights_fingerprint

TOP1_KNOWN = "top-1 accuracy, images of known classes"
# Classes that a warning names.
_NAMED = 10


@dataclass(frozen=True)
class ZeroShotSettings:
    """Settings of the method.

    Args:
        templates: Sentences with a class's name in place of ``{}``; a class's texts are averaged.
        names: A table of classes and names, where the task's own names are no words; "" looks for one beside the
            images (``labels.csv`` with a column ``name``), and then takes the task's own.
        descriptions: A table of classes and descriptions, a line or several each; classes that it has are asked about
            by these in place of their names. "" for none.
        text_side: ``auto``, or which of an objective's text sides is asked: a name in ``TEXT_SIDES``.
        similarity: ``auto`` for the text side's own, or another that it has.
        random_init: Whether the heads are asked on a backbone with random weights too.
        crop_share: Side of the centre square that is looked at, as a share of the image's shorter side.
    """

    templates: tuple[str, ...] = ("a photo of a {}.",)
    names: str = ""
    descriptions: str = ""
    text_side: str = AUTO
    similarity: str = AUTO
    random_init: bool = True
    crop_share: Fraction = 1.0

    def __post_init__(self) -> None:
        check_ranges(self)
        check_text_side(self.text_side, self.similarity)
        check_templates(self.templates)


@dataclass(frozen=True)
class ClassTexts:
    """The texts that stand for K classes.

    Args:
        texts: The texts of all classes, class by class.
        group_T: The class of each.
        names: What each class is called, for messages.
        source: Where the names came from.
        notes: What a reader should know.
    """

    texts: Sequence[TextQuery]
    group_T: NDArray[np.int64]
    names: Sequence[str]
    source: str
    notes: Sequence[str]


def measure(model: EvaluatedModel, task: Task, protocol: EvalProtocol) -> list[Result]:
    """Ask about the test images of a task by the names of its classes.

    Args:
        model: Its objective's text side is asked.
        task: Labelled images; those to learn from are not looked at.
        protocol: Its settings are :class:`ZeroShotSettings`.

    Returns:
        A result; of several tag heads one for each.

    Raises:
        InputError: When the objective has no text side, or it knows none of the classes.
    """
    settings: ZeroShotSettings = protocol.settings
    sides = text_sides(model, settings.text_side)
    chosen = {name: chosen_similarity(side, settings.similarity) for name, side in sides.items()}
    said = class_texts(task, settings)
    results = []
    for name, side in sides.items():
        part = name if len(sides) > 1 else ""
        results.append(_of_side(model, task, protocol, side, chosen[name], said, part))
    return results


def class_texts(task: Task, settings: ZeroShotSettings) -> ClassTexts:
    """The texts of each class: its names in every template, or its descriptions.

    Args:
        task: Its classes.
        settings: Templates and files.

    Raises:
        InputError: When a file can't be read or has none of the classes.
    """
    place = Path(task.spec.partition(":")[2] or task.spec)
    beside = place if place.is_dir() else place.parent
    called = names_of_classes(task.class_names, Path(settings.names) if settings.names else None, beside)
    described: dict[str, tuple[str, ...]] = {}
    if settings.descriptions:
        described = descriptions_of_classes(task.class_names, Path(settings.descriptions))
    texts: list[TextQuery] = []
    groups: list[int] = []
    for k, (own, names) in enumerate(zip(task.class_names, called.names, strict=True)):
        of_class = [TextQuery((line,)) for line in described.get(own, ())] or [
            TextQuery((template.replace("{}", name),), name, template.replace("{}", ""))
            for name in names
            for template in settings.templates
        ]
        texts += of_class
        groups += [k] * len(of_class)
    first = [each[0] for each in called.names]
    notes = _notes(task, called, described)
    return ClassTexts(texts, np.array(groups, dtype=np.int64), first, called.source, notes)


def _notes(task: Task, called: ClassNames, described: dict[str, tuple[str, ...]]) -> list[str]:
    notes = []
    if described and len(described) < len(task.class_names):
        notes.append(f"{len(described):,} of {len(task.class_names):,} classes have a description; others go by name")
    by_name = [names[0] for own, names in zip(task.class_names, called.names, strict=True) if own not in described]
    if numbers := unreadable(by_name):
        notes.append(
            f"{len(numbers):,} classes are called by a number ({numbers[0]}, ...): say what they are with a table of "
            "classes and names (names: FILE)"
        )
    return notes


def _of_side(
    model: EvaluatedModel,
    task: Task,
    protocol: EvalProtocol,
    side: TextSide,
    similarity: str,
    said: ClassTexts,
    part: str,
) -> Result:
    assert model.objective is not None, "a text side is an objective's"
    settings: ZeroShotSettings = protocol.settings
    with asking(model):
        queries = side.ask(said.texts, similarity, said.group_T)
        _check_known(side, queries, said, task)
        scores_NK, alike = _scores(model, task, queries, settings, "images")
    crowded = alike or ([] if task.multilabel else _crowded(scores_NK, task, queries.known_T))
    found = score(scores_NK, task, queries.known_T)
    random = None
    if settings.random_init:
        with with_backbone(model, model.random_backbone()), asking(model):
            random_init_scores, _ = _scores(model, task, queries, settings, "images, random weights")
        random = score(random_init_scores, task, queries.known_T).value
    return Result(
        task=task.name,
        protocol=protocol.name,
        part=part,
        metric=found.metric,
        value=found.value,
        random_weights=random,
        baselines=found.baselines,
        more=found.outcomes.more,
        outcomes=found.outcomes,
        standard_error=None if task.multilabel else standard_error(found.value, len(task.test)),
        interval=bootstrap_interval(found.outcomes),
        per_class={
            name: float(value)
            for name, value in zip(task.class_names, found.per_class, strict=True)
            if not math.isnan(value)
        },
        counts={
            "classes": len(task.class_names),
            "known_classes": int(queries.known_T.sum()),
            "test_images": len(task.test),
            "texts": len(said.texts),
        },
        settings=recorded_settings(
            protocol, model, task, names=said.source, text_side=side.name, similarity=queries.similarity
        ),
        weights=weights_fingerprint(model.objective),
        data=task.fingerprint,
        warnings=[
            *task.notes,
            *others_unasked(model, settings.text_side),
            *said.notes,
            *queries.notes,
            *_unknown(said, queries),
            *_alike(said, queries, side),
            *crowded,
        ],
    )


def _check_known(side: TextSide, queries: TextQueries, said: ClassTexts, task: Task) -> None:
    if not queries.known_T.any():
        named = ", ".join(said.names[:3])
        raise NoAnswerError(
            f"the {side.name} know none of the {len(said.names)} classes ({named}, ...)",
            where=task.spec,
            mend="say what the classes are called with a table of classes and names (names: FILE)",
        )


def _scores(
    model: EvaluatedModel, task: Task, queries: TextQueries, settings: ZeroShotSettings, what: str
) -> tuple[NDArray[np.float64], list[str]]:
    """Scores of every test image for every class ``[N, K]``; a class is one text, so they are few. And a sentence where
    the images are all the same."""
    images = see_images(model, queries, task.test.images, settings.crop_share, what)
    scores = queries.scores(images)
    size = max(1, (1 << 24) // max(1, len(queries.texts)))
    parts = [
        scores.scores(slice(first, first + size), slice(None)).double().cpu() for first in range(0, len(images), size)
    ]
    return np.asarray(torch.cat(parts).numpy()), no_difference(images)


def _crowded(scores_NK: NDArray[np.float64], task: Task, known_K: NDArray[np.bool_]) -> list[str]:
    """A sentence where a few classes take most of the guesses, among those that can be guessed and their images."""
    asked_N, known = known_K[task.test.targets], np.flatnonzero(known_K).tolist()
    images_K = np.bincount(task.test.targets, minlength=len(known_K))
    if not asked_N.any():
        return []
    return few_classes(guesses_of(scores_NK[asked_N][:, known]), images_K[known], [task.class_names[k] for k in known])


@dataclass(frozen=True)
class ZeroShotScore:
    """What scores of classes come to.

    Args:
        metric: The name of the value.
        value: In percent.
        per_class: In percent; NaN for a class without a test image.
        baselines: Chance, for each metric.
        outcomes: What became of each image, by the value's metric and by further ones.
    """

    metric: str
    value: float
    per_class: NDArray[np.float64]
    baselines: dict[str, float]
    outcomes: Outcomes


def score(scores_NK: NDArray[np.float64], task: Task, known_K: NDArray[np.bool_]) -> ZeroShotScore:
    """From scores of the test images to the metrics of a task.

    A class that the text side knows nothing of is never the guess, and its images count as wrong ones.

    Args:
        scores_NK: Scores.
        task: Its targets: top-1, top-5 and mean per class accuracy for one label an image, mean average precision for
            several.
        known_K: Which classes the text side knows.
    """
    targets: NDArray[Any] = task.test.targets
    if task.multilabel:
        precision_K = average_precisions(scores_NK, targets)
        outcomes = outcomes_of(task.test.hashes, scores_NK, targets)
        baselines = {CHANCE: chance_mean_precision(targets)}
        return ZeroShotScore("mAP", mean_of_known(precision_K), precision_K, baselines, outcomes)
    right_N = within(scores_NK, targets, 1)
    outcomes = classified(task.test.hashes, right_N, targets, first_five(scores_NK, targets))
    main, further = chance_baselines(len(known_K), outcomes.further)
    asked_about = known_K[targets]
    if not known_K.all() and asked_about.any():
        of_known = parts_of_ratio(right_N * asked_about, asked_about.astype(np.float64))
        outcomes = replace(outcomes, further={**outcomes.further, TOP1_KNOWN: of_known})
        further |= baselines_for(TOP1_KNOWN, {CHANCE: 100 / int(known_K.sum())})
    return ZeroShotScore(
        TOP1,
        100 * float(right_N.mean()),
        accuracies_of(right_N, targets, len(known_K)),
        main | further,
        outcomes,
    )


def _unknown(said: ClassTexts, queries: TextQueries) -> list[str]:
    unknown = [name for name, known in zip(said.names, queries.known_T, strict=True) if not known]
    if not unknown:
        return []
    named = ", ".join(unknown[:_NAMED]) + (", ..." if len(unknown) > _NAMED else "")
    return [
        f"{len(unknown):,} of {len(said.names):,} classes have no word that the run learned, and are never predicted: "
        f"{named}"
    ]


def _alike(said: ClassTexts, queries: TextQueries, side: TextSide) -> list[str]:
    """Classes that are the same to the text side: between them it guesses at random, and why."""
    of_text: dict[bytes, list[str]] = defaultdict(list)
    vectors = queries.texts.block(slice(0, len(queries.texts))).cpu().numpy().round(6)
    for name, vector, known in zip(said.names, vectors, queries.known_T, strict=True):
        if known:
            of_text[vector.tobytes()].append(name)
    groups = [" = ".join(names) for names in of_text.values() if len(names) > 1]
    if not groups:
        return []
    named = "; ".join(groups[:_NAMED]) + ("; ..." if len(groups) > _NAMED else "")
    return [f"some classes have the same words, and are told apart at random ({side.why_alike}): {named}"]
