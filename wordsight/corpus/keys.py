"""Ids by which two files tell of the same images, compared as what they mean: 1, 1.0 and "1" are one id."""

from __future__ import annotations

import re
from collections.abc import Collection
from pathlib import Path
from typing import Any

from wordsight.errors import InputError

Key = int | str

# As many digits as fit a machine's word; longer ones are names.
_WHOLE = re.compile(r"(-?\d{1,18})(\.0+)?", re.ASCII)
# Of the smaller file's ids, at least one in so many has to be in the other.
_ONE_IN = 20


def key_of(value: Any) -> Key | None:
    """What an id means: a whole number, however it is written, or a name; ``None`` for what can't be an id.

    Spreadsheets and data frames turn numbers into texts and into floats, a file at a time.

    Args:
        value: As the file has it.
    """
    if isinstance(value, bool) or not isinstance(value, (int, float, str)):
        return None
    if isinstance(value, float):
        return int(value) if value.is_integer() else None
    if isinstance(value, str):
        text = value.strip()
        number = _WHOLE.fullmatch(text)
        return int(number[1]) if number else text or None
    return value


def check_meeting(here: Collection[Key], there: Collection[Key], what: str, where: Path, other: Path) -> None:
    """Stop when two files tell of other images: when next to none of the smaller one's ids are in the other.

    Args:
        here: The ids in the one file.
        there: The ids in the other.
        what: What has such ids here, in the plural ("captions", "images").
        where: The one file.
        other: The other file.

    Raises:
        InputError: With an id of each.
    """
    met = sum(key in there for key in here)
    if not here or not there or met * _ONE_IN > min(len(here), len(there)):
        return
    mine = next((key for key in here if key not in there), next(iter(here)))
    theirs = next((key for key in there if key not in here), next(iter(there)))
    some = f"its {len(here):,} images" if what == "images" else f"the {len(here):,} images that its {what} are of"
    raise InputError(
        f"{f'only {met:,}' if met else 'none'} of {some} is in {'its list of images' if where == other else other}",
        where=where,
        expected=f"the same names in both: one here is {mine!r}, one there {theirs!r}",
    )
