"""Recipes: YAML files beside this one that each pin a whole training run.

The header of a recipe states its source, what it should reach and what it costs; a comment stands above every key.
A recipe may begin with ``base: NAME`` and give only what it changes of that one.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from wordsight.errors import InputError, unknown
from wordsight.settings import read_yaml

FOLDER = Path(__file__).parent
# The objective that a recipe means by `objectives`.
_SUM = "weighted-sum"


def recipe_names() -> list[str]:
    """The recipes that come with wordsight.

    Examples:
        >>> [name for name in recipe_names() if name.startswith("joulin")]
        ['joulin-alexnet', 'joulin-resnet18-small']
    """
    return sorted(file.stem for file in FOLDER.glob("*.yaml"))


def recipe_file(recipe: Path | str) -> Path:
    """The file of a recipe.

    Args:
        recipe: A name in :func:`recipe_names`, or your own YAML file.

    Raises:
        InputError: When there is no such recipe or file.
    """
    if str(recipe) in recipe_names():
        return FOLDER / f"{recipe}.yaml"
    file = Path(recipe)
    if file.is_file():
        return file
    if file.suffix in (".yaml", ".yml") or file.parent != Path():
        raise InputError("no such file", where=file, expected="a recipe's YAML file")
    raise unknown("recipe", str(recipe), recipe_names(), setting="recipe")


def read_values(file: Path) -> dict[str, Any]:
    """The keys and values of a YAML file, on top of those of the recipe that it names as its ``base``.

    Raises:
        InputError: When the file is absent, no YAML, or not keys with values; or when recipes are each other's base.
    """
    values, seen = read_yaml(file)[0], [file.resolve()]
    while "base" in values:
        base = recipe_file(str(values.pop("base")))
        if base.resolve() in seen:
            raise InputError(f"{base.name} is its own base", where=file, mend="name another recipe as `base`")
        seen.append(base.resolve())
        values = merged(read_yaml(base)[0], values)
    return values


def merged(values: Mapping[str, Any], changes: Mapping[str, Any]) -> dict[str, Any]:
    """Settings with changes. Of a mapping within, what is given is changed and the rest stays.

    Several objectives (``objectives``) are merged by their names, as several concept sets are. A concept set of another
    kind, an objective of another kind and the values of another objective have other names: these are replaced whole.
    A file of weights and published ones are each given in place of the other.

    Args:
        values: The settings before.
        changes: What overrides them.

    Examples:
        >>> merged({"epochs": 20, "optimizer": {"name": "adamw", "clip_norm": 1.0}}, {"optimizer": {"clip_norm": 5.0}})
        {'epochs': 20, 'optimizer': {'name': 'adamw', 'clip_norm': 5.0}}
    """
    return _merged(_summed(values), _summed(changes))


def _merged(values: Mapping[str, Any], changes: Mapping[str, Any]) -> dict[str, Any]:
    both = dict(values)
    other_objective = changes.get("objective", values.get("objective")) != values.get("objective")
    for name, change in changes.items():
        before = both.get(name)
        whole = (name == "objective_settings" and other_objective) or (name == "concepts" and _other(before, change))
        whole = whole or _other_kind(before, change)
        nested = isinstance(before, Mapping) and isinstance(change, Mapping) and not whole
        both[name] = _merged(before, change) if nested else change  # type: ignore[arg-type]
    if other_objective and "objective_settings" not in changes:
        both.pop("objective_settings", None)
    # Weights come from one place: a file that is given overrides the base's published ones, and they its file.
    if changes.get("weights") and "pretrained" not in changes and both.get("pretrained"):
        both["pretrained"] = False
    if changes.get("pretrained") and "weights" not in changes and both.get("weights"):
        both["weights"] = ""
    return both


def _summed(values: Mapping[str, Any]) -> Mapping[str, Any]:
    """Settings whose ``objectives``, several by name, are those of a weighted sum.

    Raises:
        InputError: When one objective is named beside them.
    """
    if "objectives" not in values:
        return values
    rest = {name: value for name, value in values.items() if name != "objectives"}
    if rest.get("objective", _SUM) != _SUM or "objective_settings" in rest:
        raise InputError("both one objective and several are named", where="objectives", expected="one of the two")
    return {**rest, "objective": _SUM, "objective_settings": {"objectives": values["objectives"]}}


def _other_kind(before: Any, change: Any) -> bool:
    """Whether both are of a kind, and not of the same."""
    both = isinstance(before, Mapping) and isinstance(change, Mapping) and "kind" in change
    return bool(both and before.get("kind") != change["kind"])


def _other(before: Any, change: Any) -> bool:
    """Whether concepts are changed for others, and not in one of their values."""
    if not isinstance(before, Mapping) or not isinstance(change, Mapping):
        return True
    # One of several sets is changed in its values, and the others stay.
    if "kind" not in before and change and all(_within(before.get(name), one) for name, one in change.items()):
        return False
    several = any(isinstance(value, Mapping) for value in change.values())
    return "kind" not in before or several or ("kind" in change and change["kind"] != before["kind"]) or not change


def _within(before: Any, change: Any) -> bool:
    """Whether a change gives values of a concept set, and no set of its own."""
    return isinstance(before, Mapping) and isinstance(change, Mapping) and "kind" not in change
