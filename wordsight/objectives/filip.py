"""FILIP (Yao et al. 2021, https://arxiv.org/abs/2111.07783): CLIP's question, answered by cells and tokens.

Each cell of an image is held against the token of a caption that is most like it, each token against the cell that is
(Section 3.1, token-wise maxima). An image chooses among captions by the mean over its cells (Equations 1 and 4), a
caption among images by the mean over its tokens (Equations 2 and 5); the loss is the mean of both (Equation 3). Tokens
that are padding are left out, as in the paper.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional

from wordsight.batching.batch import Batch
from wordsight.objectives.clip import Clip, ClipSettings, contrastive_loss
from wordsight.objectives.gather import gathered
from wordsight.objectives.mean_maxima import mean_maxima
from wordsight.objectives.objective import Facts, Losses, cells_of
from wordsight.objectives.processes import processes
from wordsight.objectives.seen import Seen
from wordsight.objectives.two_towers import matching
from wordsight.vision.backbones import Backbone


@dataclass(frozen=True)
class FilipSettings(ClipSettings):
    """Values of FILIP: those of CLIP, and one more. The text tower's ``pool`` is not read.

    Args:
        special_tokens: Whether [CLS] and [SEP] are tokens of a caption as its words are. Without them a caption that
            has no words keeps its [SEP].
    """

    special_tokens: bool = True


class Filip(Clip):
    """CLIP with a score of all cells and tokens in place of one of two vectors.

    Args:
        backbone: The backbone.
        facts: How captions are tokenised.
        settings: Its values.
    """

    asks = (
        "to tell the captions of a picture from those of other pictures, by what each word and each place is most like"
    )
    reads_tokens = True

    def __init__(self, backbone: Backbone, facts: Facts, settings: FilipSettings) -> None:
        super().__init__(backbone, facts, settings)
        self.special_tokens, self.max_tokens = settings.special_tokens, settings.text_tower.max_tokens

    def embed(self, seen: Seen, batch: Batch) -> dict[str, Tensor]:
        """Unit vectors: ``cells`` ``[B, L, Z]`` and ``tokens`` ``[B, c, T, Z]``, the absent ones last."""
        texts = batch.of(self.texts_kind)
        read = self.text_tower(texts.ids_BcT.flatten(0, 1), texts.present_BcT.flatten(0, 1))
        tokens_nTZ = functional.normalize(self._tokens(read.tokens_BTZ).float(), dim=-1)
        return {
            "cells": functional.normalize(self.embed_grid(seen.grid()).float(), dim=-1),
            "tokens": tokens_nTZ.unflatten(0, texts.weight_Bc.shape),
        }

    def compare(self, embedded: Mapping[str, Tensor], batch: Batch) -> Losses:
        """Gives ``accuracy`` of finding a caption's image among the step's, and ``temperature``."""
        found = matching(batch, self.texts_kind)
        length_n = gathered(self._lengths(batch.of(self.texts_kind).present_BcT)).flatten()
        tokens_BcTZ = embedded["tokens"]
        if processes()[1] > 1:
            # All processes give the same number of tokens; each pads to the longest caption of its own share.
            tokens_BcTZ = functional.pad(tokens_BcTZ, (0, 0, 0, self.max_tokens - tokens_BcTZ.shape[2]))
        length_T = length_n[found.real_n]
        longest = int(length_T.max()) if len(length_T) else 1
        tokens_TSZ = gathered(tokens_BcTZ).flatten(0, 1)[found.real_n, :longest]
        of_cells_BT, of_tokens_BT = mean_maxima(gathered(embedded["cells"]), tokens_TSZ, length_T)
        scale = self.log_scale.exp()
        total = contrastive_loss(scale * of_cells_BT, found, scale * of_tokens_BT, positives=self.positives)
        accuracy = (of_tokens_BT.detach().argmax(0) == found.image_T).float().mean()
        return Losses(total, {"accuracy": accuracy, "temperature": 1 / scale.detach()})

    def embed_texts(self, texts: Sequence[str]) -> Tensor:
        """Texts to embeddings of their tokens ``[B, T, Z]``, zeros where a text has none."""
        read = self.text_tower.read(texts)
        tokens_BTZ, length_B = self._tokens(read.tokens_BTZ), self._lengths(read.present_BT)
        present_BT = torch.arange(tokens_BTZ.shape[1], device=length_B.device)[None] < length_B[:, None]
        return tokens_BTZ * present_BT[..., None]

    def embed_grid(self, grid_BCHW: Tensor) -> Tensor:
        """Grids to embeddings of their cells ``[B, L, Z]``."""
        projected_BLZ: Tensor = self.image_projection(cells_of(grid_BCHW))
        return projected_BLZ

    def _tokens(self, tokens_BTZ: Tensor) -> Tensor:
        """The tokens that count, first those that are present."""
        return tokens_BTZ if self.special_tokens else tokens_BTZ[:, 1:]

    def _lengths(self, present_T: Tensor) -> Tensor:
        """How many tokens of each caption count: without [CLS], which is the first, and [SEP], which is the last."""
        length = present_T.sum(-1)
        return length if self.special_tokens else (length - 2).clamp_min(1)
