"""What a person reads when something that came from outside is wrong: one clear line, never a traceback."""

from __future__ import annotations

import difflib
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any, TypeVar

T = TypeVar("T")

# A message is read by a person: no more names than these, each no longer than this, and this many characters in all.
_MOST_NAMES = 12
_LONGEST_NAME = 100
_LONGEST_LIST = 400
# What, where, what was expected, how to mend it: of each so many characters.
_LONGEST_PART = 450


class Terminated(KeyboardInterrupt):
    """SIGTERM came, as a batch system or a shutdown sends it: what is begun is tidied up as after Ctrl-C."""


class InputError(ValueError):
    """Something that came from outside can't be used.

    Args:
        what: What was found to be wrong.
        where: The file, row, flag or setting that holds it.
        expected: What would have been right.
        mend: What the person can do about it.

    Examples:
        >>> raise InputError("41 is no side", where="--image-size", expected="32 or more", mend="give --image-size 64")
        Traceback (most recent call last):
            ...
        wordsight.errors.InputError: --image-size: 41 is no side; expected 32 or more; give --image-size 64
    """

    def __init__(
        self, what: str, *, where: str | Path | None = None, expected: str | None = None, mend: str | None = None
    ) -> None:
        self.what, self.where, self.expected, self.mend = what, where, expected, mend
        line = f"{_cut(where)}: {_cut(what)}" if where is not None else _cut(what)
        if expected is not None:
            line += f"; expected {_cut(expected)}"
        if mend is not None:
            line += f"; {_cut(mend)}"
        # File names and cells may hold line breaks; the promise is one line.
        super().__init__(" ".join(line.split()))


def _cut(part: object) -> str:
    """A part of a message; of one that holds a whole cell, value or path the beginning and the end."""
    text = str(part)
    if len(text) <= _LONGEST_PART:
        return text
    half = _LONGEST_PART // 2
    return f"{text[:half]} ... {text[-half:]}"


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
        super().__init__("; ".join(map(str, self.failures)))

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
    kind: str, name: str, choices: Iterable[str], *, where: str | Path | None = None, near: int = 1
) -> InputError:
    """The error for a name that is not in a list of choices, with the nearest ones suggested.

    Args:
        kind: What the name should have been a name of ("objective", "layer", ...).
        name: The name that was given.
        choices: The names that exist.
        where: The flag or file that gave the name.
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
    return InputError(f"unknown {kind} {name!r}", where=where, expected=f"one of: {listed(known)}", mend=mend)


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
