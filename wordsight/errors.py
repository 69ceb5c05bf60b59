"""What a person reads when something that came from outside is wrong: one clear line, never a traceback."""

from __future__ import annotations

import difflib
from collections.abc import Iterable
from pathlib import Path

# A message is read by a person: no more names than these, each no longer than this, and this many characters in all.
_MOST_NAMES = 12
_LONGEST_NAME = 100
_LONGEST_LIST = 400


class InputError(ValueError):
    """Something that came from outside can't be used.

    Args:
        what: What was found to be wrong.
        where: The file, row, flag or setting that holds it.
        expected: What would have been right.
        mend: What the person can do about it.
    """

    def __init__(
        self, what: str, *, where: str | Path | None = None, expected: str | None = None, mend: str | None = None
    ) -> None:
        self.what, self.where, self.expected, self.mend = what, where, expected, mend
        line = f"{where}: {what}" if where is not None else what
        if expected is not None:
            line += f"; expected {expected}"
        if mend is not None:
            line += f"; {mend}"
        # File names and cells may hold line breaks; the promise is one line.
        super().__init__(" ".join(line.split()))


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
    """
    known = list(choices)
    alike = difflib.get_close_matches(name, known, n=near, cutoff=0.5)
    mend = f"did you mean {' or '.join(map(repr, alike))}?" if alike else None
    return InputError(f"unknown {kind} {name!r}", where=where, expected=f"one of: {listed(known)}", mend=mend)


def listed(names: Iterable[object]) -> str:
    """Names for a message: a dozen at most, long ones cut, then how many there are in all.

    Args:
        names: Keys of a file, columns, choices, ... in the order to show them; there may be any number of any length.
    """
    known = [str(name) for name in names]
    shown = [name if len(name) <= _LONGEST_NAME else f"{name[:_LONGEST_NAME]}..." for name in known[:_MOST_NAMES]]
    # Names may be whole sentences.
    while len(shown) > 3 and len(", ".join(shown)) > _LONGEST_LIST:
        shown.pop()
    return ", ".join(shown) if len(known) == len(shown) else f"{', '.join(shown)}, ... ({len(known):,} in all)"
