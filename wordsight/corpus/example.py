"""What a reader yields: one image and whatever came with it, or a row that can't be made into an example."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal, Protocol, runtime_checkable

Spoken = tuple[tuple[str, str], ...]
"""Captions, each with its language; "" where it is not said."""


@dataclass(frozen=True, slots=True)
class Box:
    """One named object; ``x``, ``y`` is its top left corner, and all lengths are fractions of the image's sides."""

    name: str
    x: float
    y: float
    width: float
    height: float


@dataclass(frozen=True, slots=True)
class Example:
    """One image and whatever came with it.

    Args:
        id: Unique in its source; results and rejects name the example by it (usually the file name).
        image: The encoded image: a file, or its bytes.
        captions: Sentences about the image.
        labels: Classes that hold.
        ignored_labels: Classes that are not to be counted either way (VOC's "difficult").
        boxes: Named objects and where they are.
        article: A longer text that the image stands in.
        split: As the source names it ("train", "val", "test", ...); "" when it has none.
        languages: Of each caption ("en", "de", ...), "" where it is not said; empty when it is said of none.
        drawn_on: Width and height, in pixels, of the picture that the boxes were drawn on, where the source states
            them: they tell whether the boxes of a photo that EXIF turns are on the stored or on the upright picture.

    Examples:
        >>> Example(id="dog.jpg", image="photos/dog.jpg", captions=("a dog runs",), split="train").captions
        ('a dog runs',)
    """

    id: str
    image: Path | bytes
    captions: tuple[str, ...] = ()
    labels: tuple[str, ...] = ()
    ignored_labels: tuple[str, ...] = ()
    boxes: tuple[Box, ...] = ()
    article: str | None = None
    split: str = ""
    languages: tuple[str, ...] = ()
    drawn_on: tuple[float, float] | None = None

    def __post_init__(self) -> None:
        if self.languages and len(self.languages) != len(self.captions):
            raise ValueError(f"{self.id}: {len(self.captions)} captions and {len(self.languages)} languages")

    @property
    def spoken(self) -> Spoken:
        """Every caption with its language."""
        return tuple(zip(self.captions, self.languages or ("",) * len(self.captions), strict=True))

    def saying(self, spoken: Iterable[tuple[str, str]]) -> Example:
        """The same example with other captions, each with its language."""
        captions = tuple(spoken)
        languages = tuple(language for _, language in captions)
        return replace(
            self, captions=tuple(text for text, _ in captions), languages=languages if any(languages) else ()
        )


@dataclass(frozen=True, slots=True)
class Rejected:
    """Something that was left out of a corpus, and why: one line of ``rejected.csv``.

    Args:
        id: The example it belongs to, or the row of the source.
        kind: What was left out: an image (and with it its example), a whole example, or one caption, box, article or
            label of an example that stays.
        reason: In a few words, the same for all that fail in the same way.
        detail: What was found.
    """

    id: str
    kind: Literal["image", "example", "caption", "box", "article", "label"]
    reason: str
    detail: str = ""


class Reader(Protocol):
    """One source format. A reader is a frozen dataclass whose fields are its command-line arguments."""

    def __iter__(self) -> Iterator[Example | Rejected]:
        """Yield the examples in an order that depends on the source alone."""

    def sources(self) -> list[str]:
        """Where the examples come from, for ``corpus.json``."""

    def label_names(self) -> list[str]:
        """Every class that the source declares; empty when they are to be collected from the examples."""


@runtime_checkable
class CountsUnread(Protocol):
    """A reader that says what of its source it does not read."""

    def unread(self) -> Mapping[str, int]:
        """How many files have each ending (".json"), or how many samples each field, that is not read."""
