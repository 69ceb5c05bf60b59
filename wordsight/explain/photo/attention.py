"""Where a trained run looks for each word of a caption, as arrays (the attention of the paper's Figs. 1 and 4).

One word after another is hidden behind the mask token; the run's heads then look for it in the grid of the photo. All
masked versions of a caption share one pass of the backbone.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from wordsight.batching.masks import MaskedWords
from wordsight.corpus.images import BadImage, PackedImage, pack_image
from wordsight.errors import InputError
from wordsight.objectives import OBJECTIVES, SUM, MaskedWordObjective, objective_kinds, parts_of
from wordsight.vision.preprocessing import Framing
from wordsight.vision.views import eval_view, stack

if TYPE_CHECKING:
    from wordsight.training.run import Run

GUESSES = 3
# Heat is laid over the same square of the photo at this size: what the network sees may be a few dozen pixels wide.
DRAWN_SIZE = 384
# More pixels than any camera makes; a file that claims more is made to do harm.
MOST_PIXELS = 400_000_000
# Of a caption, in an error.
_QUOTED = 120


@dataclass(frozen=True)
class PredictedWord:
    """A word of the vocabulary and how likely the model holds it, 0 to 1."""

    word: str
    probability: float


@dataclass(frozen=True)
class Span:
    """A word of a caption: its characters ``start`` to ``end``."""

    start: int
    end: int


@dataclass(frozen=True)
class WordAttention:
    """What came out when one word was hidden.

    Args:
        word: The word as it stands in the caption.
        target: The vocabulary's entry for it, as guesses are spelled.
        span: Where it stands.
        attention_HW: The share of the attention in each grid cell; sums to one.
        predictions: The likeliest words, likeliest first.
    """

    word: str
    target: str
    span: Span
    attention_HW: NDArray[np.float32]
    predictions: tuple[PredictedWord, ...]

    @property
    def right(self) -> bool:
        """Whether the likeliest word is the hidden one."""
        return self.predictions[0].word == self.target


@dataclass(frozen=True)
class PhotoAttention:
    """What came out for a photo and its caption.

    Args:
        caption: The caption.
        view: The photo as the network sees it, [size, size, 3], 0 to 255.
        drawn: The same view of the photo, large enough to draw on.
        photo_size: Width and height of the whole photo, in pixels.
        words: One entry for each word that was hidden.
        read: How many characters of the caption the language model reads: all, but of very long ones.
        most_tokens: The most tokens that it reads.
        framing: How a photo that is not square became one.
    """

    caption: str
    view: NDArray[np.uint8]
    drawn: NDArray[np.uint8]
    photo_size: tuple[int, int]
    words: tuple[WordAttention, ...]
    read: int
    most_tokens: int
    framing: Framing = "crop"


class AttentionMaps:
    """A run's trained objective with its language model, ready to show where it looks.

    Args:
        run: A run whose objective predicts masked words through attention (the ICMLM objectives).
        framing: How a photo that is not square becomes one.

    Raises:
        InputError: When the run's objective has no attention.
    """

    def __init__(self, run: Run, framing: Framing = "crop") -> None:
        if not has_attention(run):
            raise no_attention(run)
        model = run.language_model()
        parts = parts_of(run.objective(model), MaskedWordObjective)
        assert parts and model is not None, "objectives on words have both"
        self.objective, self.model = parts[0], model
        self.size, self.framing = run.settings.image_size, framing
        self.concepts: frozenset[str] = frozenset(run.maskable_set().names)

    def spans(self, caption: str) -> list[Span]:
        """The words of a caption that can be hidden: concepts that are one wordpiece.

        Nouns, adjectives and verbs where the tagger is installed, else whatever word is a concept.
        """
        _, pieces, read = self._pieces(caption)
        return [span for span in content_words(caption[:read], self.concepts) if span in pieces]

    def can_hide(self, caption: str, span: Span) -> bool:
        """Whether a stretch of a caption is one wordpiece."""
        return span in self._pieces(caption)[1]

    def of_photo(self, photo: Path | bytes, caption: str, spans: Sequence[Span] | None = None) -> PhotoAttention:
        """Hide words of a caption one by one, and see where the network looks for each.

        Args:
            photo: An encoded picture: a file, or its bytes.
            caption: What is said about it.
            spans: The words to hide; by default all that can be.

        Raises:
            InputError: When the photo can't be read, or no word of the caption can be hidden.
        """
        packed = read_photo(photo)
        view, drawn = (
            eval_view(packed.data, side, framing=self.framing) for side in (self.size, max(self.size, DRAWN_SIZE))
        )
        ids, pieces, read = self._pieces(caption)
        wanted = self.spans(caption) if spans is None else [span for span in spans if span in pieces]
        if not wanted:
            raise self._nothing_to_hide(caption)
        words = self._masked(ids, [pieces[span] for span in wanted])
        with torch.no_grad():
            words = words.read_by(self.model)
            seen = self.objective.predict_masked(
                self.objective.backbone(self.objective.backbone.prepare(stack([view]))), words
            )
            probability_MV = seen.logits_BmV[0].float().softmax(-1)
        attention_MHW = seen.attention_BmL[0].float().unflatten(-1, seen.grid).numpy()
        found = tuple(
            WordAttention(
                word=caption[span.start : span.end],
                target=self._spelled(int(words.target_Bm[0, m])),
                span=span,
                attention_HW=attention_MHW[m],
                predictions=self._guesses(probability_MV[m]),
            )
            for m, span in enumerate(wanted)
        )
        size = (packed.width, packed.height)
        return PhotoAttention(caption, view, drawn, size, found, read, self.model.max_tokens, self.framing)

    def _masked(self, ids: list[int], positions: list[int]) -> MaskedWords:
        """The caption once for each of its words, that word hidden: a batch of one image and m words."""
        ids_mT = torch.tensor(ids).repeat(len(positions), 1)
        rows, position_m = torch.arange(len(positions)), torch.tensor(positions)
        target_m = ids_mT[rows, position_m].clone()
        ids_mT[rows, position_m] = self.model.mask_id
        return MaskedWords(
            ids_BmT=ids_mT[None],
            tokens_BmTD=None,
            present_BmT=torch.ones_like(ids_mT, dtype=torch.bool)[None],
            position_Bm=position_m[None],
            target_Bm=target_m[None],
            weight_Bm=torch.ones(1, len(positions)),
        )

    def _guesses(self, probability_V: Tensor) -> tuple[PredictedWord, ...]:
        best = probability_V.topk(min(GUESSES, len(probability_V)))
        entries = self.objective.candidates[best.indices].tolist()
        return tuple(PredictedWord(self._spelled(e), p) for e, p in zip(entries, best.values.tolist(), strict=True))

    def _pieces(self, caption: str) -> tuple[list[int], dict[Span, int], int]:
        """The caption's vocabulary ids, where each stretch that is one wordpiece is among them, and how far they go.

        Longer captions than the language model can take end where it stops reading, in characters.
        """
        coded = self.model.tokenizer(
            caption, return_offsets_mapping=True, truncation=True, max_length=self.model.max_tokens
        )
        pieces = {}
        for place, (start, end) in enumerate(coded["offset_mapping"]):
            # Byte-level tokenizers count the space before a word as part of it.
            start += len(caption[start:end]) - len(caption[start:end].lstrip())
            if end > start:
                pieces[Span(start, end)] = place
        ids = list(coded["input_ids"])
        read = max((span.end for span in pieces), default=0) if len(ids) >= self.model.max_tokens else len(caption)
        return ids, pieces, read

    def _spelled(self, entry: int) -> str:
        """A vocabulary entry as a person reads it; pieces that continue a word begin with a hyphen."""
        piece = str(self.model.tokenizer.convert_ids_to_tokens(entry))
        if piece.startswith("##"):
            return "-" + piece[2:]
        return self.model.tokenizer.convert_tokens_to_string([piece]).strip() or piece

    def _nothing_to_hide(self, caption: str) -> InputError:
        known = ", ".join(sorted(self.concepts)[:8])
        said = caption if len(caption) <= _QUOTED else caption[:_QUOTED].rstrip() + " ..."
        return InputError(
            f"no word of {said!r} can be hidden",
            where="caption",
            expected="a noun, adjective or verb that the run was trained on",
            mend=f"the run knows {len(self.concepts)} words, among them {known}",
        )


def has_attention(run: Run) -> bool:
    """Whether the run's objective hides words, and so looks for them."""
    return _hides_words(run.settings.objective, run.settings.objective_settings)


def _hides_words(objective: str, values: Mapping[str, Any]) -> bool:
    kinds = objective_kinds(objective, values)
    return any(issubclass(kind, MaskedWordObjective) for kind in kinds)


def objectives_with_attention() -> list[str]:
    """Names of the objectives that have attention; a sum has it where a part has."""
    return [name for name in OBJECTIVES if name != SUM and _hides_words(name, {})]


def no_attention(run: Run) -> InputError:
    """The error for a run whose objective has no attention."""
    return InputError(
        f"its objective {run.settings.objective!r} has no attention over the photo",
        where=run.path,
        expected=f"a run of an objective that masks words: {', '.join(objectives_with_attention())}",
    )


def content_words(caption: str, concepts: frozenset[str]) -> list[Span]:
    """Where the concepts stand in a caption: nouns, adjectives and verbs, as the tagger sees them.

    Where it isn't installed, or finds none (in two words it has little to go by), every word that is a concept counts.
    """
    from wordsight.language.tagger import tag_words

    try:
        tagged = [(word.start, word.end) for word in next(iter(tag_words([caption]))) if word.part != "other"]
    except InputError:
        tagged = []
    lettered = [(match.start(), match.end()) for match in re.finditer(r"[^\W\d_]+", caption)]
    for words in (tagged, lettered):
        found = [Span(start, end) for start, end in words if caption[start:end].lower() in concepts]
        if found:
            return found
    return []


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
