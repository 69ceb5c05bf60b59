"""Objectives are built by name; what earlier versions called them is still read."""

from __future__ import annotations

import pytest

from wordsight.errors import InputError
from wordsight.objectives import OBJECTIVES, Facts, build_objective, objective_kind, objective_settings
from wordsight.objectives.no_training import NoTraining
from wordsight.training.pretrain_settings import PretrainSettings
from wordsight.vision.backbones import build_backbone


def test_the_objective_none_was_called_random() -> None:
    assert PretrainSettings(objective="random", epochs=0).objective == "none"
    assert isinstance(build_objective("random", {}, build_backbone("resnet18"), Facts()), NoTraining)
    assert "random" not in OBJECTIVES
    with pytest.raises(InputError, match="'none' learns nothing, and epochs is 3"):
        PretrainSettings(objective="random", epochs=3)


@pytest.mark.parametrize(
    ("name", "protocol"),
    [
        ("icmlm-tfm", "masked-words"),
        ("tag-prediction", "tags"),
        ("clip", "retrieval"),
        ("captioning", "captioning"),
        ("coca", "retrieval"),
        ("rotation", "tags"),
    ],
)
def test_an_objective_says_by_which_protocol_it_is_asked(name: str, protocol: str) -> None:
    assert objective_kind(name).build.default_protocol(objective_settings(name, {})) == protocol
