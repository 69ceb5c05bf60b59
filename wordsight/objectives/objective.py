"""What every objective is: backbone, heads and loss in one module."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, ClassVar, TypeVar

import torch
import torch.distributed as dist
from torch import Tensor, nn

from wordsight.batching.batch import Batch
from wordsight.batching.fields import FieldFacts
from wordsight.batching.masks import MaskedWords
from wordsight.batching.needs import Needs
from wordsight.vision.backbones import Backbone

F = TypeVar("F", bound=FieldFacts)


@dataclass(frozen=True)
class Facts:
    """What an objective has to know of its data to be built.

    Args:
        fields: What it has to know of each field that it needs, by the field's name.
        images: How many images are trained on.
    """

    fields: Mapping[str, FieldFacts] = field(default_factory=dict)
    images: int = 0

    def of(self, kind: type[F]) -> F:
        """The facts of the field whose facts are of a type.

        Args:
            kind: The type.

        Raises:
            LookupError: When there are none: the objective's ``needs`` do not name that field.
        """
        for one in self.fields.values():
            if isinstance(one, kind):
                return one
        raise LookupError(f"there are no {kind.__name__}: the objective's needs have to name their field")


@dataclass(frozen=True)
class Look:
    """All training images as the backbone sees them now.

    Args:
        examples_n: Their indices in the corpus, ascending.
        features_nC: Their grids, average-pooled, float32 on the CPU, by the backbone in evaluation mode.
    """

    examples_n: Tensor
    features_nC: Tensor


@dataclass(frozen=True)
class MaskedPrediction:
    """What an objective on masked words says of each masked word.

    Args:
        logits_BmV: Scores of the candidates (all of the vocabulary, or the maskable words).
        attention_BmL: Where it looked, over the grid's L cells, each row summing to one.
        grid: Rows and columns of the grid.
    """

    logits_BmV: Tensor
    attention_BmL: Tensor
    grid: tuple[int, int]


class Objective(nn.Module, ABC):
    """Backbone, heads and loss; ``forward`` gives the loss and the parts of it worth plotting.

    Args:
        backbone: The network that is trained for what comes after.
    """

    # What it was trained to do, as the report says it: "It was trained ...".
    asks: ClassVar[str] = ""
    # Whether there is anything to train: runs of an objective that learns nothing have no epochs.
    learns: ClassVar[bool] = True

    def __init__(self, backbone: Backbone) -> None:
        super().__init__()
        self.backbone = backbone

    @classmethod
    def needs(cls, settings: Any) -> Needs:
        """What it reads of every image besides pixels; nothing, for objectives on images alone.

        Args:
            settings: Its settings.
        """
        return Needs()

    @abstractmethod
    def forward(self, batch: Batch) -> dict[str, Tensor]:
        """The loss under ``loss``, a scalar to be minimised, and its parts under their own names."""

    def before_epoch(self, epoch: int, look: Callable[[], Look]) -> Sequence[nn.Parameter]:
        """Do what is due before an epoch; nothing, for most. Torch's generator is seeded alike in all processes.

        What a run must find again when it is resumed within the epoch has to be in parameters and buffers.

        Args:
            epoch: Its number, from 0.
            look: Runs the backbone over all training images; all processes have to call it, or none.

        Returns:
            Parameters that were made anew: what the optimiser remembers of them is dropped.
        """
        return ()

    def grid(self, batch: Batch) -> Tensor:
        """The backbone's grid of the batch's images, [B, C, H, W]."""
        grid: Tensor = self.backbone(self.backbone.prepare(batch.images_BCHW, batch.colours_B3))
        return grid

    def head_parameters(self) -> Iterator[tuple[str, nn.Parameter]]:
        """Parameters that are not the backbone's, which no evaluation of the backbone will see."""
        return ((name, p) for name, p in self.named_parameters() if not name.startswith("backbone."))


class MaskedWordObjective(Objective):
    """An objective that predicts masked words, and so can be asked for them and for where it looks."""

    @abstractmethod
    def predict_masked(self, grid_BCHW: Tensor, words: MaskedWords) -> MaskedPrediction:
        """Predict the masked words of images whose grid is at hand."""

    @property
    @abstractmethod
    def candidates(self) -> Tensor:
        """Vocabulary ids that the columns of the logits stand for."""


def cells_of(grid_BCHW: Tensor) -> Tensor:
    """The grid as a list of cells: [B, C, H, W] to [B, L, C]."""
    return grid_BCHW.flatten(2).transpose(1, 2)


def share_of_mean(count: int | Tensor, device: torch.device) -> Tensor | float:
    """What a process's mean over its own items must be multiplied by, so that the mean over processes is over items.

    Gradients are averaged over processes. With n_r items in process r of R, weighting its mean by R n_r / sum n makes
    the average the mean over all items. One process has a share of one.

    Args:
        count: Items in this process.
        device: Where to count.
    """
    if not (dist.is_available() and dist.is_initialized()) or dist.get_world_size() == 1:
        return 1.0
    total = torch.as_tensor(count, dtype=torch.float32, device=device).clone()
    dist.all_reduce(total)
    return count * dist.get_world_size() / total.clamp_min(1)
