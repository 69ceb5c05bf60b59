"""From the arguments of a verb to flags: what its function says is what `--help` shows and what it takes.

jsonargparse checks the values against the types, from the command line and from YAML files alike.
"""

from __future__ import annotations

import argparse
import itertools
import re
import typing
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml
from jsonargparse import ArgumentParser, DefaultHelpFormatter, Namespace

from wordsight.cli import types
from wordsight.cli.signatures import EMPTY, Argument, Source, arguments_of, keywords_of
from wordsight.errors import InputError, listed, unknown
from wordsight.ranges import check_value
from wordsight.recipes import merged, read_values


@dataclass(frozen=True)
class Values:
    """What a person gave, checked against the types.

    Args:
        namespace: The parsed arguments.
        sources: Where the arguments came from.
    """

    namespace: Namespace
    sources: Sequence[Source]

    def __getitem__(self, name: str) -> Any:
        return self.namespace[name]

    def of(self, of: Callable[..., Any]) -> dict[str, Any]:
        """The keyword arguments with which to call one of the sources."""
        source = next(source for source in self.sources if source.of is of)
        return keywords_of(source, self.namespace)


class VerbParser:
    """Reads one verb's words and answers mistakes with one line.

    Args:
        prog: The verb as a person writes it, for example ``wordsight corpus show``.
        sources: Whose parameters are its arguments.
        description: What the verb does.
        example: A command line that works.
        values_flag: The flag that names a YAML file of values, and its help text.
    """

    def __init__(
        self, prog: str, sources: Sequence[Source], description: str, example: str, values_flag: tuple[str, str]
    ) -> None:
        self._sources = sources
        self._values_flag, text = values_flag
        self._arguments = [argument for source in sources for argument in arguments_of(source)]
        self._parser = ArgumentParser(
            prog=prog,
            description=description,
            epilog=f"example: {example}",
            exit_on_error=False,
            formatter_class=_Help,
            print_config=None,
            allow_abbrev=False,
            usage=_usage(prog, self._arguments),
        )
        groups: dict[str, Any] = {}
        for argument in sorted(self._arguments, key=lambda one: one.flag is not None and one.default is not EMPTY):
            if argument.title not in groups:
                groups[argument.title] = self._parser.add_argument_group(argument.title)
            _add(groups[argument.title], argument)
        self._parser.add_argument(self._values_flag, action="config", metavar="FILE", help=text)

    def read(self, words: Sequence[str], values_file: Path | None = None) -> Values:
        """Check the words and give the values, on top of those of a YAML file where there is one.

        Args:
            words: What stands on the command line after the verb.
            values_file: A YAML file whose keys are names of arguments. Flags override it.

        Raises:
            InputError: When a flag is unknown or missing, or a value is not of its type.
        """
        for word in words:
            # jsonargparse reads all values as YAML, which can't hold them.
            if (shown := word.encode("utf-8", "backslashreplace").decode("utf-8")) != word:
                mend = "rename it, or run the command in its folder"
                raise InputError("holds bytes that are not UTF-8", where=shown, mend=mend)
        ready = self._checked(words)
        if values_file is not None:
            given = read_values(values_file)
            self._check_keys(values_file, given)
            # As text, not as the file: what its base gives is in it, and what another objective has no use for is not.
            left = merged(given, self._changes(ready))
            # A value two levels down is in it too; jsonargparse would put its flag in place of the whole level above.
            flags = [word for word in ready if not (word.startswith("--") and word.partition("=")[0].count(".") > 1)]
            ready = [self._values_flag, yaml.safe_dump(left, sort_keys=False), *flags]
        try:
            values = self._parser.parse_args(ready)
        except argparse.ArgumentError as error:
            raise self._one_line(str(error), words, values_file) from error
        self._check_values(values, words, values_file)
        return Values(values, self._sources)

    def _check_values(self, values: Namespace, words: Sequence[str], values_file: Path | None) -> None:
        """Raise where there is no value but must be one, and when a number is out of the range that its type says."""
        for argument in self._arguments:
            where = self._place(argument, words, values_file)
            value = values[argument.name]
            # jsonargparse takes YAML's null for any type.
            if value is None and not types.takes_none(argument.hint):
                choices = types.choices(argument.hint)
                expected = f"one of: {listed(choices)}" if choices else types.expected(argument.hint)
                raise InputError("'null' can't be read", where=where, expected=expected)
            if argument.allowed is not None:
                file = self._file(argument, words, values_file)
                check_value(argument.name, value, argument.allowed, None if file is None else str(file))

    def _file(self, argument: Argument, words: Sequence[str], values_file: Path | None) -> Path | None:
        """The file that gives a value; None where a flag does, or nothing."""
        return None if argument.flag in {word.partition("=")[0] for word in words} else values_file

    def _place(self, argument: Argument, words: Sequence[str], values_file: Path | None) -> str:
        """Where a person gave a value: the flag, or the file and the setting's name."""
        file = self._file(argument, words, values_file)
        return argument.written if file is None else f"{file}: {argument.name}"

    def _checked(self, words: Sequence[str]) -> list[str]:
        """The words with every flag known and every value as jsonargparse reads it, flags after all others.

        Positional arguments that flags come between are one list to a person; argparse would stop at the first flag.
        """
        known = {argument.flag: argument for argument in self._arguments if argument.flag is not None}
        plain: list[str] = []
        ready: list[str] = []
        waiting = list(words)
        while waiting:
            word = waiting.pop(0)
            if word == "--":
                return [*ready, word, *plain, *waiting]
            if not word.startswith("--") or word == "--help":
                (ready if word == "--help" else plain).append(word)
                continue
            flag, equals, value = word.partition("=")
            whole, dot, key = flag.partition(".")
            if flag in known:
                hint = known[flag].hint
            elif dot and whole in known and types.holds_mapping(known[whole].hint):
                flag, hint = f"{whole}.{key.replace('-', '_')}", Any
            else:
                raise unknown("flag", flag, known)
            if not equals:
                value = _next_value(flag, hint, waiting)
            ready.append(f"{flag}={types.as_yaml(hint, value)}")
        return [*plain, *ready]

    def _changes(self, ready: Sequence[str]) -> dict[str, Any]:
        """What the flags change that decides over other values of a file: objective, weights, keys within mappings."""
        mappings = {argument.flag for argument in self._arguments if types.holds_mapping(argument.hint)}
        changes: dict[str, Any] = {}
        for word in ready:
            flag, equals, value = word.partition("=")
            whole, dot, key = flag.partition(".")
            if dot and whole in mappings:
                within = changes.setdefault(whole.removeprefix("--").replace("-", "_"), {})
                *above, last = key.split(".")
                for name in above:
                    within = within.setdefault(name, {})
                within[last] = yaml.safe_load(value)
            elif flag in ("--objective", "--pretrained", "--weights") and equals:
                changes[flag.removeprefix("--")] = yaml.safe_load(value)
        return changes

    def _check_keys(self, file: Path, content: Mapping[str, Any], above: str = "") -> None:
        """Raise when a YAML file holds a key that is no argument's name."""
        names = [argument.name for argument in self._arguments if argument.flag is not None]
        for key, value in content.items():
            inside = f"{above}{key}."
            if any(name.startswith(inside) for name in names) and isinstance(value, Mapping):
                self._check_keys(file, value, inside)
            elif above + key not in names:
                known = dict.fromkeys(
                    name.removeprefix(above).partition(".")[0] for name in names if name.startswith(above)
                )
                raise unknown("setting", above + key, [above + one for one in known], where=file)

    def _one_line(self, message: str, words: Sequence[str], values_file: Path | None) -> InputError:
        """jsonargparse's message in the project's words."""
        see = f"see {self._parser.prog} --help"
        if missing := re.search(r"arguments are required: (.*)", message):
            names = [name.strip() for name in missing[1].split(",")]
            absent = [argument.written for argument in self._arguments if argument.name in names]
            return InputError(f"{listed(absent)} is missing", mend=see)
        if extra := re.search(r"unrecognized arguments: (.*)", message):
            return InputError(f"unexpected argument {extra[1]!r}", mend=self._meant(extra[1], words) or see)
        wrong = re.search(r'[Pp]arser key "([^"]+)":', message)
        argument = next((a for a in self._arguments if wrong is not None and a.name == wrong[1]), None)
        value = re.search(r"(?:Got|Given) value: (.*)\Z", message, re.DOTALL)
        if argument is None or value is None:
            return InputError(message, mend=see)
        where = self._place(argument, words, values_file)
        if found := types.choices(argument.hint):
            return unknown(argument.name.rpartition(".")[2].replace("_", " "), value[1], found, where=where)
        return InputError(f"{value[1]!r} can't be read", where=where, expected=types.expected(argument.hint))

    def _meant(self, extra: str, words: Sequence[str]) -> str:
        """The flag and value that a yes or no was meant for, behind a flag that takes true or false; else ""."""
        flags = {argument.flag for argument in self._arguments if argument.hint is bool}
        before = next((flag for flag, word in itertools.pairwise(words) if word == extra and flag in flags), "")
        value = types.answer(extra)
        return f"did you mean {before} {value}?" if before and value else ""


class _Help(DefaultHelpFormatter):
    """Help texts as they were written: types and defaults stand in them already."""

    def __init__(self, prog: str) -> None:
        super().__init__(prog, max_help_position=30)  # type: ignore[no-untyped-call]

    def _get_help_string(self, action: argparse.Action) -> str:
        return action.help or ""

    def _fill_text(self, text: str, width: int, indent: str) -> str:
        """Example lines stay whole, so that they can be copied."""
        return text if text.startswith("example: ") else super()._fill_text(text, width, indent)


def _usage(prog: str, arguments: Sequence[Argument]) -> str:
    """What must be given, in the order to give it; the optional flags are listed below it anyway."""
    words = [
        f"[{argument.written} ...]" if _several(argument) else _optional(argument) or argument.written
        for argument in arguments
        if argument.flag is None
    ]
    for argument in arguments:
        if argument.flag is not None and argument.default is EMPTY:
            words.append(f"{argument.flag} {types.placeholder(argument.hint)}")
    return " ".join([prog, *words, "[flags]"])


def _optional(argument: Argument) -> str:
    """A positional argument that may be left out, in brackets; "" for others."""
    return f"[{argument.written}]" if argument.flag is None and argument.default is not EMPTY else ""


def _default_text(argument: Argument) -> str:
    """What stands behind a help text: the default, unless there is none and the text says what happens then."""
    if argument.default not in (None, "", ()):
        return f" Default: {types.as_written(argument.default)}."
    told = re.search(r"by default|guessed|unset", argument.text, re.IGNORECASE)
    return "" if told else " Unset by default."


def _several(argument: Argument) -> bool:
    """Whether it is any number of words, with blanks between them."""
    return argument.flag is None and typing.get_origin(argument.hint) is tuple


def _add(group: Any, argument: Argument) -> None:
    """Add one argument to a group of a jsonargparse parser."""
    if _several(argument):
        one = typing.get_args(argument.hint)[0]
        group.add_argument(argument.name, type=one, nargs="*", metavar=argument.written, help=argument.text)
        return
    if argument.flag is None:
        given: dict[str, Any] = {"nargs": "?", "default": argument.default} if _optional(argument) else {}
        group.add_argument(argument.name, type=argument.hint, metavar=argument.written, help=argument.text, **given)
        return
    metavar = types.placeholder(argument.hint)
    if argument.default is EMPTY:
        text = f"{argument.text} Must be given."
        group.add_argument(argument.flag, type=argument.hint, metavar=metavar, required=True, help=text)
    else:
        several = typing.get_origin(types.without_none(argument.hint)) is tuple and "comma" not in argument.text
        text = f"{argument.text}{' Several with commas between them.' * several}{_default_text(argument)}"
        group.add_argument(
            argument.flag, type=argument.hint, metavar=metavar, default=argument.default, help=text.strip()
        )


def _next_value(flag: str, hint: Any, waiting: list[str]) -> str:
    """The value that follows a flag; `true` for a switch that nothing follows."""
    if hint is bool and (not waiting or waiting[0].lower() not in ("true", "false")):
        return "true"
    if not waiting:
        raise InputError("a value is missing", where=flag, expected=types.expected(hint))
    return waiting.pop(0)


def take_flag(words: Sequence[str], flag: str) -> tuple[list[str], str | None]:
    """The words without a flag and its value, and the value (None where the flag is not among them)."""
    rest = list(words)
    for place, word in enumerate(rest):
        if word == flag:
            if place + 1 == len(rest):
                raise InputError("a value is missing", where=flag, expected="a YAML file")
            return rest[:place] + rest[place + 2 :], rest[place + 1]
        if word.startswith(flag + "="):
            return rest[:place] + rest[place + 1 :], word.partition("=")[2]
    return rest, None
