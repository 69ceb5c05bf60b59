"""What a text side is: the one way by which an objective compares images with texts.

Whatever the objective, a score is a dot product of a vector of the image and a vector of the text, plus a number of the
text: the mean log-probability of a text's concepts, a Kullback-Leibler divergence and a cosine are all of this form. So
scores are made block by block, and ranks are counted alike for all.
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

# Score of a text that an objective knows nothing of: below any other, and a number, so that such texts tie.
UNKNOWN = -1e30
# Share of the sizes of two vectors by which their product may be off: some last digits of float32.
_ROUNDING = 3e-7


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


class Vectors(Protocol):
    """N vectors, a block at a time."""

    def __len__(self) -> int:
        """N."""

    def block(self, rows: slice) -> Tensor:
        """Some of them, float32 ``[n, Z]``."""


@dataclass(frozen=True)
class StoredEmbeddings:
    """Vectors that are held in memory.

    Args:
        vectors_NZ: The vectors.
    """

    vectors_NZ: Tensor

    def __len__(self) -> int:
        return len(self.vectors_NZ)

    def block(self, rows: slice) -> Tensor:
        """Some of them."""
        return self.vectors_NZ[rows]


@dataclass(frozen=True)
class LazyEmbeddings:
    """Vectors that are made of what is kept of each, when they are wanted.

    Args:
        kept_ND: What is kept.
        make: From ``[n, D]`` to ``[n, Z]``.
    """

    kept_ND: Tensor
    make: Callable[[Tensor], Tensor]

    def __len__(self) -> int:
        return len(self.kept_ND)

    def block(self, rows: slice) -> Tensor:
        """Some of them."""
        return self.make(self.kept_ND[rows])


@dataclass(frozen=True)
class TextQueries:
    """Texts that images are to be compared with, and how.

    Args:
        texts: Their vectors.
        offset_T: What is added to every score of a text; `UNKNOWN` for a text that the objective knows nothing of.
        see: From images as a backbone reads them, [B, 3, H, W], to what is kept of each, [B, D].
        images: From what is kept of all images, ``[N, D]``, to their vectors.
        similarity: What a score is.
        notes: What a reader should know.
    """

    texts: Vectors
    offset_T: Tensor
    see: Callable[[Tensor], Tensor]
    images: Callable[[Tensor], Vectors]
    similarity: str
    notes: Sequence[str] = ()

    @property
    def known_T(self) -> NDArray[np.bool_]:
        """Which texts the objective knows anything of."""
        known: NDArray[np.bool_] = (self.offset_T > UNKNOWN / 2).cpu().numpy()
        return known


@dataclass(frozen=True)
class DotProduct:
    """Images and texts side by side: the scores of any block of them.

    Args:
        images: Vectors of N images.
        texts: Vectors of T texts.
        offset_T: What is added to every score of a text.
    """

    images: Vectors
    texts: Vectors
    offset_T: Tensor

    def scores(self, images_nZ: Tensor, texts: slice) -> Tensor:
        """Scores of some images, whose vectors are at hand, for some texts ``[n, t]``."""
        return self._scores(images_nZ, self.texts.block(texts), self.offset_T[texts])

    def scores_and_rounding(self, images_nZ: Tensor, texts: slice) -> tuple[Tensor, Tensor]:
        """The same, and by how much each may be off: sums of products are rounded by the size of what is summed.

        The same two vectors in a block of another shape are summed in another order, and should tie all the same.
        """
        texts_tZ, offset_t = self.texts.block(texts), self.offset_T[texts]
        size_nt = torch.addmm(offset_t.abs(), images_nZ.norm(dim=1)[:, None], texts_tZ.norm(dim=1)[None])
        return self._scores(images_nZ, texts_tZ, offset_t), _ROUNDING * size_nt

    def _scores(self, images_nZ: Tensor, texts_tZ: Tensor, offset_t: Tensor) -> Tensor:
        scores_nt = torch.addmm(offset_t, images_nZ, texts_tZ.T)
        # Beside the offset of an unknown text a score is rounding: all images are alike to it.
        return torch.where(offset_t > UNKNOWN / 2, scores_nt, offset_t)


class TextSide(Protocol):
    """How an objective compares images with texts."""

    @property
    def name(self) -> str:
        """What it is, for a result's settings."""

    @property
    def similarities(self) -> Sequence[str]:
        """What a score can be, the default first."""

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
