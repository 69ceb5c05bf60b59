"""What a person should know before and early in a run: what will be trained on what, and when nothing is learned."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import scipy.sparse
from scipy.special import entr

from wordsight.batching.fields import FIELDS
from wordsight.batching.sampling import ConceptSampler, Sampler
from wordsight.batching.steps import Steps
from wordsight.concepts.concept_set import ConceptSet
from wordsight.errors import setting
from wordsight.objectives import SUM, Objective, objective_chances, parts_of
from wordsight.objectives.capabilities import tag_heads_of
from wordsight.objectives.tag_losses import TAG_LOSSES
from wordsight.progress import console, say
from wordsight.training.pretrain_settings import PretrainSettings
from wordsight.training.run_info import RunInfo
from wordsight.vision.preprocessing import Preprocessing

# A loss within this share of that of guessing has learned next to nothing.
_STILL = 0.97
# Steps over which losses are smoothed before they are judged.
_SMOOTHED = 50
# No run is judged by chance before so many steps.
_LEAST_STEPS = 100


def summary_lines(settings: PretrainSettings, objective: Objective, info: RunInfo) -> list[str]:
    """What is about to happen, in five lines, and what of it a person should know."""
    backbone = sum(p.numel() for p in objective.backbone.parameters()) / 1e6
    heads = sum(p.numel() for _, p in objective.head_parameters()) / 1e6
    words = "" if info.language is None else f", language model {info.language}"
    words += "".join(f", {said}" for name, record in info.fields.items() if (said := FIELDS[name].summary(record)))
    schedule = (
        f"{settings.epochs} epochs, {info.steps:,} steps of {settings.batch_size} images, "
        f"{settings.optimizer.name} with learning rate {settings.lr:g}"
    )
    source = objective.backbone.origin or ("published weights" if settings.pretrained else "from scratch")
    return [
        f"objective  {settings.objective}{_parts(settings)}{words}",
        f"data       {info.examples:,} images of {info.corpus} ({info.split}){_sets(info)}",
        f"backbone   {settings.backbone}, {backbone:.1f}M parameters{_locked(objective)}, {settings.image_size} px; "
        f"heads {heads:.1f}M",
        f"weights    {source}{_pixels(objective.backbone.preprocessing)}",
        *(f"note       {note}" for note in (*objective.backbone.notes, *objective.backbone.warnings)),
        *(f"note       {note}" for part in parts_of(objective, Objective) for note in part.notes),
        f"schedule   {schedule if objective.learns else _without_steps(objective)}",
        *_chances(settings),
    ]


def _parts(settings: PretrainSettings) -> str:
    """Of a sum, what is added."""
    parts = settings.objective_settings.get("objectives") if settings.objective == SUM else None
    said = [f"{name} ({of['kind']}, weight {of.get('weight', 1):g})" for name, of in (parts or {}).items()]
    return f" of {' and '.join(said)}" if said else ""


def _chances(settings: PretrainSettings) -> list[str]:
    """The losses of guessing: nothing is learned where a loss stays there."""
    found = objective_chances(settings.objective, settings.objective_settings, settings.batch_size).items()
    said = [f"{'' if name == 'loss' else f'{name} '}{chance.loss:.2f} ({chance.says})" for name, chance in found]
    return [f"chance     a loss of {', '.join(said)} is that of guessing"] if said else []


def _without_steps(objective: Objective) -> str:
    return "no steps: it is solved from one look at all images" if objective.solved else "nothing is trained"


def _locked(objective: Objective) -> str:
    """How many of the backbone's parameters learn, where an objective locks some."""
    if not objective.backbone.still or not objective.starts_from_weights:
        return ""
    learned = sum(p.numel() for p in objective.backbone.parameters() if p.requires_grad) / 1e6
    return f" ({learned:.1f}M learn, the others are locked)" if learned else " (locked)"


def _pixels(shown: Preprocessing) -> str:
    """Whose mean and spread images are normalised by, where they are not ImageNet's."""
    if shown.usual:
        return ""
    mean, std = (", ".join(f"{value:g}" for value in values) for values in (shown.mean, shown.std))
    return f"; images shown with mean ({mean}) and spread ({std})"


def _sets(info: RunInfo) -> str:
    said = ""
    for name, found in info.concepts.items():
        said += f", {found.count:,} concepts" + (f" of {name}" if len(info.concepts) > 1 else "")
        if found.unseen:
            said += f" ({found.unseen:,} of them in none of these images)"
    return said


class Watch:
    """Looks at the losses and says early when a run can't work.

    Args:
        settings: The run's settings.
        steps: Its steps.
        concepts: Its concept sets. Of a single set the frequencies say what a network that ignores the image would
            reach, for the losses of which that is known.
        objective: Its objective; what is said of tags is so of its tag heads.
    """

    def __init__(
        self, settings: PretrainSettings, steps: Steps, concepts: Mapping[str, ConceptSet], objective: Objective
    ) -> None:
        self._settings = settings
        self._steps = steps
        heads = tag_heads_of(objective)
        self._chances = objective_chances(settings.objective, settings.objective_settings, settings.batch_size)
        # The last step at which each was below, or the first that was looked at.
        self._fell: dict[str, int] = {}
        self._mean: dict[str, float] = {}
        self._last = 0
        # Time for the rate to rise, and then to work; a short run is not judged.
        self._patience = max(_LEAST_STEPS, min(0.5, settings.optimizer.warmup_share + 0.05) * len(steps))
        self._guess: Guess | None = None
        if len(concepts) == 1 and heads is not None:
            ((name, only),) = concepts.items()
            self._guess = blind_guess(heads.losses[name], only, steps.sampler, heads.weights[name])

    def line(self, number: int, means: Mapping[str, Any]) -> None:
        """Once enough steps are done, warn of losses that stay at those of guessing, or are there again; each once.

        Args:
            number: Steps done.
            means: Means over the last of them, by name.
        """
        steps, self._last = number - self._last, number
        for name, chance in list(self._chances.items()):
            if name not in means:
                continue
            # Single steps of a small batch lie above and below: what counts is the mean of about the last fifty.
            before = self._mean.get(name, means[name])
            self._mean[name] = mean = before + min(1.0, steps / _SMOOTHED) * (means[name] - before)
            # A run that is resumed is watched from there.
            fell = self._fell.setdefault(name, number)
            if mean <= _STILL * chance.loss:
                self._fell[name] = number
            elif number >= self._patience and number - fell >= self._patience / 2:
                del self._chances[name]
                what = "the loss" if name == "loss" else f"the loss of {name}"
                say(
                    f"warning: after {number:,} steps {what} is {mean:.2f}, still that of guessing "
                    f"({chance.loss:.2f}, {chance.says}): check that captions belong to their images, and try another "
                    f"{setting('lr')}, a larger {setting('batch_size')} or a longer warm-up"
                )

    def epoch(self, number: int, means: Mapping[str, Any]) -> None:
        """After the first epochs, warn of tags that are not learned."""
        tag, guess = means.get("tag"), self._guess
        if tag is None or guess is None or number not in (1, 2):
            return
        if number == 1 and tag > 0.99 * guess.even and guess.even > 1.1 * guess.blind:
            console.print(
                f"warning: after the first epoch the tag loss is {tag:.2f}, still that of guessing evenly "
                f"({guess.even:.2f}): the learning rate {self._settings.lr:g} may be far too low or too high"
            )
        elif number == 2 and tag > guess.blind:
            say(
                f"warning: after two epochs the tag loss is {tag:.2f}, no better than ignoring the image "
                f"({guess.blind:.2f}): check that captions belong to their images, and try another {setting('lr')}"
            )


@dataclass(frozen=True)
class Guess:
    """What a tag loss is without looking at the image.

    Args:
        even: Of guessing all concepts evenly; infinite where no network begins with that.
        blind: Of the best guess that does not look.
    """

    even: float
    blind: float


def blind_guess(loss: str, concepts: ConceptSet, sampler: Sampler, weight: float = 1.0) -> Guess | None:
    """What a loss is for a network that ignores the image; None where no formula says it.

    Args:
        loss: Name of the loss.
        concepts: The concept set.
        sampler: What draws the examples.
        weight: The weight of the set's loss.
    """
    chances_N, rows = sampler.chances_N, concepts.matrix[sampler.examples]
    kind = TAG_LOSSES[loss]
    if kind.drawn or (kind.independent and concepts.target == "labels"):
        rows = (rows > 0).astype(np.float64)
    if loss == "softmax":
        # The cross-entropy's best constant guess is the mean normalised label (Eq. 2).
        mean_K = chances_N @ _normalised(rows)
    elif loss == "one-drawn" and isinstance(sampler, ConceptSampler):
        mean_K = np.full(len(sampler.present), 1 / len(sampler.present))
    elif loss == "one-drawn":
        mean_K = chances_N @ _normalised(rows)
    elif loss == "sigmoid":
        mean_K = chances_N @ rows
        return Guess(math.inf, weight * float(np.sum(entr(mean_K) + entr(1 - mean_K))))
    else:
        return None
    return Guess(weight * math.log(max(2, len(concepts))), weight * float(np.sum(entr(mean_K / mean_K.sum()))))


def _normalised(rows: scipy.sparse.csr_matrix) -> scipy.sparse.csr_matrix:
    """Rows that sum to one, where they hold anything."""
    totals = np.asarray(rows.sum(1)).ravel()
    return rows.multiply(1 / np.maximum(totals, 1e-9)[:, None]).tocsr()
