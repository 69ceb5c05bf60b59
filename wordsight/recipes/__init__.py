"""Recipes: YAML files beside this one that each pin a whole training run.

The header of a recipe states its source, what it should reach and what it costs; a comment stands above every key.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import yaml

from wordsight.errors import InputError, unknown

FOLDER = Path(__file__).parent


def recipe_names() -> list[str]:
    """The recipes that come with wordsight."""
    return sorted(file.stem for file in FOLDER.glob("*.yaml"))


def recipe_file(recipe: Path | str) -> Path:
    """The file of a recipe.

    Args:
        recipe: A name in :func:`recipe_names`, or a YAML file of one's own.

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
    raise unknown("recipe", str(recipe), recipe_names(), where="--recipe")


def read_values(file: Path) -> dict[str, Any]:
    """The keys and values of a YAML file.

    Raises:
        InputError: When the file is absent, no YAML, or not keys with values.
    """
    try:
        content = yaml.safe_load(file.read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        raise InputError("no such file", where=file, expected="a YAML file") from error
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        raise InputError(f"can't be read as YAML ({error})", where=file) from error
    if content is None:
        return {}
    if not isinstance(content, dict):
        raise InputError("holds no settings", where=file, expected="lines such as `epochs: 20`")
    return {str(key): value for key, value in content.items()}
