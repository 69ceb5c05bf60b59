"""What a person reads when something that came from outside is wrong: one clear line, never a traceback."""

from __future__ import annotations

import difflib
import re
import shlex
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeVar

T = TypeVar("T")

# A message is read by a person: no more names than these, each no longer than this, and this many characters in all.
_MOST_NAMES = 12
_LONGEST_NAME = 100
_LONGEST_LIST = 400
# What, where, what was expected, how to mend it: of each so many characters.
_LONGEST_PART = 450

# In a message a setting stands between these marks: its name, its value as a command line and as Python have it.
_OPEN, _PART, _CLOSE = "\x0e", "\x1f", "\x0f"
_MARKED = re.compile(f"{_OPEN}([^{_CLOSE}]*){_CLOSE}")
# What begins so goes on from the place that it is said of, without a colon: "runs/a is not a run".
_GOES_ON = re.compile(r"(?:is|are|has|have|holds|exists|can't|does|names|says|lies|begins|ends|lacks) ")
_flags = False


@contextmanager
def settings_as_flags(shown: bool = True) -> Iterator[None]:
    """While open, messages name settings as the command line has them: ``--min-count 2``, not ``min_count=2``.

    Args:
        shown: Whether they do; what :func:`names_flags` says in one process is so in those that it starts.
    """
    global _flags
    before, _flags = _flags, shown
    try:
        yield
    finally:
        _flags = before


def names_flags() -> bool:
    """Whether messages name settings as the command line has them."""
    return _flags


def setting(name: str, value: Any = ...) -> str:
    """A setting within a message, which whoever reads it sees as they write it.

    Args:
        name: Its name in Python; of one within another, ``optimizer.clip_norm``.
        value: The value to give; by default the name alone is said.
    """
    if value is ...:
        return f"{_OPEN}{name}{_CLOSE}"
    if isinstance(value, bool):
        written = str(value).lower()
    else:
        written = f"{value:g}" if isinstance(value, float) else shlex.quote(str(value))
    return f"{_OPEN}{name}{_PART}{written}{_PART}{str(value) if isinstance(value, Path) else value!r}{_CLOSE}"


def said(text: str) -> str:
    """A text with its settings written as the reader writes them: flags at the command line, else arguments."""

    def written(marked: re.Match[str]) -> str:
        name, *value = marked[1].split(_PART)
        if _flags:
            return " ".join([f"--{name.replace('_', '-')}", *value[:1]])
        return "=".join([name, *value[1:2]]) if value else f"`{name}`"

    return _MARKED.sub(written, text).translate(dict.fromkeys(map(ord, _OPEN + _PART + _CLOSE)))


class Terminated(KeyboardInterrupt):
    """SIGTERM came, as a batch system or a shutdown sends it: what is begun is tidied up as after Ctrl-C."""


class InputError(ValueError):
    """Something that came from outside can't be used.

    Args:
        what: What was found to be wrong.
        where: The file, row or folder that holds it.
        expected: What would have been right.
        mend: What the person can do about it; or several things, of which one is enough.
        setting: Name of the setting at fault, as Python has it; of one within another, ``optimizer.clip_norm``.

    Examples:
        >>> raise InputError("found 41", setting="image_size", mend=f"give {setting('image_size', 64)}")
        Traceback (most recent call last):
            ...
        wordsight.errors.InputError: image_size: found 41; give image_size=64
    """

    def __init__(
        self,
        what: str,
        *,
        where: str | Path | None = None,
        expected: str | None = None,
        mend: str | Sequence[str] | None = None,
        setting: str | None = None,
    ) -> None:
        self.what, self.where, self.expected, self.setting = what, where, expected, setting
        self.ways = () if mend is None else (mend,) if isinstance(mend, str) else tuple(mend)
        super().__init__(what)

    @property
    def mend(self) -> str | None:
        """What the person can do about it."""
        return ", or ".join(self.ways) or None

    def __str__(self) -> str:
        line = _cut(self.what)
        if self.setting is not None:
            # In a file a setting has its name, for whoever reads it.
            told = setting(self.setting) if self.where is None and _flags else self.setting
            named = setting(self.setting) in line
            line = line.replace(setting(self.setting), told) if named else _said_of(told, line)
        if self.where is not None:
            line = _said_of(_cut(self.where), line)
        if self.expected is not None:
            line += f"; expected {_cut(self.expected)}"
        if self.mend is not None:
            line += f"; {_cut(self.mend)}"
        # File names and cells may hold line breaks; the promise is one line.
        return " ".join(said(line).split())

    def but(self, **parts: Any) -> InputError:
        """The same error with other parts.

        Args:
            parts: Parts by their names, as the constructor takes them.
        """
        mine = {"where": self.where, "expected": self.expected, "mend": self.ways, "setting": self.setting}
        return InputError(**{"what": self.what, **mine, **parts})

    def within(self, above: str, names: Collection[str]) -> InputError:
        """The same error of settings that another one holds: ``size`` of ``concepts`` is ``concepts.size``.

        Args:
            above: Name of the setting that holds them.
            names: Their names in it; other settings keep theirs.
        """

        inner = "|".join(map(re.escape, names))
        # What holds its own settings may know them by a shorter name, such as `view.blur`.
        short, _, own = (self.setting or "").rpartition(".")
        before = re.escape(f"{short}.") if short and own in names else ""

        def told(text: str | Path | None) -> Any:
            return text and re.sub(f"{_OPEN}{before}(?=(?:{inner})[{_PART}{_CLOSE}])", f"{_OPEN}{above}.", str(text))

        at_fault = f"{above}.{own}" if own in names else self.setting
        parts = {"what": told(self.what), "where": told(self.where), "expected": told(self.expected)}
        return self.but(**parts, mend=list(map(told, self.ways)), setting=at_fault)

    def without(self, names: Collection[str]) -> InputError:
        """The same error without the ways to mend it by settings that the person can't give.

        Args:
            names: Names of these settings.
        """
        theirs = re.compile(f"{_OPEN}(?:{'|'.join(map(re.escape, names))})[{_PART}{_CLOSE}]")
        return self.but(mend=[way for way in self.ways if not theirs.search(way)])


def _said_of(place: str, line: str) -> str:
    return f"{place} {line}" if _GOES_ON.match(line) else f"{place}: {line}"


def _cut(part: object) -> str:
    """A part of a message; of one that holds a whole cell, value or path the beginning and the end."""
    text = str(part)
    if len(text) <= _LONGEST_PART:
        return text
    half = _LONGEST_PART // 2
    return f"{text[:half]} ... {text[-half:]}"


class NoAnswerError(InputError):
    """A model is asked something that its objective, or its words, can't answer: there is no number to be had."""


class SomeFailedError(InputError):
    """Of several things that were asked for at once some could not be done; the others are done.

    Args:
        done: What could, as the call would have returned it.
        failures: What could not, an error each.
    """

    def __init__(self, done: Any, failures: Iterable[InputError]) -> None:
        self.done = done
        # What several of them share is said once.
        self.failures = tuple({str(failure): failure for failure in failures}.values())
        super().__init__("several things could not be done")

    def __str__(self) -> str:
        return "; ".join(map(str, self.failures))

    def __reduce__(self) -> tuple[Any, ...]:
        return SomeFailedError, (self.done, self.failures)


def settled(done: T, failures: Sequence[InputError]) -> T:
    """What was done of several things, where all of them were.

    Args:
        done: What was.
        failures: Why others could not be.

    Raises:
        InputError: The failure, where one thing was asked for; else :class:`SomeFailedError`.
    """
    if not failures:
        return done
    several = SomeFailedError(done, failures)
    raise several if done or len(several.failures) > 1 else several.failures[0]


def some_done(call: Callable[[], T]) -> tuple[T, SomeFailedError | None]:
    """What a call did of several things, and the error that it is to end with once that was shown.

    Args:
        call: The call.

    Raises:
        InputError: When it did nothing.
    """
    try:
        return call(), None
    except SomeFailedError as error:
        if not error.done:
            raise
        return error.done, error


def unknown(
    kind: str,
    name: str,
    choices: Iterable[str],
    *,
    where: str | Path | None = None,
    setting: str | None = None,
    near: int = 1,
) -> InputError:
    """The error for a name that is not in a list of choices, with the nearest ones suggested.

    Args:
        kind: What the name should have been a name of ("objective", "layer", ...).
        name: The name that was given.
        choices: The names that exist.
        where: The file that gave the name.
        setting: The setting that gave it.
        near: How many are suggested at most.

    Examples:
        >>> raise unknown("objective", "icmlm-tmf", ["icmlm-tfm", "rotation"])
        Traceback (most recent call last):
            ...
        wordsight.errors.InputError: unknown objective 'icmlm-tmf'; expected one of: ...; did you mean 'icmlm-tfm'?
    """
    known = list(choices)
    alike = difflib.get_close_matches(name, known, n=near, cutoff=0.5)
    mend = f"did you mean {' or '.join(map(repr, alike))}?" if alike else None
    expected = f"one of: {listed(known)}"
    return InputError(f"unknown {kind} {name!r}", where=where, expected=expected, mend=mend, setting=setting)


def listed(names: Iterable[object]) -> str:
    """Names for a message: a dozen at most, long ones cut, then how many there are in all.

    Args:
        names: Keys of a file, columns, choices, ... in the order to show them; there may be any number of any length.

    Examples:
        >>> listed(["a", "b"])
        'a, b'
    """
    known = [str(name) for name in names]
    shown = [name if len(name) <= _LONGEST_NAME else f"{name[:_LONGEST_NAME]}..." for name in known[:_MOST_NAMES]]
    # Names may be whole sentences.
    while len(shown) > 3 and len(", ".join(shown)) > _LONGEST_LIST:
        shown.pop()
    return ", ".join(shown) if len(known) == len(shown) else f"{', '.join(shown)}, ... ({len(known):,} in all)"
