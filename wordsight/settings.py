"""Settings from files: YAML read, and a mapping, as YAML or JSON give it, checked into a dataclass."""

from __future__ import annotations

import itertools
import types
from collections.abc import Iterable, Mapping
from dataclasses import MISSING, Field, fields, is_dataclass
from pathlib import Path
from typing import Any, Literal, NamedTuple, TypeVar, Union, get_args, get_origin, get_type_hints

import yaml

from wordsight.errors import InputError, listed, unknown

S = TypeVar("S")


def read_yaml(file: Path, example: str = "epochs: 20") -> tuple[dict[str, Any], str]:
    """The keys and values of a YAML file, and the comment that stands above them.

    Args:
        file: The file.
        example: A line as the file could hold it, for the message.

    Raises:
        InputError: When the file is absent, not YAML or not keys with values, or a key stands twice in it.
    """
    try:
        text = file.read_text(encoding="utf-8")
        content = yaml.safe_load(text)
        _refuse_twice(yaml.compose(text, yaml.SafeLoader), file)
    except FileNotFoundError as error:
        raise InputError("no such file", where=file, expected="a YAML file") from error
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        raise InputError(f"can't be read as YAML ({error})", where=file) from error
    if not isinstance(content, dict | None):
        raise InputError("holds no settings", where=file, expected=f"lines such as `{example}`")
    comment = itertools.takewhile(lambda line: line.startswith("#"), text.splitlines())
    return {str(key): value for key, value in (content or {}).items()}, " ".join(
        line.lstrip("# ").rstrip() for line in comment
    )


def _refuse_twice(node: Any, file: Path) -> None:
    """Of two values under one name YAML takes the last, and drops the others unsaid."""
    seen: set[str] = set()
    for key, value in node.value if isinstance(node, yaml.MappingNode) else ():
        if isinstance(key, yaml.ScalarNode) and key.value in seen:
            where = f"{file}, line {key.start_mark.line + 1}"
            raise InputError(f"{key.value!r} stands twice", where=where, expected="each name once")
        seen.add(str(key.value))
        _refuse_twice(value, file)


def from_mapping(kind: type[S], values: Mapping[str, Any], where: str | None, *, within: str | None = None) -> S:
    """Build a dataclass of settings from a mapping.

    Args:
        kind: The dataclass.
        values: Its values; those left out keep their defaults.
        where: What the person should look at: a file, or what the settings are of.
        within: Where they stand in no file, the name of the setting that holds these; "" for none.

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
    given = _Place(where)
    return _built(kind, values, given, given if within is None else _Place(None, within and f"{within}."))


class _Place(NamedTuple):
    """Where values stand: a file, and the setting in it that holds them, with a dot behind."""

    where: str | None
    above: str = ""

    def names(self, names: Iterable[object]) -> list[str]:
        """Names of settings as they are called from the top."""
        return [f"{self.above}{name}" for name in names]

    def error(self, name: str, what: str, expected: str | None = None) -> InputError:
        """The error of one setting's value."""
        return InputError(what, where=self.where, setting=name, expected=expected)


def _built(kind: type[S], values: Mapping[str, Any], named: _Place, valued: _Place) -> S:
    """The dataclass; its names are told as of one place, its values as of another."""
    known: dict[str, Field[Any]] = {f.name: f for f in fields(kind)}  # type: ignore[arg-type]
    hints = get_type_hints(kind)
    if not isinstance(values, Mapping):
        raise InputError(
            f"found {values!r}",
            where=named.where,
            setting=valued.above.removesuffix(".") or None,
            expected="names with values",
        )
    for name in values:
        if name not in known:
            raise unknown("setting", f"{named.above}{name}", named.names(known), where=named.where)
    missing = [n for n, f in known.items() if n not in values and f.default is MISSING and f.default_factory is MISSING]
    if missing:
        raise InputError(f"{listed(named.names(missing))} missing", where=named.where)
    checked = {name: _checked(hints[name], value, valued, f"{valued.above}{name}") for name, value in values.items()}
    try:
        return kind(**checked)
    except InputError as error:
        # A dataclass that looks at its own values does not know where they stand.
        places = [str(one) for one in (valued.where, error.where) if one is not None]
        told = error.within(valued.above.removesuffix("."), known) if valued.above else error
        raise told.but(where=": ".join(places) or None) from None


def _checked(hint: Any, value: Any, place: _Place, name: str) -> Any:
    """The value as its type hint wants it: a nested dataclass built, an integer made a float, all else refused."""
    origin = get_origin(hint)
    if is_dataclass(hint) and isinstance(hint, type):
        inner = _Place(place.where, f"{name}.")
        return value if isinstance(value, hint) else _built(hint, value, inner, inner)
    if origin is Literal:
        choices = get_args(hint)
        if value not in choices:
            raise unknown("value", str(value), [str(c) for c in choices], where=place.where, setting=name)
        return value
    if origin in (Union, types.UnionType):
        return _first_that_fits(get_args(hint), value, place, name)
    if origin is tuple:
        given = _of_type(tuple, tuple(value) if isinstance(value, list) else value, place, name)
        if (wanted := get_args(hint))[-1] is not ... and len(given) != len(wanted):
            raise place.error(name, f"found {len(given)} values", f"{len(wanted)}")
        return tuple(_checked(get_args(hint)[0], one, place, name) for one in given)
    if origin is list:
        return [_checked(get_args(hint)[0], one, place, name) for one in _of_type(list, value, place, name)]
    if origin is dict:
        inside = _of_type(dict, value, place, name).items()
        return {key: _checked(get_args(hint)[1], one, place, f"{name}.{key}") for key, one in inside}
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
            raise place.error(name, "found a whole number beyond any float") from error
    return _of_type(hint, value, place, name)


def _first_that_fits(hints: tuple[Any, ...], value: Any, place: _Place, name: str) -> Any:
    problem: InputError | None = None
    for hint in hints:
        try:
            return _checked(hint, value, place, name)
        except InputError as error:
            problem = error
    raise problem or place.error(name, f"found {value!r}")


def _of_type(kind: Any, value: Any, place: _Place, name: str) -> Any:
    fits = isinstance(value, kind) and not (isinstance(value, bool) and kind is not bool)
    if not fits:
        wanted = {tuple: "a list", list: "a list", dict: "names with values"}.get(
            kind, f"a value of type {kind.__name__}"
        )
        raise place.error(name, f"found {value!r}", wanted)
    return value
