"""How images and texts score: block by block, so that N x T scores are never held at once.

A new way to score is a subclass with two methods. For most, image and text are a vector each and a score is their dot
product plus a number of the text (`DotProduct`): the mean log-probability of a text's concepts, a Kullback-Leibler
divergence and a cosine are all of this form. `LateInteraction` compares every cell of an image with every token.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Protocol, Self

import torch
from torch import Tensor

# Score of a text that an objective knows nothing of: below any other, and a number, so that such texts tie.
UNKNOWN = -1e30
# Share of the sizes of two vectors by which their product may be off: some last digits of float32.
_ROUNDING = 3e-7
# Products of cells and tokens that are held at once: 64 MB.
_PRODUCTS = 1 << 24


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
class SimilarityScores(ABC):
    """The scores of N images for T texts.

    Args:
        images: Vectors of the images.
        texts: Vectors of the texts.
        offset_T: What is added to every score of a text; `UNKNOWN` for one that nothing is known of.
    """

    images: Vectors
    texts: Vectors
    offset_T: Tensor

    @abstractmethod
    def combine(self, images_nZ: Tensor, texts_tZ: Tensor, offset_t: Tensor) -> Tensor:
        """Scores of some images for some texts, the texts' offset added ``[n, t]``."""

    @abstractmethod
    def sizes(self, images_nZ: Tensor, texts_tZ: Tensor, offset_t: Tensor) -> Tensor:
        """How large what is summed to a score may be ``[n, t]``: a score is rounded by a share of that."""

    def scores(self, images: slice, texts: slice) -> Tensor:
        """Scores of some images for some texts ``[n, t]``."""
        return self._known(self.images.block(images), self.texts.block(texts), self.offset_T[texts])

    def scores_and_rounding(self, images: slice, texts: slice) -> tuple[Tensor, Tensor]:
        """The same, and by how much each may be off: sums of products are rounded by the size of what is summed.

        The same two vectors in a block of another shape are summed in another order, and should tie all the same.
        """
        images_nZ, texts_tZ, offset_t = self.images.block(images), self.texts.block(texts), self.offset_T[texts]
        return self._known(images_nZ, texts_tZ, offset_t), _ROUNDING * self.sizes(images_nZ, texts_tZ, offset_t)

    def of_images(self, rows: slice | Sequence[int]) -> Self:
        """The scores of some of the images, whose vectors are made once for all texts."""
        if isinstance(rows, slice):
            return replace(self, images=StoredEmbeddings(self.images.block(rows)))
        return replace(self, images=StoredEmbeddings(torch.cat([self.images.block(slice(r, r + 1)) for r in rows])))

    def turned(self) -> Self:
        """The same with texts asking for images.

        What is added to all scores of a text changes no order of images. One that is unknown has a vector of zeros, to
        which all images are alike.
        """
        none_N = self.offset_T.new_zeros(len(self.images))
        return replace(self, images=self.texts, texts=self.images, offset_T=none_N)

    def _known(self, images_nZ: Tensor, texts_tZ: Tensor, offset_t: Tensor) -> Tensor:
        scores_nt = self.combine(images_nZ, texts_tZ, offset_t)
        # Beside the offset of an unknown text a score is rounding: all images are alike to it.
        return torch.where(offset_t > UNKNOWN / 2, scores_nt, offset_t)


@dataclass(frozen=True)
class DotProduct(SimilarityScores):
    """A score is the dot product of an image's vector and a text's, plus the text's offset."""

    def combine(self, images_nZ: Tensor, texts_tZ: Tensor, offset_t: Tensor) -> Tensor:
        """Products, and the offset."""
        return torch.addmm(offset_t, images_nZ, texts_tZ.T)

    def sizes(self, images_nZ: Tensor, texts_tZ: Tensor, offset_t: Tensor) -> Tensor:
        """Products of the vectors' lengths, and the offset's size."""
        return torch.addmm(offset_t.abs(), images_nZ.norm(dim=1)[:, None], texts_tZ.norm(dim=1)[None])


@dataclass(frozen=True)
class LateInteraction(SimilarityScores):
    """Every cell of an image is compared with every token of a text (FILIP: Yao et al. 2021, Section 3.1).

    A cell counts by the token that is most like it, a token by the cell that is; a score is the mean over cells and the
    mean over tokens, half of each. (FILIP learns and ranks either direction by its own half; here one score serves
    both.) The vector of an image or text is its cells or tokens end to end, those that are absent being zeros.

    Args:
        width: Numbers of a cell or token, Z.
        prompts: The texts that are end to end in each of T, such as a class's templates: their scores are averaged.
    """

    width: int
    prompts: int = 1

    def combine(self, images_nZ: Tensor, texts_tZ: Tensor, offset_t: Tensor) -> Tensor:
        """Means of maxima, and the offset."""
        cells_nLZ = images_nZ.unflatten(1, (-1, self.width))
        tokens_pTZ = texts_tZ.reshape(len(texts_tZ) * self.prompts, -1, self.width)
        together = max(1, _PRODUCTS // max(1, len(cells_nLZ) * cells_nLZ.shape[1] * tokens_pTZ.shape[1]))
        scores_np = torch.cat([_late_interaction(cells_nLZ, some) for some in tokens_pTZ.split(together)], dim=1)
        given_tP = tokens_pTZ.ne(0).flatten(1).any(1).unflatten(0, (-1, self.prompts))
        return _mean(scores_np.unflatten(1, (-1, self.prompts)), given_tP[None], 2) + offset_t

    def sizes(self, images_nZ: Tensor, texts_tZ: Tensor, offset_t: Tensor) -> Tensor:
        """Products of the longest cell and the longest token, and the offset's size."""
        of_n, of_t = (each.unflatten(1, (-1, self.width)).norm(dim=-1).amax(1) for each in (images_nZ, texts_tZ))
        return torch.addmm(offset_t.abs(), of_n[:, None], of_t[None])

    def turned(self) -> Self:
        """The same with texts asking for images."""
        if self.prompts > 1:
            raise ValueError("several texts together do not ask for images")
        return super().turned()


def _late_interaction(cells_nLZ: Tensor, tokens_tTZ: Tensor) -> Tensor:
    """The mean over cells of the token most like each, and over tokens of the cell most like each; half of both."""
    seen_nL, read_tT = cells_nLZ.ne(0).any(-1), tokens_tTZ.ne(0).any(-1)
    alike_nLtT = torch.einsum("nlz,tsz->nlts", cells_nLZ, tokens_tTZ)
    of_cells_nLt = _greatest(alike_nLtT, read_tT[None, None], 3)
    of_tokens_ntT = _greatest(alike_nLtT, seen_nL[:, :, None, None], 1)
    return (_mean(of_cells_nLt, seen_nL[:, :, None], 1) + _mean(of_tokens_ntT, read_tT[None], 2)) / 2


def mean_of_present(vectors_nTZ: Tensor) -> Tensor:
    """The mean of an item's cells or tokens, of those that are present ``[n, Z]``."""
    return _mean(vectors_nTZ, vectors_nTZ.ne(0).any(2, keepdim=True), 1)


def _greatest(values: Tensor, present: Tensor, dim: int) -> Tensor:
    """The greatest of those that are present; zero where none is."""
    greatest = values.masked_fill(~present, -torch.inf).amax(dim)
    return torch.where(greatest > -torch.inf, greatest, 0.0)


def _mean(values: Tensor, present: Tensor, dim: int) -> Tensor:
    """The mean of those that are present; zero where none is."""
    total: Tensor = (values * present).sum(dim)
    return total / present.sum(dim).clamp_min(1)
