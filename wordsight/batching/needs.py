"""What an objective asks for besides the images: which fields of a batch, with which values."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import reduce
from typing import Literal, Self

from wordsight.errors import InputError


@dataclass(frozen=True)
class FieldNeed:
    """What an objective asks of one field; each field has a dataclass of its own for it."""

    def joined(self, other: Self) -> Self:
        """What serves two objectives of a sum.

        Args:
            other: What the other asks.

        Raises:
            InputError: When no draw serves both.
        """
        if self == other:
            return self
        raise InputError(
            f"two objectives of a sum ask for different values: {self} and {other}",
            where="objectives",
            expected="the same values in both",
        )


@dataclass(frozen=True)
class Needs:
    """What an objective with its settings needs of every image.

    Args:
        fields: The fields of the batch that it reads, by their names in `wordsight.batching.fields.FIELDS`.
        usable: Whether an image is learned from when ``all`` of these fields have something of it, or ``any``.
    """

    fields: Mapping[str, FieldNeed] = field(default_factory=dict)
    usable: Literal["all", "any"] = "all"

    def joined(self, other: Needs) -> Needs:
        """What serves two objectives of a sum: the fields of both; ``all`` where one of the two asks for that.

        Raises:
            InputError: When they ask for different values of one field.
        """
        both = dict(self.fields)
        for name, need in other.fields.items():
            both[name] = both[name].joined(need) if name in both else need
        return Needs(both, "any" if self.usable == other.usable == "any" else "all")


def joined(needs: list[Needs]) -> Needs:
    """What serves all objectives of a sum.

    Raises:
        InputError: When some ask for different values of one field.
    """
    return reduce(Needs.joined, needs)
