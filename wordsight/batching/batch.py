"""The batch: what an objective is given, field by field as it declares to need them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields, replace
from typing import Literal

import torch
from torch import Tensor

Field = Literal["tags", "masked"]


@dataclass(frozen=True)
class Tags:
    """Which concepts of one set hold for which image of the batch, as P pairs.

    Args:
        image_P: Row of the image in the batch.
        concept_P: Number of the concept.
        value_P: 1 for labels, or their weights; the probability for topics.
        drawn_B: One of each image's concepts, drawn for this step; -1 for an image that has none.
        candidates_C: The concepts that the step's loss looks at, ascending, where these are not all: those of the
            images of the whole step, over all processes, and some more.
        log_chance_C: Logarithm of the chance that a step has the candidate for an image that does not hold it.
    """

    image_P: Tensor
    concept_P: Tensor
    value_P: Tensor
    drawn_B: Tensor
    candidates_C: Tensor | None = None
    log_chance_C: Tensor | None = None

    def to(self, device: torch.device) -> Tags:
        """The same on a device."""
        held = {f.name: getattr(self, f.name) for f in fields(self)}
        return replace(self, **{name: t.to(device, non_blocking=True) for name, t in held.items() if t is not None})


@dataclass(frozen=True)
class MaskedWords:
    """m masked captions of every image of the batch.

    Args:
        ids_BmT: Vocabulary ids of the tokens, padded.
        tokens_BmTD: Token features W, padded; None until the language model has run, where they are not cached.
        present_BmT: True where there is a token, False at padding.
        position_Bm: Which token is masked.
        target_Bm: Vocabulary id of the masked word: k of Eq. 7.
        weight_Bm: 1 for a masked word, 0 where an image has fewer than m.
    """

    ids_BmT: Tensor
    tokens_BmTD: Tensor | None
    present_BmT: Tensor
    position_Bm: Tensor
    target_Bm: Tensor
    weight_Bm: Tensor

    def to(self, device: torch.device) -> MaskedWords:
        """The same on a device."""
        held = {f.name: getattr(self, f.name) for f in fields(self)}
        return replace(self, **{name: t.to(device, non_blocking=True) for name, t in held.items() if t is not None})

    def with_tokens(self, tokens_BmTD: Tensor) -> MaskedWords:
        """The same with token features."""
        return replace(self, tokens_BmTD=tokens_BmTD)


@dataclass(frozen=True)
class Batch:
    """One step's images and what an objective needs of their captions.

    Args:
        images_BCHW: Views, uint8 [B, 3, H, W].
        examples_B: Each image's index in its corpus.
        colours_B3: Factors of the colour jitter, where there is one.
        tags: The concepts of each image, by the name of the concept set, for objectives that need ``tags``.
        masked: Masked captions, for objectives that need ``masked``.
    """

    images_BCHW: Tensor
    examples_B: Tensor
    colours_B3: Tensor | None = None
    tags: Mapping[str, Tags] | None = None
    masked: MaskedWords | None = None

    def to(self, device: torch.device) -> Batch:
        """The same on a device."""
        return Batch(
            images_BCHW=self.images_BCHW.to(device, non_blocking=True),
            examples_B=self.examples_B.to(device, non_blocking=True),
            colours_B3=None if self.colours_B3 is None else self.colours_B3.to(device, non_blocking=True),
            tags=None if self.tags is None else {name: tags.to(device) for name, tags in self.tags.items()},
            masked=None if self.masked is None else self.masked.to(device),
        )
