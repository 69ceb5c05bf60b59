"""What a text side is: the one way by which an objective compares images with texts.

A text side reads texts, sees images, and says how the two score (`similarity`), so that zero-shot classification and
retrieval are the same for every objective.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from wordsight.concepts.matrix_writer import Caption
from wordsight.corpus.store import Corpus
from wordsight.evaluation.image_text.similarity import UNKNOWN, DotProduct, SimilarityScores, Vectors

# Texts whose vectors are looked at together.
_AT_ONCE = 4096


@dataclass(frozen=True)
class TextQuery:
    """One thing to compare images with.

    Args:
        captions: What it reads: one sentence, or several that belong together, such as all captions of an image.
        name: For a class in a template its name (``tench``); None for a text that stands for itself.
        frame: The template without the name (``a photo of a .``): what it says holds for every class, and so for none.
    """

    captions: tuple[str, ...]
    name: str | None = None
    frame: str | None = None


@dataclass(frozen=True)
class TextQueries:
    """Texts that images are to be compared with, and how.

    Args:
        texts: Their vectors.
        offset_T: What is added to every score of a text; `UNKNOWN` for a text that the objective knows nothing of.
        see: From images as a backbone reads them, [B, 3, H, W], to what is kept of each, [B, D].
        images: From what is kept of all images, ``[N, D]``, to their vectors.
        similarity: What a score is.
        compare: From the vectors of images, those of the texts and their offsets to scores.
        pool: From vectors of texts, whose length may depend on the longest, to one of always the same length for each;
            None where they are that already.
        notes: What a reader should know.
    """

    texts: Vectors
    offset_T: Tensor
    see: Callable[[Tensor], Tensor]
    images: Callable[[Tensor], Vectors]
    similarity: str
    compare: Callable[[Vectors, Vectors, Tensor], SimilarityScores] = DotProduct
    pool: Callable[[Tensor], Tensor] | None = None
    notes: Sequence[str] = ()

    @property
    def known_T(self) -> NDArray[np.bool_]:
        """Which texts the objective knows anything of."""
        known: NDArray[np.bool_] = (self.offset_T > UNKNOWN / 2).cpu().numpy()
        return known

    def pooled(self) -> Tensor:
        """One vector for each text, of always the same length ``[T, Z]``, in memory."""
        blocks = [self.texts.block(slice(first, first + _AT_ONCE)) for first in range(0, len(self.texts), _AT_ONCE)]
        return torch.cat([(block if self.pool is None else self.pool(block)).cpu() for block in blocks])

    def scores(self, images: Vectors) -> SimilarityScores:
        """The scores of images for the texts.

        Args:
            images: The images' vectors, as `images` gives them.
        """
        return self.compare(images, self.texts, self.offset_T)


class TextSide(Protocol):
    """How an objective compares images with texts."""

    @property
    def name(self) -> str:
        """What it is, for a result's settings."""

    @property
    def similarities(self) -> Sequence[str]:
        """What a score can be, the default first."""

    @property
    def why_alike(self) -> str:
        """How it comes that two names read the same to it, for a message."""

    def captions(self, corpus: Corpus, examples: Iterable[int]) -> Iterator[Caption]:
        """The captions of some examples that it can read, those in its own languages: (example, number, text)."""

    def ask(self, texts: Sequence[TextQuery], similarity: str, group_T: NDArray[np.int64] | None = None) -> TextQueries:
        """Make ready to compare images with texts.

        Args:
            texts: The texts.
            similarity: One of `similarities`.
            group_T: The class that each text speaks of, ascending from 0, where several texts are to be averaged into
                one (Radford et al. 2021, Section 3.1.4); None for texts that each stand for themselves.
        """


def grouped(vectors_TZ: Tensor, known_T: NDArray[np.bool_], group_T: NDArray[np.int64]) -> Tensor:
    """The mean of the vectors of each group, of those that are known ``[G, Z]``; zero for a group without any.

    Args:
        vectors_TZ: The vectors.
        known_T: Which of them to count.
        group_T: The group of each, from 0.
    """
    groups = int(group_T.max()) + 1 if len(group_T) else 0
    counted = torch.from_numpy(np.where(known_T, 1.0, 0.0)).to(vectors_TZ)
    places = torch.from_numpy(group_T).to(vectors_TZ.device)
    total_GZ = vectors_TZ.new_zeros(groups, vectors_TZ.shape[1]).index_add(0, places, vectors_TZ * counted[:, None])
    count_G = vectors_TZ.new_zeros(groups).index_add(0, places, counted)
    return total_GZ / count_G.clamp_min(1)[:, None]
