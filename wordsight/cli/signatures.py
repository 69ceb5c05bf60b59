"""What a function or a dataclass says of its parameters: types, defaults, ranges, and what its docstring tells of them.

Parameters without a default become positional arguments, keyword-only ones required flags, all others optional flags,
with dashes. What follows "In Python" in a parameter's text is not for the command line.
"""

from __future__ import annotations

import builtins
import inspect
import re
import typing
from collections.abc import Callable, Iterator
from dataclasses import MISSING, dataclass, fields, is_dataclass, replace
from typing import Any

import docstring_parser
from jsonargparse import Namespace

from wordsight.cli import types
from wordsight.ranges import Range, range_of

EMPTY = inspect.Parameter.empty


@dataclass(frozen=True)
class Source:
    """A dataclass or a function whose parameters become arguments.

    Args:
        of: The dataclass or function; its docstring holds the help texts.
        skip: Parameters that are no arguments here.
        title: The heading in the help text.
        positional: The positional arguments, where these are not those without a default.
        optional: Those of them that may be left out, the last ones.
    """

    of: Callable[..., Any]
    skip: frozenset[str] = frozenset()
    title: str = "what it works on"
    positional: tuple[str, ...] | None = None
    optional: tuple[str, ...] = ()


@dataclass(frozen=True)
class Argument:
    """One argument: its name in Python, the flag that a person writes, type, default, help text, heading and range."""

    name: str
    flag: str | None
    hint: Any
    default: Any
    text: str
    title: str
    allowed: Range | None = None

    @property
    def written(self) -> str:
        return self.flag or self.name.upper()


@dataclass(frozen=True)
class _Parameter:
    """One parameter as its function or dataclass has it."""

    name: str
    hint: Any
    allowed: Range | None
    default: Any
    positional: bool
    text: str


class _Elsewhere:
    """Stands for a type that only Python code can give, and whose module is not worth importing for a help text."""


class _Names(dict[str, Any]):
    """The names that a module's hints may use; those that are imported for type checkers alone stand for nothing."""

    def __missing__(self, name: str) -> Any:
        return getattr(builtins, name, type(name, (_Elsewhere,), {"Module": _Elsewhere}))


def summary(of: Callable[..., Any]) -> str:
    """The first sentence of a docstring."""
    parsed = docstring_parser.parse(inspect.getdoc(of) or "")
    return " ".join((parsed.short_description or "").replace("``", "").split())


def arguments_of(source: Source) -> Iterator[Argument]:
    """The arguments of a source; those of a dataclass inside it have its name and a dot before theirs.

    Args:
        source: The dataclass or function.
    """
    for each in _parameters(source.of):
        if each.name in source.skip:
            continue
        positional = each.positional if source.positional is None else each.name in source.positional
        if is_dataclass(each.hint):
            yield from _inner(each.hint, f"{each.name}.", f"{each.name}: {summary(each.hint).rstrip('.')}")  # type: ignore[arg-type]
        else:
            found = _argument(each, "", source.title, positional=positional)
            yield replace(found, default=each.default) if each.name in source.optional else found


def _inner(of: Any, above: str, title: str) -> Iterator[Argument]:
    for each in _parameters(of):
        if is_dataclass(each.hint):
            yield from _inner(each.hint, f"{above}{each.name}.", f"{each.name}: {summary(each.hint).rstrip('.')}")  # type: ignore[arg-type]
        else:
            yield _argument(each, above, title, positional=each.positional)


def _argument(each: _Parameter, above: str, title: str, *, positional: bool) -> Argument:
    name = above + each.name
    return Argument(
        name=name,
        flag=None if positional else "--" + name.replace("_", "-"),
        hint=types.simple(each.hint),
        # A word's place on the line is its value: it has no default.
        default=EMPTY if positional else each.default,
        text=each.text,
        title=title,
        allowed=each.allowed,
    )


def keywords_of(source: Source, namespace: Namespace) -> dict[str, Any]:
    """The keyword arguments with which to call a source, dataclasses inside it made from theirs.

    Args:
        source: The dataclass or function.
        namespace: The parsed arguments.
    """
    return _keywords(source.of, source.skip, namespace, "")


def _keywords(of: Any, skip: frozenset[str], namespace: Namespace, above: str) -> dict[str, Any]:
    found = {}
    for each in _parameters(of):
        if each.name in skip:
            continue
        name = above + each.name
        inner = is_dataclass(each.hint)
        found[each.name] = (
            each.hint(**_keywords(each.hint, frozenset(), namespace, f"{name}.")) if inner else namespace[name]
        )
    return found


def _parameters(of: Any) -> Iterator[_Parameter]:
    """The parameters of a dataclass or function; in place of ``**options`` of a typed mapping its keys."""
    hints, ranged, texts = _hints(of), _hints(of, ranged=True), _documentation(of)
    for name, parameter in inspect.signature(of).parameters.items():
        if parameter.kind is inspect.Parameter.VAR_KEYWORD:
            if typing.get_origin(hints[name]) is typing.Unpack:
                yield from _options(*typing.get_args(hints[name]))
            continue
        positional = parameter.default is EMPTY and parameter.kind is not inspect.Parameter.KEYWORD_ONLY
        default, text = _default(of, name, parameter.default), texts.get(name, "")
        yield _Parameter(name, hints[name], range_of(ranged[name]), default, positional, text)


def _options(of: Any) -> Iterator[_Parameter]:
    """The keys of a typed mapping, each of which may be left out."""
    hints, ranged, texts = _hints(of), _hints(of, ranged=True), _documentation(of)
    for name, hint in hints.items():
        yield _Parameter(name, hint | None, range_of(ranged[name]), None, False, texts.get(name, ""))


def _hints(of: Any, *, ranged: bool = False) -> dict[str, Any]:
    names = None if isinstance(of, type) else _Names(vars(inspect.getmodule(of)))
    return typing.get_type_hints(of, localns=names, include_extras=ranged)


def _default(of: Any, name: str, default: Any) -> Any:
    """A parameter's default, also where a dataclass makes it anew for each instance."""
    if is_dataclass(of):
        field = next(field for field in fields(of) if field.name == name)
        if field.default_factory is not MISSING:
            return field.default_factory()
    return default


def _documentation(of: Callable[..., Any]) -> dict[str, str]:
    """The help text of every parameter, from the docstring; of a class, from those that it goes on from as well."""
    found: dict[str, str] = {}
    for part in reversed(inspect.getmro(of)) if isinstance(of, type) else (of,):
        parsed = docstring_parser.parse(part.__doc__ or "")
        for one in parsed.params:
            text = " ".join((one.description or "").replace("``", "").split())
            found[one.arg_name] = re.split(r" ?In Python\b", text)[0].strip()
    return found
