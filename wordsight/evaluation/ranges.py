"""What the numbers of a protocol's settings may be."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from wordsight.errors import InputError

# A side beyond which a batch of images fills the memory of any machine.
LARGEST_SIDE = 8192


@dataclass(frozen=True)
class Range:
    """Some numbers.

    Args:
        says: Which they are, in words.
        holds: Whether one of them.
    """

    says: str
    holds: Callable[[float], bool]


ABOVE_ZERO = Range("a number above 0", lambda value: value > 0)
FROM_ZERO = Range("a number from 0", lambda value: value >= 0)
FROM_ONE = Range("a number from 1", lambda value: value >= 1)
FROM_TWO = Range("a number from 2", lambda value: value >= 2)
SHARE = Range("a share above 0, at most 1", lambda value: 0 < value <= 1)
PART = Range("a share above 0 and below 1", lambda value: 0 < value < 1)
REST = Range("a share from 0, below 1", lambda value: 0 <= value < 1)
SIDE = Range(
    f"pixels from 1 to {LARGEST_SIDE:,}, or 0 for the network's own side", lambda value: 0 <= value <= LARGEST_SIDE
)


def check_ranges(settings: Any, **ranges: Range) -> None:
    """Refuse settings out of their ranges; no number, or an infinite one, is in none.

    Args:
        settings: A dataclass of settings.
        ranges: By a setting's name what it, or each of a list, may be.

    Raises:
        InputError: At the first that is out of its range, or an empty list.
    """
    for name, allowed in ranges.items():
        value = getattr(settings, name)
        each = value if isinstance(value, tuple) else (value,)
        if not each or not all(math.isfinite(one) and allowed.holds(one) for one in each):
            shown = list(value) if isinstance(value, tuple) else value
            of = "one or more, each " if isinstance(value, tuple) else ""
            raise InputError(f"{name} is {shown}", expected=f"{of}{allowed.says}")
