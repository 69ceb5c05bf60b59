"""What a person should know before and early in a run: what will be trained on what, and when nothing is learned."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import numpy as np

from wordsight.batching.steps import Steps
from wordsight.concepts.concept_set import ConceptSet
from wordsight.errors import InputError
from wordsight.objectives import Objective
from wordsight.progress import console
from wordsight.training.run import RunInfo
from wordsight.training.settings import PretrainSettings


def summary_lines(settings: PretrainSettings, objective: Objective, info: RunInfo) -> list[str]:
    """What is about to happen, in four lines."""
    backbone = sum(p.numel() for p in objective.backbone.parameters()) / 1e6
    heads = sum(p.numel() for _, p in objective.head_parameters()) / 1e6
    words = f", language model {info.language}, {settings.masks_per_image} masked words an image" if info.masked else ""
    return [
        f"objective  {settings.objective}{words}",
        f"data       {info.examples:,} images of {info.corpus} ({info.split}), {info.concept_count:,} concepts",
        f"backbone   {settings.backbone}, {backbone:.1f}M parameters, {settings.image_size} px; heads {heads:.1f}M",
        f"schedule   {settings.epochs} epochs, {info.steps:,} steps of {settings.batch_size} images, "
        f"{settings.optimizer.name} with learning rate {settings.lr:g}",
    ]


class Watch:
    """Looks at the losses and says early when a run can't work.

    Args:
        settings: The run's settings.
        steps: Its steps.
        concepts: Its concept set, whose frequencies say what a network that ignores the image would reach.
    """

    def __init__(self, settings: PretrainSettings, steps: Steps, concepts: ConceptSet) -> None:
        self._settings = settings
        self._steps = steps
        self._blind = _blind_tag_loss(concepts, steps.examples)
        self._uniform = math.log(max(2, len(concepts.names)))

    def loss(self, step: int, value: float) -> None:
        """Stop at a loss that is no number.

        Raises:
            InputError: When it is not finite.
        """
        if not math.isfinite(value):
            raise InputError(
                f"the loss is {value} at step {step + 1}",
                where="training",
                mend=f"give a lower --lr than {self._settings.lr:g}, or --precision fp32; the last checkpoint is kept",
            )

    def epoch(self, number: int, means: Mapping[str, Any]) -> None:
        """After the first epochs, warn of tags that are not learned."""
        tag = means.get("tag")
        if tag is None or number not in (1, 2):
            return
        if number == 1 and tag > 0.99 * self._uniform and self._uniform > 1.1 * self._blind:
            console.print(
                f"warning: after the first epoch the tag loss is {tag:.2f}, still that of guessing evenly "
                f"({self._uniform:.2f}): the learning rate {self._settings.lr:g} may be far too low or too high"
            )
        elif number == 2 and tag > self._blind:
            console.print(
                f"warning: after two epochs the tag loss is {tag:.2f}, no better than ignoring the image "
                f"({self._blind:.2f}): check that captions belong to their images, and try another --lr"
            )


def _blind_tag_loss(concepts: ConceptSet, examples: np.ndarray[Any, np.dtype[np.int64]]) -> float:
    """Tag loss of the best guess that does not look: the entropy of the mean normalised label (Eq. 2)."""
    rows = concepts.matrix[examples]
    totals = np.asarray(rows.sum(1)).ravel()
    shares = np.asarray(rows.multiply(1 / np.maximum(totals, 1e-9)[:, None]).sum(0)).ravel()
    shares = shares[shares > 0] / shares.sum()
    return float(-(shares * np.log(shares)).sum())
