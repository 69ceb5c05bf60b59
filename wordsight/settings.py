"""Settings from files: a mapping, as YAML or JSON give it, checked into a dataclass."""

from __future__ import annotations

import types
from collections.abc import Mapping
from dataclasses import MISSING, Field, fields, is_dataclass
from typing import Any, Literal, TypeVar, Union, get_args, get_origin, get_type_hints

from wordsight.errors import InputError, listed, unknown

S = TypeVar("S")


def from_mapping(kind: type[S], values: Mapping[str, Any], where: str) -> S:
    """Build a dataclass of settings from a mapping.

    Args:
        kind: The dataclass.
        values: Its values; those left out keep their defaults.
        where: What the person should look at: a file, or the name of the setting that holds these.

    Raises:
        InputError: When a name is unknown (the nearest is suggested), a value has the wrong type, or one is missing.

    Examples:
        >>> from wordsight.corpus import BuildSettings
        >>> from_mapping(BuildSettings, {"shorter_side": 64}, "my.yaml").shorter_side
        64
        >>> from_mapping(BuildSettings, {"shorter_sid": 64}, "my.yaml")
        Traceback (most recent call last):
            ...
        wordsight.errors.InputError: my.yaml: unknown setting 'shorter_sid'; ... did you mean 'shorter_side'?
    """
    known: dict[str, Field[Any]] = {f.name: f for f in fields(kind)}  # type: ignore[arg-type]
    hints = get_type_hints(kind)
    if not isinstance(values, Mapping):
        raise InputError(f"found {values!r}", where=where, expected="names with values")
    for name in values:
        if name not in known:
            raise unknown("setting", str(name), known, where=where)
    missing = [n for n, f in known.items() if n not in values and f.default is MISSING and f.default_factory is MISSING]
    if missing:
        raise InputError(f"{listed(missing)} missing", where=where)
    checked = {name: _checked(hints[name], value, f"{where}: {name}") for name, value in values.items()}
    try:
        return kind(**checked)
    except InputError as error:
        # A dataclass that looks at its own values does not know where they stand.
        place = where if error.where is None else f"{where}: {error.where}"
        raise InputError(error.what, where=place, expected=error.expected, mend=error.mend) from None


def _checked(hint: Any, value: Any, where: str) -> Any:
    """The value as its type hint wants it: a nested dataclass built, an integer made a float, all else refused."""
    origin = get_origin(hint)
    if is_dataclass(hint) and isinstance(hint, type):
        return value if isinstance(value, hint) else from_mapping(hint, value, where)
    if origin is Literal:
        choices = get_args(hint)
        if value not in choices:
            raise unknown("value", str(value), [str(c) for c in choices], where=where)
        return value
    if origin in (Union, types.UnionType):
        return _first_that_fits(get_args(hint), value, where)
    if origin is tuple:
        given = _of_type(tuple, tuple(value) if isinstance(value, list) else value, where)
        if (wanted := get_args(hint))[-1] is not ... and len(given) != len(wanted):
            raise InputError(f"found {len(given)} values", where=where, expected=f"{len(wanted)}")
        return tuple(_checked(get_args(hint)[0], one, where) for one in given)
    if origin is list:
        return [_checked(get_args(hint)[0], one, where) for one in _of_type(list, value, where)]
    if origin is dict:
        inner = get_args(hint)[1]
        return {name: _checked(inner, one, f"{where}: {name}") for name, one in _of_type(dict, value, where).items()}
    if hint is Any:
        return value
    if hint is float and isinstance(value, str):
        # YAML reads 1e-3 as text: it wants 1.0e-3.
        try:
            return float(value)
        except ValueError:
            pass
    if hint is float and isinstance(value, int) and not isinstance(value, bool):
        try:
            return float(value)
        except OverflowError as error:
            raise InputError("found a whole number beyond any float", where=where) from error
    return _of_type(hint, value, where)


def _first_that_fits(hints: tuple[Any, ...], value: Any, where: str) -> Any:
    problem: InputError | None = None
    for hint in hints:
        try:
            return _checked(hint, value, where)
        except InputError as error:
            problem = error
    raise problem or InputError(f"found {value!r}", where=where)


def _of_type(kind: Any, value: Any, where: str) -> Any:
    fits = isinstance(value, kind) and not (isinstance(value, bool) and kind is not bool)
    if not fits:
        wanted = {tuple: "a list", list: "a list", dict: "names with values"}.get(
            kind, f"a value of type {kind.__name__}"
        )
        raise InputError(f"found {value!r}", where=where, expected=wanted)
    return value
