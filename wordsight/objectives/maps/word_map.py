"""What a map of a word is: how much each cell of an image's grid speaks for a word."""

from __future__ import annotations

import re
from abc import ABC, abstractmethod
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import ClassVar

from torch import Tensor

from wordsight.errors import InputError
from wordsight.language.model import LanguageModel
from wordsight.objectives.objective import Objective


@dataclass(frozen=True)
class Span:
    """A word of a caption: its characters ``start`` to ``end``."""

    start: int
    end: int


@dataclass(frozen=True)
class AskedWord:
    """A word of a caption that a map is wanted of.

    Args:
        caption: The caption.
        span: Where the word stands in it.
    """

    caption: str
    span: Span

    @property
    def word(self) -> str:
        """The word as it stands there."""
        return self.caption[self.span.start : self.span.end]


@dataclass(frozen=True)
class PredictedWord:
    """A word of the vocabulary and how likely the model holds it, 0 to 1."""

    word: str
    probability: float


@dataclass(frozen=True)
class WordMap:
    """How much each cell of a grid speaks for a word.

    Args:
        values_HW: The more, the more the cell speaks for it; below zero where it speaks against it.
        shares_HW: The same to be drawn: nothing below zero, and a sum of one, or of zero where no cell speaks for it.
        target: What was looked for, as the objective spells it.
        guesses: What the objective takes a hidden word for, likeliest first; () where nothing is hidden.
        said: What else it says of the word, in a few words; "" for nothing.
    """

    values_HW: Tensor
    shares_HW: Tensor
    target: str
    guesses: tuple[PredictedWord, ...] = ()
    said: str = ""


@dataclass(frozen=True)
class MapSources:
    """What maps are made with besides the objective.

    Args:
        language: The language model, where the objective reads one.
        concepts: Names of the concepts of each concept set, by the set's name.
        maskable: Words that are hidden in training.
    """

    language: LanguageModel | None = None
    concepts: Mapping[str, Sequence[str]] = field(default_factory=dict)
    maskable: frozenset[str] = frozenset()


class WordMaps(ABC):
    """A way to see where in an image an objective finds a word. Called in evaluation mode, without gradients.

    A new one is a file here and a line in `MAPS`.

    Args:
        part: The objective, of ``kind``.
        sources: What else there is.
    """

    kind: ClassVar[type[Objective]]
    # What it needs, in half a sentence: "predicts hidden words".
    does: ClassVar[str]
    # What colour is in a picture, what a panel shows, and what was done, as the last line of the command says it.
    colour: ClassVar[str]
    drawn: ClassVar[str]
    # Whether it may have words for an image that comes without a caption.
    speaks: ClassVar[bool] = False
    # The objective that it asks.
    part: Objective

    @abstractmethod
    def __init__(self, part: Objective, sources: MapSources) -> None: ...

    @abstractmethod
    def can_ask(self, asked: AskedWord) -> bool:
        """Whether there is a map of a word."""

    @abstractmethod
    def words(self, caption: str) -> list[Span]:
        """The words of a caption that tell something of a picture, and that there is a map of."""

    @abstractmethod
    def maps(self, grid_1CHW: Tensor, asked: Sequence[AskedWord]) -> list[WordMap]:
        """Maps of words in one image.

        Args:
            grid_1CHW: The image's grid.
            asked: The words, all of them such that :meth:`can_ask`.
        """

    def own_words(self, grid_1CHW: Tensor) -> list[AskedWord] | None:
        """Words that the objective itself has for an image, all of one text; None where it has none without a caption.

        Args:
            grid_1CHW: The image's grid.
        """
        return None

    def read(self, caption: str) -> int:
        """How many characters of a caption the objective reads.

        Args:
            caption: The caption.
        """
        return len(caption)

    @property
    def most_tokens(self) -> int:
        """The most tokens of a caption that it reads; 0 where it reads single words."""
        return 0

    def nothing_to_ask(self, quoted: str) -> InputError:
        """The error for a caption without a word that there is a map of.

        Args:
            quoted: The caption, cut where it is long.
        """
        return InputError(
            f"{quoted!r} has no word to look for", where="caption", expected="words for what a picture shows"
        )


def content_words(caption: str, concepts: Collection[str] | None = None) -> list[Span]:
    """Where nouns, adjectives and verbs stand in a caption, as the tagger sees them.

    Where it isn't installed, or finds none (in two words it has little to go by), every word counts.

    Args:
        caption: The caption.
        concepts: Words, in small letters, that alone count; None for all.
    """
    from wordsight.language.tagger import tag_words

    try:
        tagged = [(word.start, word.end) for word in next(iter(tag_words([caption]))) if word.part != "other"]
    except InputError:
        tagged = []
    for words in (tagged, [(span.start, span.end) for span in lettered_words(caption)]):
        found = [Span(start, end) for start, end in words if concepts is None or caption[start:end].lower() in concepts]
        if found:
            return found
    return []


def lettered_words(caption: str) -> list[Span]:
    """Where words of letters stand in a caption."""
    return [Span(match.start(), match.end()) for match in re.finditer(r"[^\W\d_]+", caption)]


def shares_of(values_HW: Tensor) -> Tensor:
    """What of some values lies above zero, as shares of its sum; zeros where nothing does."""
    above_HW = values_HW.clamp_min(0)
    total = above_HW.sum()
    return above_HW / total if total > 0 else above_HW
