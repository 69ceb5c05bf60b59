"""What an objective asks for besides the images: which fields of a batch, with which values."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import reduce
from typing import Literal, Self

from wordsight.errors import InputError
from wordsight.vision.views import ViewSettings


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
        return self.equal(other)

    def equal(self, other: Self) -> Self:
        """Both, where they are equal.

        Args:
            other: What the other asks.

        Raises:
            InputError: When they differ.
        """
        if self == other:
            return self
        raise InputError(
            f"two objectives of a sum ask for different values: {self} and {other}",
            where="objectives",
            expected="the same values in both",
        )


@dataclass(frozen=True)
class ViewNeed:
    """A view of each image that an objective asks for.

    Args:
        size: Its side in pixels; None for the run's ``image_size``.
        view: How it is cut and coloured; None for the run's ``view``.
    """

    size: int | None = None
    view: ViewSettings | None = None


@dataclass(frozen=True)
class Needs:
    """What an objective with its settings needs of every image.

    Args:
        fields: The fields of the batch that it reads, by their names in `wordsight.batching.fields.FIELDS`.
        usable: Whether an image is learned from when ``all`` of these fields have something of it, or ``any``.
        views: The views of it, each drawn by itself.
    """

    fields: Mapping[str, FieldNeed] = field(default_factory=dict)
    usable: Literal["all", "any"] = "all"
    views: tuple[ViewNeed, ...] = (ViewNeed(),)

    def joined(self, other: Needs) -> Needs:
        """What serves two objectives of a sum: the fields and views of both; ``all`` where one of them asks for that.

        Raises:
            InputError: When they ask for different values of one field.
        """
        both = dict(self.fields)
        for name, need in other.fields.items():
            both[name] = both[name].joined(need) if name in both else need
        views, _ = shared_views([self.views, other.views])
        return Needs(both, "any" if self.usable == other.usable == "any" else "all", views)


def joined(needs: list[Needs]) -> Needs:
    """What serves all objectives of a sum.

    Raises:
        InputError: When some ask for different values of one field.
    """
    return reduce(Needs.joined, needs)


def shared_views(
    of_parts: Sequence[tuple[ViewNeed, ...]],
) -> tuple[tuple[ViewNeed, ...], list[tuple[int, ...]]]:
    """The views that serve all objectives of a sum, and the numbers that each objective's own have among them.

    Objectives that ask for equal views see the same ones, so that each is passed through the backbone once; what one
    asks for twice, it is given twice.

    Args:
        of_parts: The views that each objective asks for.

    Examples:
        >>> plain, small = ViewNeed(), ViewNeed(size=96)
        >>> views, numbers = shared_views([(plain,), (small, small), (plain, small)])
        >>> views == (plain, small, small), numbers
        (True, [(0,), (1, 2), (0, 1)])
    """
    shared: list[tuple[ViewNeed, int]] = []
    numbers: list[tuple[int, ...]] = []
    for views in of_parts:
        # The first that an objective asks for of a kind is the first of this kind in the sum.
        own = [(view, views[:place].count(view)) for place, view in enumerate(views)]
        shared.extend(view for view in own if view not in shared)
        numbers.append(tuple(shared.index(view) for view in own))
    return tuple(view for view, _ in shared), numbers
