"""Where a trained run finds the words of a caption in a photo, as arrays: attention, similarity or activation.

What a run can show is a map of `wordsight.objectives.maps`; a run that hides words shows the attention of the paper's
Figs. 1 and 4.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from wordsight.corpus.images import BadImage, PackedImage, pack_image
from wordsight.errors import InputError
from wordsight.objectives import OBJECTIVES, SUM, MaskedWordObjective, objective_kinds
from wordsight.objectives.maps import (
    MAPS,
    AskedWord,
    MapSources,
    PredictedWord,
    Span,
    WordMap,
    WordMaps,
    map_names,
    no_map,
    word_maps,
)
from wordsight.vision.preprocessing import Framing
from wordsight.vision.views import eval_view, stack

if TYPE_CHECKING:
    from wordsight.training.run import Run

__all__ = [
    "DRAWN_SIZE",
    "HIDDEN",
    "AttentionMaps",
    "PhotoAttention",
    "PredictedWord",
    "Span",
    "WordAttention",
    "has_attention",
    "objectives_with_attention",
    "read_photo",
]

# The map of runs that hide words.
HIDDEN = "hidden-words"
# Heat is laid over the same square of the photo at this size: what the network sees may be a few dozen pixels wide.
DRAWN_SIZE = 384
# More pixels than any camera makes; a file that claims more is made to do harm.
MOST_PIXELS = 400_000_000
# Of a caption, in an error.
_QUOTED = 120


@dataclass(frozen=True)
class WordAttention:
    """What came out for one word.

    Args:
        word: The word as it stands in the caption.
        target: How the objective spells it, as guesses are spelled.
        span: Where it stands.
        attention_HW: Each grid cell's share; sums to one, or to zero where no cell speaks for the word.
        predictions: What the run takes a hidden word for, likeliest first; () where no word is hidden.
        said: What else it says of the word.
    """

    word: str
    target: str
    span: Span
    attention_HW: NDArray[np.float32]
    predictions: tuple[PredictedWord, ...] = ()
    said: str = ""

    @property
    def right(self) -> bool:
        """Whether the likeliest word is the hidden one."""
        return bool(self.predictions) and self.predictions[0].word == self.target


@dataclass(frozen=True)
class PhotoAttention:
    """What came out for a photo and its caption.

    Args:
        caption: The caption.
        view: The photo as the network sees it, [size, size, 3], 0 to 255.
        drawn: The same view of the photo, large enough to draw on.
        photo_size: Width and height of the whole photo, in pixels.
        words: One entry for each word.
        read: How many characters of the caption the objective reads: all, but of very long ones.
        most_tokens: The most tokens that it reads.
        framing: How a photo that is not square became one.
        colour: What the colour of a map is.
        shows: What the maps show, as a half sentence.
        own: Whether the caption is what the run itself has for the photo.
    """

    caption: str
    view: NDArray[np.uint8]
    drawn: NDArray[np.uint8]
    photo_size: tuple[int, int]
    words: tuple[WordAttention, ...]
    read: int
    most_tokens: int
    framing: Framing = "crop"
    colour: str = MAPS[HIDDEN].colour
    shows: str = MAPS[HIDDEN].drawn
    own: bool = False


class AttentionMaps:
    """A run's trained objective, ready to show where it finds words.

    Args:
        run: A run whose objective knows words.
        framing: How a photo that is not square becomes one.
        map: The kind of map, one of `MAPS`; "" for the first that the objective has.

    Raises:
        InputError: When the run's objective has no map, or none of that kind.
    """

    def __init__(self, run: Run, framing: Framing = "crop", map: str = "") -> None:
        if not maps_of_run(run):
            raise no_map(run.path, run.settings.objective)
        model = run.language_model()
        objective = run.objective(model)
        found = word_maps(objective, _sources(run), map)
        assert found is not None, "a run has what its classes have"
        self.maps: WordMaps = found
        self.backbone = objective.backbone
        self.size, self.framing = run.settings.image_size, framing

    def can_hide(self, caption: str, span: Span) -> bool:
        """Whether there is a map of a stretch of a caption."""
        return self.maps.can_ask(AskedWord(caption, span))

    def of_photo(self, photo: Path | bytes, caption: str | None, spans: Sequence[Span] | None = None) -> PhotoAttention:
        """See where the network finds words.

        Args:
            photo: An encoded picture: a file, or its bytes.
            caption: What is said about it; None for what the run itself has to say of it, its tags or its caption.
            spans: The words; by default all that can be asked about and tell something of a picture.

        Raises:
            InputError: When the photo can't be read, no word of the caption can be asked about, or there is no caption
                and the run has none of its own.
        """
        packed = read_photo(photo)
        view, drawn = (
            eval_view(packed.data, side, framing=self.framing) for side in (self.size, max(self.size, DRAWN_SIZE))
        )
        # Before the pass through the backbone: without a word there is nothing to see.
        asked = [] if caption is None else self._asked(caption, spans)
        with torch.no_grad():
            grid_1CHW: Tensor = self.backbone(self.backbone.prepare(stack([view])))
            if caption is None:
                asked = self._own(grid_1CHW)
            found = self.maps.maps(grid_1CHW, asked)
        text = asked[0].caption
        words = tuple(_word(one, word_map) for one, word_map in zip(asked, found, strict=True))
        size = (packed.width, packed.height)
        read, most = self.maps.read(text), self.maps.most_tokens
        return PhotoAttention(
            text, view, drawn, size, words, read, most, self.framing, self.maps.colour, self.maps.drawn, caption is None
        )

    def _asked(self, caption: str, spans: Sequence[Span] | None) -> list[AskedWord]:
        wanted = self.maps.words(caption) if spans is None else [each for each in spans if self.can_hide(caption, each)]
        if not wanted:
            said = caption if len(caption) <= _QUOTED else caption[:_QUOTED].rstrip() + " ..."
            raise self.maps.nothing_to_ask(said)
        return [AskedWord(caption, span) for span in wanted]

    def _own(self, grid_1CHW: Tensor) -> list[AskedWord]:
        found = self.maps.own_words(grid_1CHW)
        if not found:
            raise InputError(
                "is missing, and the run has no words of its own for a photo",
                where="caption",
                expected='a sentence about the photo, such as "a dog runs on the beach"',
            )
        return found


def _word(asked: AskedWord, found: WordMap) -> WordAttention:
    shares_HW = found.shares_HW.numpy().astype(np.float32)
    return WordAttention(asked.word, found.target, asked.span, shares_HW, found.guesses, found.said)


def _sources(run: Run) -> MapSources:
    """What maps are made with; a run's concept sets are opened where a map reads them."""
    names = maps_of_run(run)
    maskable = frozenset(run.maskable_set().names) if HIDDEN in names else frozenset[str]()
    tags = "class-activation" in names
    concepts = {name: run.concept_set(name).names for name in run.info.concepts} if tags else {}
    return MapSources(run.language_model(), concepts, maskable)


def maps_of_run(run: Run) -> list[str]:
    """Names of the maps that a run has."""
    return map_names(objective_kinds(run.settings.objective, run.settings.objective_settings))


def chosen_map(run: Run, caption: str | None, map: str = "") -> str:
    """The kind of map that is drawn of a run: the one named, else the first that it has; "" where it has none.

    Args:
        run: The run.
        caption: The caption; without one the first kind that may have words of its own.
        map: The name that was given, or "".
    """
    has = maps_of_run(run)
    speaking = [name for name in has if MAPS[name].speaks]
    return map or next(iter(speaking if caption is None and speaking else has), "")


def has_attention(run: Run) -> bool:
    """Whether the run's objective hides words, and so looks for them."""
    return HIDDEN in maps_of_run(run)


def objectives_with_attention() -> list[str]:
    """Names of the objectives that hide words; a sum has attention where a part has."""
    hiding = MaskedWordObjective
    return [
        name
        for name in OBJECTIVES
        if name != SUM and any(issubclass(kind, hiding) for kind in objective_kinds(name, {}))
    ]


def read_photo(photo: Path | bytes) -> PackedImage:
    """A photo as a corpus would keep it: checked, upright, RGB, JPEG.

    Raises:
        InputError: When the file is absent or holds no picture that can be decoded.
    """
    try:
        return pack_image(photo, shorter_side=2 * DRAWN_SIZE, jpeg_quality=95, max_pixels=MOST_PIXELS)
    except BadImage as error:
        where = photo if isinstance(photo, Path) else "photo"
        raise InputError(f"{error.reason} ({error.detail})", where=where, expected="a photo (JPEG, PNG)") from error
