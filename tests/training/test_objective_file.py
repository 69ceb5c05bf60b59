"""The file of an objective holds its heads and facts; those of earlier versions are still read."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from safetensors import safe_open
from safetensors.torch import load_file, save_file

from wordsight.batching.sources import RunSources
from wordsight.errors import InputError
from wordsight.objectives import ConceptFacts, Facts, MaskedFacts, Objective, TagFacts, build_objective
from wordsight.tensors import read_noted
from wordsight.training.objective_file import load_objective, save_objective
from wordsight.vision.backbones import build_backbone

CONCEPTS = {"nouns": ConceptFacts(4), "topics": ConceptFacts(3, "probabilities")}
VALUES = {"candidates": "maskable", "joint_width": 8, "losses": {"topics": "sigmoid"}}


class Reader:
    """What of a language model the facts of masked words are made of."""

    def vocabulary_matrix(self) -> torch.Tensor:
        return torch.ones(9, 6)

    def token_classifier_weights(self) -> None:
        return None


def made(seed: int, concepts: dict[str, ConceptFacts]) -> tuple[Objective, Facts]:
    torch.manual_seed(seed)
    words = MaskedFacts(Reader().vocabulary_matrix(), maskable=torch.tensor([2, 5, 7]))
    facts = Facts({"tags": TagFacts(concepts), "masked": words}, images=11)
    return build_objective("icmlm-attfc", VALUES, build_backbone("resnet18"), facts), facts


def loaded(path: Path, concepts: dict[str, ConceptFacts]) -> Objective:
    sources = RunSources(path.parent, concepts, Reader())  # type: ignore[arg-type]
    return load_objective(path, "icmlm-attfc", VALUES, build_backbone("resnet18"), sources, {}, 5)


def heads(objective: Objective) -> dict[str, torch.Tensor]:
    return {name: value for name, value in objective.state_dict().items() if not name.startswith("backbone.")}


def same(one: dict[str, torch.Tensor], other: dict[str, torch.Tensor]) -> bool:
    return one.keys() == other.keys() and all(torch.equal(one[name], other[name]) for name in one)


def test_an_objective_is_read_back_with_its_facts_alone(tmp_path: Path) -> None:
    objective, facts = made(0, CONCEPTS)
    save_objective(tmp_path / "objective.safetensors", objective, facts)
    # Which concepts it has stands in the file: nobody has to say it again.
    assert same(heads(loaded(tmp_path / "objective.safetensors", {})), heads(objective))
    tensors, note = read_noted(tmp_path / "objective.safetensors")
    assert note["facts"]["tags"]["concepts"]["topics"] == {"count": 3, "target": "probabilities"}
    assert note["images"] == 11 and tensors["facts.masked.maskable"].tolist() == [2, 5, 7]
    assert not any(name.startswith("backbone.") for name in tensors)


def test_a_file_of_an_earlier_version_is_read(tmp_path: Path) -> None:
    """It had the heads side by side, the maskable words under one name, and no note of facts."""
    objective, _ = made(0, CONCEPTS)
    old = {name.removeprefix("parts.words."): value for name, value in heads(objective).items()}
    old = {name.replace("parts.tags.tag_heads.", "tp."): value for name, value in old.items()}
    save_file({**old, "facts.maskable": torch.tensor([2, 5, 7])}, tmp_path / "objective.safetensors")
    assert same(heads(loaded(tmp_path / "objective.safetensors", CONCEPTS)), heads(objective))


def test_heads_of_other_settings_are_refused(tmp_path: Path) -> None:
    objective, facts = made(0, CONCEPTS)
    save_objective(tmp_path / "objective.safetensors", objective, facts)
    with safe_open(tmp_path / "objective.safetensors", framework="pt") as file:
        note = file.metadata()
    tensors = load_file(tmp_path / "objective.safetensors")
    tensors.pop("parts.words.fc.layers.0.weight")
    note["wordsight"] = note["wordsight"].replace("checksum", "no checksum")
    save_file(tensors, tmp_path / "objective.safetensors", metadata=note)
    with pytest.raises(InputError, match=r"heads don't fit the settings: \['parts.words.fc.layers.0.weight'\]"):
        loaded(tmp_path / "objective.safetensors", {})


def test_a_run_that_has_not_finished_has_none(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="training has not finished"):
        loaded(tmp_path / "objective.safetensors", {})
