"""Objectives: one file, one method. `OBJECTIVES` is the list of what a recipe can name."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from wordsight.batching.fields.masked import MaskedFacts
from wordsight.batching.fields.tags import TagFacts
from wordsight.batching.needs import Needs
from wordsight.batching.sources import ConceptFacts
from wordsight.errors import unknown
from wordsight.objectives.deepercluster import DeeperCluster, DeeperClusterSettings
from wordsight.objectives.icmlm_attfc import AttFc, AttFcSettings
from wordsight.objectives.icmlm_tfm import Tfm, TfmSettings
from wordsight.objectives.no_training import Untouched, UntouchedSettings
from wordsight.objectives.objective import (
    Facts,
    Look,
    MaskedPrediction,
    MaskedWordObjective,
    Objective,
)
from wordsight.objectives.rotation import Rotation, RotationSettings
from wordsight.objectives.tag_prediction import TagPrediction, TagPredictionSettings
from wordsight.settings import from_mapping
from wordsight.vision.backbones import Backbone

__all__ = [
    "OBJECTIVES",
    "ConceptFacts",
    "Facts",
    "Look",
    "MaskedFacts",
    "MaskedPrediction",
    "MaskedWordObjective",
    "Objective",
    "TagFacts",
    "build_objective",
    "objective_needs",
]


@dataclass(frozen=True)
class ObjectiveKind:
    """An objective, and the dataclass of its settings. It is built as ``build(backbone, facts, settings)``."""

    settings: type[Any]
    build: type[Objective]


OBJECTIVES: dict[str, ObjectiveKind] = {
    "tag-prediction": ObjectiveKind(TagPredictionSettings, TagPrediction),
    "icmlm-tfm": ObjectiveKind(TfmSettings, Tfm),
    "icmlm-attfc": ObjectiveKind(AttFcSettings, AttFc),
    "rotation": ObjectiveKind(RotationSettings, Rotation),
    "deepercluster": ObjectiveKind(DeeperClusterSettings, DeeperCluster),
    "random": ObjectiveKind(UntouchedSettings, Untouched),
}


def objective_kind(name: str) -> ObjectiveKind:
    """The objective of a name.

    Raises:
        InputError: When there is none, with the nearest name.
    """
    if name not in OBJECTIVES:
        raise unknown("objective", name, OBJECTIVES)
    return OBJECTIVES[name]


def objective_settings(name: str, values: Mapping[str, Any]) -> Any:
    """An objective's settings from the values of a recipe.

    Raises:
        InputError: When a value's name is not one of the objective's, or it has the wrong type.
    """
    return from_mapping(
        objective_kind(name).settings, values, f"objective_settings of {name}", within="objective_settings"
    )


def objective_needs(name: str, values: Mapping[str, Any]) -> Needs:
    """What an objective with its settings needs of every image.

    Args:
        name: One of `OBJECTIVES`.
        values: Its settings, as a recipe gives them.
    """
    return objective_kind(name).build.needs(objective_settings(name, values))


def build_objective(name: str, values: Mapping[str, Any], backbone: Backbone, facts: Facts) -> Objective:
    """Build an objective.

    Args:
        name: One of `OBJECTIVES`.
        values: Its settings, as a recipe gives them.
        backbone: The backbone to train.
        facts: What is known of the data.
    """
    built: Objective = objective_kind(name).build(backbone, facts, objective_settings(name, values))  # type: ignore[call-arg]
    return built
