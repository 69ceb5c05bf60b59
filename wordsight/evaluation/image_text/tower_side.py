"""The text side of objectives with a text tower: images and texts become vectors of one space that score by cosine.

A tower gives one vector for all of an image or text, or one for each cell and token, which are compared by late
interaction.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import ClassVar

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional

from wordsight.concepts.matrix_writer import Caption
from wordsight.corpus.store import Corpus
from wordsight.device import autocast
from wordsight.evaluation.image_text.queries import TextQueries, TextQuery, grouped
from wordsight.evaluation.image_text.similarity import (
    DotProduct,
    LateInteraction,
    SimilarityScores,
    StoredEmbeddings,
    Vectors,
    mean_of_present,
)
from wordsight.objectives.capabilities import ImageTextObjective
from wordsight.progress import progress_bar

# Texts that go through the tower together.
_TOGETHER = 256


@dataclass(frozen=True)
class TowerSide:
    """Two towers.

    Args:
        towers: The objective.
        device: Where to compute.
    """

    SIMILARITIES: ClassVar = ("cosine",)

    towers: ImageTextObjective
    device: torch.device

    @property
    def name(self) -> str:
        """What it is."""
        return "text tower"

    @property
    def why_alike(self) -> str:
        """The tokenizer."""
        return "its tokenizer makes the same tokens of them: words that it does not know are one unknown token"

    @property
    def similarities(self) -> Sequence[str]:
        """The cosine: of two vectors, or of every cell and token (`LateInteraction`)."""
        return self.SIMILARITIES

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
                parts.append(functional.normalize(self.towers.embed_texts(some).float(), dim=-1))
                bar.advance(progress, len(some))
        if parts[0].ndim == 3:
            return self._of_tokens(_end_to_end(parts), parts[0].shape[2], group_T)
        vectors_TZ = torch.cat(parts)
        if group_T is not None:
            # As CLIP does: the mean of the unit vectors of a class's texts, made a unit vector again.
            vectors_TZ = functional.normalize(grouped(vectors_TZ, np.ones(len(texts), bool), group_T), dim=1)
        return self._queries(vectors_TZ, similarity, DotProduct)

    def _of_tokens(self, tokens_TX: Tensor, width: int, group_T: NDArray[np.int64] | None) -> TextQueries:
        """Of texts that are a vector for each token, end to end; the scores of those of one class are averaged."""
        prompts = 1
        if group_T is not None:
            counts = np.bincount(group_T)
            prompts = int(counts.max())
            place_T = torch.from_numpy(np.arange(len(group_T)) - np.repeat(np.cumsum(counts) - counts, counts))
            of_classes = tokens_TX.new_zeros(len(counts), prompts, tokens_TX.shape[1])
            of_classes[torch.from_numpy(group_T), place_T] = tokens_TX
            tokens_TX = of_classes.flatten(1)
        compare = partial(LateInteraction, width=width, prompts=prompts)
        queries = self._queries(tokens_TX, "cosine, late interaction", compare)
        return replace(queries, pool=lambda some: mean_of_present(some.unflatten(1, (-1, width))))

    def _queries(
        self, texts_TX: Tensor, similarity: str, compare: Callable[[Vectors, Vectors, Tensor], SimilarityScores]
    ) -> TextQueries:
        return TextQueries(
            texts=StoredEmbeddings(texts_TX),
            offset_T=torch.zeros(len(texts_TX), device=self.device),
            see=self._see,
            images=StoredEmbeddings,
            similarity=similarity,
            compare=compare,
        )

    def _see(self, images_BCHW: Tensor) -> Tensor:
        with autocast(self.device):
            embedded = self.towers.embed_images(images_BCHW)
        return functional.normalize(embedded.float(), dim=-1).flatten(1)


def _end_to_end(parts: Sequence[Tensor]) -> Tensor:
    """Batches of tokens ``[B, T, Z]``, each as long as its longest text, as one ``[B, T * Z]``; zeros are no tokens."""
    longest = max(part.shape[1] for part in parts)
    return torch.cat([functional.pad(part, (0, 0, 0, longest - part.shape[1])) for part in parts]).flatten(1)
