"""Colours for the most frequent labels of a map."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

# Told apart by people with any colour sense as far as twelve colours can be, on light and on dark.
COLOURS = (
    "#e4572e", "#2e86de", "#17a673", "#f2b134", "#8e5bd0", "#16b8c9",
    "#d6408f", "#7a8b1f", "#8c5a3c", "#f58fb0", "#3d4fa3", "#9ccc3c",
)  # fmt: skip
OTHER = "#8d939c"


@dataclass(frozen=True)
class LabelKey:
    """A label and how it is drawn.

    Args:
        name: The label; "" stands for all labels that have no colour of their own.
        colour: As in HTML.
        count: How many images it holds for.
    """

    name: str
    colour: str
    count: int


def colour_labels(labels: Sequence[Sequence[str]]) -> list[LabelKey]:
    """The labels that get a colour, the most frequent first, and one entry for all others where there are any.

    Args:
        labels: The labels of each image.
    """
    counts = sorted(Counter(name for held in labels for name in held).items(), key=lambda pair: (-pair[1], pair[0]))
    shown = counts if len(counts) <= len(COLOURS) else counts[: len(COLOURS) - 1]
    keys = [LabelKey(name, colour, count) for (name, count), colour in zip(shown, COLOURS, strict=False)]
    named = {key.name for key in keys}
    others = sum(bool(held) and not named.intersection(held) for held in labels)
    return [*keys, LabelKey("", OTHER, others)] if len(counts) > len(shown) else keys


def colours_of(labels: Sequence[Sequence[str]], keys: Sequence[LabelKey]) -> list[str]:
    """The colour of each image: of the rarest of its labels that have one; "" for an image without labels.

    Rarest, since a label that nearly all images share tells nothing of where one lies.

    Args:
        labels: The labels of each image.
        keys: What :func:`colour_labels` gave.
    """
    known = {key.name: (key.count, key.colour) for key in keys if key.name}
    found = []
    for held in labels:
        coloured = sorted(known[name] for name in held if name in known)
        found.append(coloured[0][1] if coloured else OTHER if held else "")
    return found
