"""Objectives that compare the images of a batch with each other, as contrast does: first embedded, then compared.

The two halves are apart so that a step can be made in pieces all the same: pieces are embedded one after another, what
is compared is the whole step (gradient caching: Gao et al. 2021, https://arxiv.org/abs/2101.06983).
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping

import torch
from torch import Tensor

from wordsight.batching.batch import Batch
from wordsight.device import autocast
from wordsight.objectives.objective import Losses, Objective
from wordsight.objectives.seen import Seen


class ComparingObjective(Objective):
    """An objective whose loss is one of embeddings: `embed` makes them of some images, `compare` needs them all."""

    @abstractmethod
    def embed(self, seen: Seen, batch: Batch) -> dict[str, Tensor]:
        """What is compared of some of this process's images: all that gradients of the loss flow through.

        Args:
            seen: These images as the backbone sees them.
            batch: What the fields have drawn of them.

        Returns:
            By name; the first axis of each is the images.
        """

    @abstractmethod
    def compare(self, embedded: Mapping[str, Tensor], batch: Batch) -> Losses:
        """The loss of the whole step, over all processes; each of them computes all of it, in float32.

        Args:
            embedded: What `embed` gave of this process's images; `gathered` adds those of the others.
            batch: What the fields have drawn of this process's images.
        """

    def compared(self, embedded: Mapping[str, Tensor], batch: Batch) -> Losses:
        """`compare` in float32: similarities are multiplied by large numbers, which bfloat16 is too coarse for.

        Args:
            embedded: As :meth:`compare`.
            batch: As :meth:`compare`.
        """
        with autocast(batch.examples_B.device, torch.float32):
            return self.compare(embedded, batch)

    def losses(self, seen: Seen, batch: Batch) -> Losses:
        """The loss of a batch that is embedded at once."""
        return self.compared(self.embed(seen, batch), batch)
