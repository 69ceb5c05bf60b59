"""Which words are masked in a step, and their token features as padded tensors (the two expectations of Eq. 7)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Self

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from wordsight.batching.batch import Part
from wordsight.language.features import MaskedCaptions
from wordsight.language.model import LanguageModel


@dataclass(frozen=True)
class MaskedWords(Part):
    """m masked captions of every image of the batch.

    Args:
        ids_BmT: Vocabulary ids of the tokens, padded.
        tokens_BmTD: Token features W, padded; None until the language model has run, where they are not cached.
        present_BmT: True where there is a token, False at padding.
        position_Bm: Which token is masked.
        target_Bm: Vocabulary id of the masked word: k of Eq. 7.
        weight_Bm: 1 for a masked word, 0 where an image has fewer than m.
        shown_BS: Vocabulary ids of all maskable words of each image's captions, -1 where there are no more; None where
            the objective doesn't ask.
        mean_count: Of a piece of a batch, how many masked words a piece has on average; None for a whole one.
    """

    ids_BmT: Tensor
    tokens_BmTD: Tensor | None
    present_BmT: Tensor
    position_Bm: Tensor
    target_Bm: Tensor
    weight_Bm: Tensor
    shown_BS: Tensor | None = None
    mean_count: Tensor | None = None

    def split(self, parts: int) -> list[Self]:
        """The masked words of the first images, of the next ones, and so on."""
        mean_count = (self.weight_Bm > 0).sum() / parts
        return [replace(piece, mean_count=mean_count) for piece in super().split(parts)]

    def with_tokens(self, tokens_BmTD: Tensor) -> MaskedWords:
        """The same with token features."""
        return replace(self, tokens_BmTD=tokens_BmTD)

    def read_by(self, model: LanguageModel) -> MaskedWords:
        """The same with token features that a language model computes now, float32 on the device of the ids.

        Args:
            model: The language model; it computes where it is.
        """
        tokens = model.features(self.ids_BmT.flatten(0, 1), self.present_BmT.flatten(0, 1))
        return self.with_tokens(tokens.to(self.ids_BmT.device).unflatten(0, self.ids_BmT.shape[:2]))


def draw_masks(captions_n: NDArray[np.int32], count: int, random: np.random.Generator) -> NDArray[np.int64]:
    """Draw masked words of one image: a caption first, then a word in it, as the expectations of Eq. 7 are nested.

    Captions take turns in random order, each giving one of its words not drawn before, so that a count of 1 is the
    paper's sampling exactly and a larger one spreads over the captions.

    Args:
        captions_n: The caption of each of the image's n maskable words, ascending.
        count: How many words to draw; an image with fewer gives all of them.
        random: Where chance comes from.

    Returns:
        Places in ``captions_n``, at most ``count``, all different.
    """
    size = len(captions_n)
    shuffled = random.permutation(size)
    caption_turn = random.permutation(int(captions_n[-1]) + 1 if size else 0)
    # Round of a word: how many words of its caption stand before it in the shuffle.
    order = shuffled[np.argsort(captions_n[shuffled], kind="stable")]
    sorted_captions = captions_n[order]
    starts = np.flatnonzero(np.r_[True, sorted_captions[1:] != sorted_captions[:-1]]) if size else np.zeros(0, int)
    lengths = np.diff(np.r_[starts, size])
    rounds = np.arange(size) - np.repeat(starts, lengths)
    ranked = np.lexsort((caption_turn[sorted_captions], rounds))
    return order[ranked[:count]].astype(np.int64)


def gather_masks(masked: MaskedCaptions, rows_per_image: Sequence[NDArray[np.int64]], count: int) -> MaskedWords:
    """Rows of the masked captions as padded tensors [B, count, ...].

    Args:
        masked: The masked captions.
        rows_per_image: Rows drawn for each image, at most ``count``.
        count: Masked words an image, m.
    """
    images = len(rows_per_image)
    rows = np.concatenate(rows_per_image) if images else np.zeros(0, np.int64)
    slots = np.concatenate([image * count + np.arange(len(rows_)) for image, rows_ in enumerate(rows_per_image)])
    slots = slots.astype(np.int64)
    sentences = masked.sentence_M[rows]
    first = masked.sentence_offsets[sentences]
    lengths = masked.sentence_offsets[sentences + 1] - first
    width = int(lengths.max()) if len(lengths) else 1
    places = np.arange(width)
    present = np.zeros((images * count, width), dtype=bool)
    present[slots] = places < lengths[:, None]
    flat = (first[:, None] + places)[places < lengths[:, None]]

    def padded(values: NDArray[np.generic], dtype: np.dtype[np.generic], *shape: int) -> NDArray[np.generic]:
        out = np.zeros((images * count, width, *shape), dtype=dtype)
        out[present] = values
        return out.reshape(images, count, width, *shape)

    def spread(values: NDArray[np.generic]) -> Tensor:
        out = np.zeros(images * count, dtype=np.int64)
        out[slots] = values
        return torch.from_numpy(out.reshape(images, count))

    # `present` walks slots in order, so rows have to come in slot order too: they do, as slots ascend.
    features = masked.flat_features
    tokens = None
    if features is not None:
        tokens = torch.from_numpy(padded(features[flat], features.dtype, masked.width))
    weight = np.zeros(images * count, dtype=np.float32)
    weight[slots] = 1
    return MaskedWords(
        ids_BmT=torch.from_numpy(padded(masked.flat_ids[flat], np.dtype(np.int64))),
        tokens_BmTD=tokens,
        present_BmT=torch.from_numpy(present.reshape(images, count, width)),
        position_Bm=spread(masked.position_M[rows]),
        target_Bm=spread(masked.target_M[rows]),
        weight_Bm=torch.from_numpy(weight.reshape(images, count)),
    )
