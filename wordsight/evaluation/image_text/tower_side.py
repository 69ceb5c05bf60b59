"""The text side of objectives with a text tower: both sides give vectors of one space, and a score is their cosine."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Protocol, runtime_checkable

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional

from wordsight.concepts.matrix_writer import Caption
from wordsight.corpus.store import Corpus
from wordsight.device import autocast
from wordsight.evaluation.image_text.similarity import StoredEmbeddings, TextQueries, TextQuery, grouped
from wordsight.progress import progress_bar

# Texts that go through the tower together.
_TOGETHER = 256


@runtime_checkable
class TextTowers(Protocol):
    """What an objective needs to be asked about texts through towers: these two methods, and nothing else.

    Both are called in evaluation mode, without gradients, with the objective on the device that is computed on. The
    image tower has to go through the objective's ``backbone``, so that its randomly initialised copy can be asked too.
    """

    def embed_images(self, images_BCHW: Tensor) -> Tensor:
        """Images as a backbone reads them (float, normalised) to vectors ``[B, Z]``; any length will do."""
        ...

    def embed_texts(self, texts: Sequence[str]) -> Tensor:
        """Texts to vectors of the same space ``[B, Z]``; any length will do."""
        ...


@dataclass(frozen=True)
class TowerSide:
    """Two towers.

    Args:
        towers: The objective.
        device: Where to compute.
    """

    towers: TextTowers
    device: torch.device

    @property
    def name(self) -> str:
        """What it is."""
        return "text tower"

    @property
    def similarities(self) -> Sequence[str]:
        """The cosine."""
        return ("cosine",)

    def captions(self, corpus: Corpus, examples: Iterable[int]) -> Iterator[Caption]:
        """All captions."""
        return corpus.caption_iter(examples)

    def ask(self, texts: Sequence[TextQuery], similarity: str, group_T: NDArray[np.int64] | None = None) -> TextQueries:
        """Make ready to compare images with texts."""
        parts: list[Tensor] = []
        with progress_bar() as bar:
            progress = bar.add_task("texts", total=len(texts), note="")
            for first in range(0, len(texts), _TOGETHER):
                some = [" ".join(text.captions) for text in texts[first : first + _TOGETHER]]
                parts.append(functional.normalize(self.towers.embed_texts(some).float(), dim=1))
                bar.advance(progress, len(some))
        vectors_TZ = torch.cat(parts)
        if group_T is not None:
            # As CLIP does: the mean of the unit vectors of a class's texts, made a unit vector again.
            vectors_TZ = functional.normalize(grouped(vectors_TZ, np.ones(len(texts), bool), group_T), dim=1)
        return TextQueries(
            texts=StoredEmbeddings(vectors_TZ),
            offset_T=torch.zeros(len(vectors_TZ), device=self.device),
            see=self._see,
            images=StoredEmbeddings,
            similarity=similarity,
        )

    def _see(self, images_BCHW: Tensor) -> Tensor:
        with autocast(self.device):
            vectors_BZ = self.towers.embed_images(images_BCHW)
        return functional.normalize(vectors_BZ.float(), dim=1)
