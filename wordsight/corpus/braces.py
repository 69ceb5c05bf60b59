"""Patterns of names, with braces as shards are listed: ``train-{000000..000012}.tar``, ``{train,val}/*.tar``."""

from __future__ import annotations

import glob
import re
from collections.abc import Iterator
from itertools import islice
from pathlib import Path

from wordsight.errors import InputError, listed

# The innermost braces, with a range or with commas; others are characters of a name.
_BRACES = re.compile(r"\{(?:(-?\d{1,9})\.\.(-?\d{1,9})(?:\.\.(-?\d{1,9}))?|([^{}]*,[^{}]*))\}", re.ASCII)
# More names than these are a mistake in a range.
_MOST = 1_000_000
_MOST_BRACES = 40


def expand_braces(text: str) -> list[str]:
    """The names that a text with braces stands for, in the order that a shell gives them; itself where it has none.

    Args:
        text: With ranges (zeros in front are kept: ``{000..012}``, ``{0..9..3}``) or choices (``{a,b}``), also several.

    Raises:
        InputError: When it stands for more than a million names.
    """
    few = text.count("{") <= _MOST_BRACES
    names = list(islice(_expanded(text), _MOST + 1)) if few else []
    if not few or len(names) > _MOST:
        raise InputError(
            f"stands for more than {_MOST:,} names", where=text, expected="a range of the shards there are"
        )
    return list(dict.fromkeys(names))


def matching(pattern: Path) -> list[Path]:
    """The files that a pattern with braces, ``*``, ``?`` or ``[...]`` fits, in the order of its names.

    Args:
        pattern: The pattern; a name of a range that no file has is told.

    Raises:
        InputError: When some of the names that braces stand for are there and others are not.
    """
    names = expand_braces(str(pattern))
    files: dict[Path, None] = {}
    absent = []
    for name in names:
        # An absolute pattern may be given, which Path.glob refuses.
        found = sorted(glob.glob(name, recursive=True))  # noqa: PTH207
        files.update((Path(each), None) for each in found if Path(each).is_file())
        absent += [] if found else [name]
    if absent and files:
        what = f"{len(absent):,} of its {len(names):,} names are of no file ({listed(absent)})"
        raise InputError(what, where=pattern, mend="get these files, or give the range of those that are there")
    return list(files)


def _expanded(text: str) -> Iterator[str]:
    found = _BRACES.search(text)
    if found is None:
        yield text
        return
    for choice in _choices(found):
        # What stands before has no braces of its own that could be expanded; what was put in may complete outer ones.
        yield from _expanded(text[: found.start()] + choice + text[found.end() :])


def _choices(found: re.Match[str]) -> Iterator[str]:
    first, last, step, listed = found.groups()
    if listed is not None:
        yield from listed.split(",")
        return
    start, end, by = int(first), int(last), abs(int(step or 1)) or 1
    padded = any(len(each.lstrip("-")) > 1 and each.lstrip("-").startswith("0") for each in (first, last))
    width = max(len(first), len(last)) if padded else 0
    for number in range(start, end + (1 if end >= start else -1), by if end >= start else -by):
        yield f"{number:0{width}d}"
