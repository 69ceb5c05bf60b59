"""``objective.safetensors``: the trained heads, and beside them what the objective had to know of its data to be built.

The backbone is a file of its own. Facts are JSON in the file's note and tensors under ``facts.FIELD.NAME``; what a run
folder holds elsewhere (a language model's name, a vocabulary) is found there by the fields.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from torch import Tensor

from wordsight.batching.fields import facts_of_run
from wordsight.batching.sources import RunSources
from wordsight.errors import InputError, setting
from wordsight.objectives import Facts, Objective, build_objective, objective_needs
from wordsight.tensors import read_noted, save_tensors
from wordsight.vision.backbones import Backbone

_FACTS = "facts."
# Earlier versions kept this one alone.
_OLD_MASKABLE = "facts.maskable"


def save_objective(path: Path, objective: Objective, facts: Facts) -> None:
    """Write the heads of an objective and its facts, whole or not at all.

    Args:
        path: The file.
        objective: The objective; its backbone is left out.
        facts: What it was built with.
    """
    tensors = {name: value for name, value in objective.state_dict().items() if not name.startswith("backbone.")}
    for field, known in facts.fields.items():
        tensors |= {f"{_FACTS}{field}.{name}": value for name, value in known.kept().items()}
    noted = {field: known.noted() for field, known in facts.fields.items()}
    save_tensors(path, tensors, {"facts": noted, "images": facts.images})


def load_objective(
    path: Path,
    name: str,
    values: Mapping[str, Any],
    backbone: Backbone,
    sources: RunSources,
    records: Mapping[str, Mapping[str, Any]],
    images: int,
) -> Objective:
    """Read an objective, also from a file of an earlier version.

    Args:
        path: The file.
        name: The objective's name.
        values: Its settings.
        backbone: The trained backbone.
        sources: What the run folder keeps, of no field in particular.
        records: What ``run.json`` keeps of each field.
        images: How many images were trained on, where the file does not say it.

    Raises:
        InputError: When there is none yet, it is damaged, or it holds the heads of another objective.
    """
    again = "training has not finished: go on with the `wordsight pretrain` command of this run and --resume true"
    damaged = f"copy it again, or train again in another {setting('out')}"
    tensors, note = read_noted(path, absent=again, damaged=damaged)
    kept, weights = _parted(tensors)
    noted = note.get("facts", {})

    def of_field(field: str) -> RunSources:
        return replace(sources, record=records.get(field, {}), noted=noted.get(field, {}), tensors=kept.get(field, {}))

    facts = Facts(facts_of_run(objective_needs(name, values), of_field), int(note.get("images", images)))
    objective = build_objective(name, values, backbone, facts)
    missing, unexpected = objective.load_state_dict(weights, strict=False)
    lost = [name for name in missing if not name.startswith("backbone.")]
    if lost or unexpected:
        raise InputError(f"heads don't fit the settings: {[*lost, *unexpected][:3]}", where=path)
    return objective.eval()


def _parted(tensors: dict[str, Tensor]) -> tuple[dict[str, dict[str, Tensor]], dict[str, Tensor]]:
    """What fields keep beside the weights, by field and name, and the weights."""
    if _OLD_MASKABLE in tensors:
        tensors[f"{_FACTS}masked.maskable"] = tensors.pop(_OLD_MASKABLE)
    kept: dict[str, dict[str, Tensor]] = {}
    for key in [key for key in tensors if key.startswith(_FACTS)]:
        field, name = key.removeprefix(_FACTS).split(".", 1)
        kept.setdefault(field, {})[name] = tensors.pop(key)
    return kept, tensors
