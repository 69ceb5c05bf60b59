"""A run as the model under evaluation."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import replace
from functools import cache
from typing import TYPE_CHECKING

from wordsight.device import Device, chosen_device

# torch takes seconds to import; each function imports what it needs.
if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from wordsight.evaluation.models.evaluated_model import EvaluatedModel, LearnedConcepts
    from wordsight.training.run import Run
    from wordsight.vision.preprocessing import Framing


def evaluated_run(
    run: Run, device: Device, *, heads: bool, image_size: int = 0, framing: Framing = "crop"
) -> EvaluatedModel:
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
    from wordsight.evaluation.models.evaluated_model import EvaluatedModel
    from wordsight.evaluation.models.networks import preprocessed_alike
    from wordsight.training.concept_means import means_of_run

    language = run.language_model() if heads else None
    objective = run.objective(language) if heads else None
    backbones = [run.backbone(), *([objective.backbone] if objective is not None else [])]
    for each in backbones:
        each.preprocessing = replace(each.preprocessing, framing=framing)

    @cache
    def log_means() -> Mapping[str, NDArray[np.float64]]:
        return {} if objective is None else means_of_run(run, objective, chosen_device(device))

    return EvaluatedModel(
        name=run.name,
        backbone=backbones[0],
        random_backbone=lambda: preprocessed_alike(run.backbone("random"), backbones[0]),
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
    from wordsight.evaluation.models.evaluated_model import LearnedConcepts

    counts = {name: run.concept_counts(name) for name in run.info.concepts}
    return {
        name: LearnedConcepts(
            run.concept_set(name) if one is None else one.concepts, None if one is None else one.train_K
        )
        for name, one in counts.items()
    }


def usual_protocol(run: Run) -> str:
    """The protocol by which a run is asked about a corpus where none is named; "" where its heads can be asked nothing.

    Args:
        run: The run.
    """
    from wordsight.objectives import (
        CaptioningObjective,
        ImageTextObjective,
        MaskedWordObjective,
        TagObjective,
        objective_kind,
        objective_kinds,
        objective_settings,
    )

    name, values = run.settings.objective, run.settings.objective_settings
    answers = (MaskedWordObjective, TagObjective, ImageTextObjective, CaptioningObjective)
    if not any(issubclass(one, answers) for one in objective_kinds(name, values)):
        return ""
    return objective_kind(name).build.default_protocol(objective_settings(name, values))
