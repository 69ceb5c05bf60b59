"""How types and values look when a person reads or writes them on a command line."""

from __future__ import annotations

import csv
import json
from collections.abc import Sequence
from pathlib import Path
from types import GenericAlias, NoneType, UnionType
from typing import Any, Literal, Union, get_args, get_origin

# A type: its placeholder in help texts, and its name in sentences.
_PLAIN = {
    bool: ("{true,false}", "true or false"),
    int: ("N", "a whole number"),
    float: ("X", "a number"),
    str: ("TEXT", "text"),
    Path: ("PATH", "a path"),
}


def simple(hint: Any) -> Any:
    """The type as the command line takes it: a path where Python takes a path or a string, a tuple for a sequence."""
    if get_origin(hint) in (Union, UnionType):
        parts = list(dict.fromkeys(simple(part) for part in get_args(hint)))
        if Path in parts:
            # Of what a path may stand for on a command line, Python takes the thing itself as well.
            parts = [part for part in parts if part in (Path, NoneType, GenericAlias(tuple, (Path, ...)))]
        # One or several: on a command line several may always be given.
        parts = [part for part in parts if GenericAlias(tuple, (part, ...)) not in parts]
        return Union[tuple(parts)] if len(parts) > 1 else parts[0]  # noqa: UP007 (the parts are known at run time only)
    if get_origin(hint) in (Sequence, list, tuple):
        return GenericAlias(tuple, (simple(get_args(hint)[0]), ...))
    return hint


def answer(word: str) -> str:
    """The value of a flag that a yes or no is meant for: true, false, or "" of other words."""
    plain = word.lower()
    return "true" if plain in ("yes", "y", "on", "1") else "false" if plain in ("no", "n", "off", "0") else ""


def holds_mapping(hint: Any) -> bool:
    """Whether a value may be keys with values, so that `--flag.key value` sets one of them."""
    parts = get_args(hint) if get_origin(hint) in (Union, UnionType) else (hint,)
    return any(get_origin(part) is dict or part is dict for part in parts)


def choices(hint: Any) -> list[str]:
    """The values of a closed list; empty where any value of the type will do."""
    inner = without_none(hint)
    return [str(choice) for choice in get_args(inner)] if get_origin(inner) is Literal else []


def without_none(hint: Any) -> Any:
    """The type without the possibility of none."""
    if get_origin(hint) in (Union, UnionType):
        parts = [part for part in get_args(hint) if part is not NoneType]
        return parts[0] if len(parts) == 1 else hint
    return hint


def takes_none(hint: Any) -> bool:
    """Whether none is a value of the type."""
    return hint in (Any, NoneType) or NoneType in get_args(hint)


def placeholder(hint: Any) -> str:
    """What stands for a value in a help text."""
    inner = without_none(hint)
    if found := choices(inner):
        return "{" + ",".join(found) + "}"
    if get_origin(inner) is tuple:
        return placeholder(get_args(inner)[0]) + ",..."
    if inner in _PLAIN:
        return _PLAIN[inner][0]
    return "{KEY: VALUE,...}" if get_origin(inner) is dict else "VALUE"


def expected(hint: Any) -> str:
    """What would have been right, in words."""
    inner = without_none(hint)
    if get_origin(inner) is tuple:
        words = "values with commas between them"
    elif holds_mapping(inner):
        words = "keys with values, such as {kind: postag, size: 1000}"
    else:
        words = _PLAIN[inner][1] if inner in _PLAIN else str(inner)
    return words if inner is hint else f"{words}, or none"


def as_written(value: Any) -> str:
    """A default as a person would write it."""
    if value is None:
        return "none"
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, float):
        return f"{value:g}"
    if isinstance(value, tuple | list):
        return ",".join(as_written(one) for one in value) or "none"
    if isinstance(value, dict):
        return "{" + ", ".join(f"{key}: {as_written(one)}" for key, one in value.items()) + "}"
    return str(value)


def as_yaml(hint: Any, value: str) -> str:
    """A value in the form that jsonargparse reads."""
    inner = without_none(hint)
    if value.lower() == "none" and inner is not hint:
        return "null"
    if get_origin(inner) is tuple and not value.startswith("["):
        if get_args(inner)[0] in (str, Path):
            # What stands between commas is quoted: brackets and colons in a file's name are no YAML.
            parts = next(csv.reader([value], skipinitialspace=True), [])
            return json.dumps([part.strip() for part in parts if part.strip()], ensure_ascii=False)
        return "[" + value + "]"
    return value
