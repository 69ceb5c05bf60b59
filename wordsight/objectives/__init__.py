"""Objectives: one file, one method. `OBJECTIVES` is the list of what a recipe can name."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from wordsight.batching.fields.masked import MaskedFacts
from wordsight.batching.fields.tags import TagFacts
from wordsight.batching.needs import Needs
from wordsight.batching.sources import ConceptFacts
from wordsight.errors import unknown
from wordsight.objectives.align import Align, AlignSettings
from wordsight.objectives.canonical_correlation import CanonicalCorrelation, CanonicalCorrelationSettings
from wordsight.objectives.capabilities import (
    CaptionAttention,
    CaptionAttentionObjective,
    CaptioningObjective,
    ImageTextObjective,
    MaskedPrediction,
    MaskedWordObjective,
    TagObjective,
    WrittenCaption,
    tag_heads_of,
)
from wordsight.objectives.captioning import Captioning, CaptioningSettings
from wordsight.objectives.clip import Clip, ClipSettings
from wordsight.objectives.clip_lite import ClipLite, ClipLiteSettings
from wordsight.objectives.coca import CoCa, CoCaSettings
from wordsight.objectives.declip import DeClip, DeClipSettings
from wordsight.objectives.deepercluster import DeeperCluster, DeeperClusterSettings
from wordsight.objectives.devise import Devise, DeviseSettings
from wordsight.objectives.filip import Filip, FilipSettings
from wordsight.objectives.icmlm_attfc import AttFc, AttFcSettings, AttFcWords, AttFcWordSettings
from wordsight.objectives.icmlm_look import Look, LookSettings, LookWords, LookWordSettings
from wordsight.objectives.icmlm_tfm import Tfm, TfmSettings, TfmWords, TfmWordSettings
from wordsight.objectives.lit import Lit, LitSettings
from wordsight.objectives.masked_lm import MaskedLm, MaskedLmSettings
from wordsight.objectives.no_training import NoTraining, NoTrainingSettings
from wordsight.objectives.objective import (
    Chance,
    EpochFeatures,
    Facts,
    Losses,
    Objective,
    Plot,
    parts_of,
)
from wordsight.objectives.rotation import Rotation, RotationSettings
from wordsight.objectives.seen import Seen
from wordsight.objectives.siglip import SigLip, SigLipSettings
from wordsight.objectives.simclr import SimClr, SimClrSettings
from wordsight.objectives.simsiam import SimSiam, SimSiamSettings
from wordsight.objectives.slip import Slip, SlipSettings
from wordsight.objectives.structure_preserving import StructurePreserving, StructurePreservingSettings
from wordsight.objectives.tag_prediction import TagPrediction, TagPredictionSettings
from wordsight.objectives.unicl import UniCl, UniClSettings
from wordsight.objectives.weighted_sum import NamedSum, SumSettings
from wordsight.settings import from_mapping
from wordsight.vision.backbones import Backbone

__all__ = [
    "OBJECTIVES",
    "SUM",
    "CaptionAttention",
    "CaptionAttentionObjective",
    "CaptioningObjective",
    "Chance",
    "ConceptFacts",
    "EpochFeatures",
    "Facts",
    "ImageTextObjective",
    "Losses",
    "MaskedFacts",
    "MaskedPrediction",
    "MaskedWordObjective",
    "Objective",
    "Plot",
    "Seen",
    "TagFacts",
    "TagObjective",
    "WrittenCaption",
    "build_objective",
    "objective_chances",
    "objective_kinds",
    "objective_needs",
    "parts_of",
    "resolved_values",
    "tag_heads_of",
]


@dataclass(frozen=True)
class ObjectiveKind:
    """An objective, and the dataclass of its settings. It is built as ``build(backbone, facts, settings)``.

    Args:
        settings: The dataclass.
        build: The objective.
        in_sum: What stands for it in a sum that a recipe names, where on its own it is a sum already.
    """

    settings: type[Any]
    build: type[Objective]
    in_sum: ObjectiveKind | None = None

    def built(self, backbone: Backbone, facts: Facts, settings: Any) -> Objective:
        """Build it.

        Args:
            backbone: The backbone to train.
            facts: What is known of the data.
            settings: Its settings.
        """
        objective: Objective = self.build(backbone, facts, settings)  # type: ignore[call-arg]
        return objective


# What a recipe's `objectives` make.
SUM = "weighted-sum"

OBJECTIVES: dict[str, ObjectiveKind] = {
    "tag-prediction": ObjectiveKind(TagPredictionSettings, TagPrediction),
    "icmlm-tfm": ObjectiveKind(TfmSettings, Tfm, ObjectiveKind(TfmWordSettings, TfmWords)),
    "icmlm-attfc": ObjectiveKind(AttFcSettings, AttFc, ObjectiveKind(AttFcWordSettings, AttFcWords)),
    "icmlm-look": ObjectiveKind(LookSettings, Look, ObjectiveKind(LookWordSettings, LookWords)),
    "clip": ObjectiveKind(ClipSettings, Clip),
    "align": ObjectiveKind(AlignSettings, Align),
    "siglip": ObjectiveKind(SigLipSettings, SigLip),
    "clip-lite": ObjectiveKind(ClipLiteSettings, ClipLite),
    "filip": ObjectiveKind(FilipSettings, Filip),
    "lit": ObjectiveKind(LitSettings, Lit),
    "slip": ObjectiveKind(SlipSettings, Slip),
    "unicl": ObjectiveKind(UniClSettings, UniCl),
    "coca": ObjectiveKind(CoCaSettings, CoCa),
    "captioning": ObjectiveKind(CaptioningSettings, Captioning),
    "devise": ObjectiveKind(DeviseSettings, Devise),
    "canonical-correlation": ObjectiveKind(CanonicalCorrelationSettings, CanonicalCorrelation),
    "structure-preserving": ObjectiveKind(StructurePreservingSettings, StructurePreserving),
    "declip": ObjectiveKind(DeClipSettings, DeClip),
    "simclr": ObjectiveKind(SimClrSettings, SimClr),
    "simsiam": ObjectiveKind(SimSiamSettings, SimSiam),
    "masked-lm": ObjectiveKind(MaskedLmSettings, MaskedLm),
    "rotation": ObjectiveKind(RotationSettings, Rotation),
    "deepercluster": ObjectiveKind(DeeperClusterSettings, DeeperCluster),
    SUM: ObjectiveKind(SumSettings, NamedSum),
    "none": ObjectiveKind(NoTrainingSettings, NoTraining),
}

# Names of earlier versions, which their runs and recipes hold.
_FORMER = {"random": "none"}


def current_name(name: str) -> str:
    """The name that an objective has now.

    Args:
        name: Its name, or what an earlier version called it.
    """
    return _FORMER.get(name, name)


def objective_kind(name: str) -> ObjectiveKind:
    """The objective of a name.

    Raises:
        InputError: When there is none, with the nearest name.
    """
    name = current_name(name)
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


def resolved_values(name: str, values: Mapping[str, Any]) -> dict[str, Any]:
    """An objective's settings with every value that was left out: what a run records, whatever defaults become.

    Args:
        name: One of `OBJECTIVES`.
        values: Its settings, as a recipe gives them.

    Raises:
        InputError: As :func:`objective_settings`.
    """
    settings = objective_settings(name, values)
    written = settings.resolved() if isinstance(settings, SumSettings) else asdict(settings)
    # As YAML gives it back: lists in place of tuples.
    found: dict[str, Any] = json.loads(json.dumps(written))
    return found


def objective_needs(name: str, values: Mapping[str, Any]) -> Needs:
    """What an objective with its settings needs of every image.

    Args:
        name: One of `OBJECTIVES`.
        values: Its settings, as a recipe gives them.
    """
    return objective_kind(name).build.needs(objective_settings(name, values))


def objective_kinds(name: str, values: Mapping[str, Any]) -> Sequence[type[Objective]]:
    """The classes of an objective and of its parts: what it will be able to answer, before it is built.

    Args:
        name: One of `OBJECTIVES`.
        values: Its settings, as a recipe gives them.
    """
    return objective_kind(name).build.kinds(objective_settings(name, values))


def objective_chances(name: str, values: Mapping[str, Any], batch_size: int) -> dict[str, Chance]:
    """The losses of guessing that an objective states, by the number of the run's metrics that is held against them.

    Args:
        name: One of `OBJECTIVES`.
        values: Its settings, as a recipe gives them.
        batch_size: Images in a step, over all processes.

    Examples:
        >>> {name: chance.says for name, chance in objective_chances("clip", {}, 64).items()}
        {'loss': 'ln 64'}
    """
    settings = objective_settings(name, values)
    if issubclass(objective_kind(name).build, NamedSum):
        # The loss of a part that compares images is written down under the part's name.
        found = {name: part.kind.build.chance(part.settings, batch_size) for name, part in settings.parts.items()}
    else:
        found = {"loss": objective_kind(name).build.chance(settings, batch_size)}
    return {chance.number or name: chance for name, chance in found.items() if chance is not None}


def build_objective(name: str, values: Mapping[str, Any], backbone: Backbone, facts: Facts) -> Objective:
    """Build an objective.

    Args:
        name: One of `OBJECTIVES`.
        values: Its settings, as a recipe gives them.
        backbone: The backbone to train.
        facts: What is known of the data.

    Examples:
        >>> from wordsight.objectives.objective import Facts
        >>> from wordsight.vision.backbones import build_backbone
        >>> objective = build_objective("rotation", {"copies": 1}, build_backbone("resnet18"), Facts())
        >>> type(objective).__name__, sum(1 for _ in objective.head_parameters())
        ('Rotation', 2)
    """
    return objective_kind(name).built(backbone, facts, objective_settings(name, values))
