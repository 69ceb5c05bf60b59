"""What every objective is: backbone, heads and loss in one module."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, ClassVar, Literal, TypeVar

import numpy as np
from numpy.typing import NDArray
from torch import Tensor, nn

from wordsight.batching.batch import Batch
from wordsight.batching.fields import Field, FieldFacts
from wordsight.batching.needs import Needs
from wordsight.objectives.seen import Seen
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
        # What is just of the type comes before what is more than that: labelled texts are texts too.
        for one in sorted(self.fields.values(), key=lambda one: type(one) is not kind):
            if isinstance(one, kind):
                return one
        raise LookupError(f"there are no {kind.__name__}: the objective's needs have to name their field")


@dataclass(frozen=True)
class EpochFeatures:
    """Pooled features of the whole training set, extracted before an epoch.

    Args:
        examples_n: The images' indices in the corpus, ascending.
        features_nC: Their grids, average-pooled, float32 on the CPU, by the backbone in evaluation mode.
    """

    examples_n: Tensor
    features_nC: Tensor


@dataclass(frozen=True)
class Losses:
    """What an objective makes of a batch.

    Args:
        total: The loss, a scalar to be minimised.
        parts: Other numbers worth writing down, by name, without gradients: parts of the loss, accuracies, a
            temperature.
    """

    total: Tensor
    parts: Mapping[str, Tensor] = field(default_factory=dict)


@dataclass(frozen=True)
class Plot:
    """How the report draws one of an objective's numbers.

    Args:
        label: What it is called.
        kind: ``loss``, a part of the loss that is drawn beside the whole; ``share``, from 0 to 1, drawn in percent;
            ``value``, anything else, in a chart of its own.
        says: Half a sentence that explains it.
    """

    label: str
    kind: Literal["loss", "share", "value"]
    says: str = ""


@dataclass(frozen=True)
class Chance:
    """The loss of one who only guesses; a loss that stays there has learned nothing of images.

    Args:
        loss: The loss.
        says: How it comes about: "ln 64".
        number: The number of the run's metrics that it is the chance level of; "" for the whole loss.
    """

    loss: float
    says: str
    number: str = ""


class Objective(nn.Module, ABC):
    """Backbone, heads and loss; ``forward`` gives the loss and the numbers worth plotting.

    Args:
        backbone: The network that is trained for what comes after.

    Examples:
        >>> import wordsight
        >>> objective = wordsight.open_run("runs/a").objective()
        >>> type(objective).__name__, objective.asks
        ('AttFc', 'to predict a word hidden in a caption by looking for it in the picture')
    """

    # What it was trained to do, as the report says it: "It was trained ...".
    asks: ClassVar[str] = ""
    # Whether there is anything to train: runs of an objective that learns nothing have no epochs.
    learns: ClassVar[bool] = True
    # Of one that learns nothing in steps, whether it is solved from one look at all images: see `solve`.
    solved: ClassVar[bool] = False
    # Whether its loss is a mean over images, or over what belongs to one of them: then a step can be made in pieces.
    # What compares the images of a batch with each other can't.
    divisible: ClassVar[bool] = False
    # Whether it builds on what its backbone has learned before, so that a run has to begin with weights.
    starts_from_weights: ClassVar[bool] = False
    # What a person should know of it when a run begins, a line each.
    notes: tuple[str, ...] = ()
    # See `default_protocol`.
    protocol: ClassVar[str] = "tags"
    backbone: Backbone

    def __init__(self, backbone: Backbone) -> None:
        super().__init__()
        self.backbone = backbone
        self.register_load_state_dict_pre_hook(_rename)  # type: ignore[no-untyped-call]

    def __getattr__(self, name: str) -> Any:
        # A part of a sum reads the backbone of the sum: it is registered there alone, and may be exchanged there.
        if name == "backbone" and (whole := self.__dict__.get("_whole")) is not None:
            return whole.backbone
        return super().__getattr__(name)

    @classmethod
    def needs(cls, settings: Any) -> Needs:
        """What it reads of every image besides pixels; nothing, for objectives on images alone.

        Args:
            settings: Its settings.
        """
        return Needs()

    @classmethod
    def default_protocol(cls, settings: Any) -> str:
        """The protocol by which it is asked about a corpus where a person names none.

        Args:
            settings: Its settings.
        """
        return cls.protocol

    @classmethod
    def kinds(cls, settings: Any) -> Sequence[type[Objective]]:
        """The classes of it and of its parts: what it will be able to answer, before it is built.

        Args:
            settings: Its settings.
        """
        return (cls,)

    @classmethod
    def plots(cls, settings: Any) -> Mapping[str, Plot]:
        """How the report draws its numbers, by name; ``NAME*`` stands for all that begin so. Of others, a chart each.

        Args:
            settings: Its settings.
        """
        return {}

    @classmethod
    def chance(cls, settings: Any, batch_size: int) -> Chance | None:
        """The loss of guessing without a look at the images, where a formula says it: a run is held against it.

        Args:
            settings: Its settings.
            batch_size: Images in a step, over all processes.
        """
        return None

    @classmethod
    def check_data(
        cls, settings: Any, fields: Mapping[str, Field[Any, Any]], examples: NDArray[np.int64], batch_size: int
    ) -> None:
        """Refuse data that it cannot learn from, before training begins; most objectives find nothing to refuse.

        Args:
            settings: Its settings.
            fields: The fields that it needs, opened, by name.
            examples: The examples that are trained on, by their numbers in the corpus.
            batch_size: Images in a step, over all processes.

        Raises:
            InputError: When it cannot.
        """

    @abstractmethod
    def losses(self, seen: Seen, batch: Batch) -> Losses:
        """The loss of a batch.

        Args:
            seen: The batch's images as the backbone sees them: ``seen.grid()``. The backbone is not called otherwise,
                so that objectives of a sum share its pass.
            batch: The batch, for what the fields have drawn: ``batch.of(KIND)``.
        """

    def forward(self, batch: Batch) -> dict[str, Tensor]:
        """The loss under ``loss``, and the other numbers under their names."""
        losses = self.losses(Seen(self.backbone, batch), batch)
        # Copies: a weight that is written down would be the one after the update.
        return {"loss": losses.total, **{name: value.detach().clone() for name, value in losses.parts.items()}}

    def before_epoch(self, epoch: int, look: Callable[[], EpochFeatures]) -> Sequence[nn.Parameter]:
        """Do what is due before an epoch; nothing, for most. Torch's generator is seeded alike in all processes.

        What a run must find again when it is resumed within the epoch has to be in parameters and buffers.

        Args:
            epoch: Its number, from 0.
            look: Runs the backbone over all training images; all processes have to call it, or none.

        Returns:
            Parameters that were made anew: what the optimiser remembers of them is dropped.
        """
        return ()

    def solve(self, look: Callable[[], EpochFeatures]) -> None:
        """Compute in one go what is learned, of an objective that is `solved`; nothing, for all others.

        Args:
            look: Runs the backbone over all training images.
        """

    def after_update(self, step: int) -> None:
        """Do what is due after the weights were updated (averages of weights, queues); nothing, for most.

        What a run must find again when it is resumed has to be in parameters and buffers.

        Args:
            step: Number of the step, from 0.
        """

    def grid(self, batch: Batch) -> Tensor:
        """The backbone's grid of the batch's images, [B, C, H, W]."""
        return Seen(self.backbone, batch).grid()

    def head_parameters(self) -> Iterator[tuple[str, nn.Parameter]]:
        """Parameters that are not the backbone's, which no evaluation of the backbone will see."""
        return ((name, p) for name, p in self.named_parameters() if not name.startswith("backbone."))

    def inner(self) -> Sequence[Objective]:
        """The objectives that it is the sum of; none, for most."""
        return ()

    def current_name(self, name: str) -> str:
        """The name that a tensor of an earlier version has now.

        Args:
            name: The name that it had, or has.
        """
        return name


K = TypeVar("K")


def parts_of(objective: object, kind: type[K]) -> list[K]:
    """What of an objective can answer: itself or, of a sum, those of its parts that are of a kind.

    Args:
        objective: The objective.
        kind: What it has to be, such as `MaskedWordObjective`, `TagObjective` or `ImageTextObjective`.
    """
    found = [objective] if isinstance(objective, kind) else []
    inner = objective.inner() if isinstance(objective, Objective) else ()
    return [*found, *(part for one in inner for part in parts_of(one, kind))]


def _rename(module: nn.Module, state: dict[str, Any], prefix: str, *_: Any) -> None:
    """Before a module reads its tensors: give those of earlier versions their names of now."""
    assert isinstance(module, Objective)
    for key in [key for key in state if key.startswith(prefix)]:
        name = module.current_name(key.removeprefix(prefix))
        if prefix + name != key:
            state[prefix + name] = state.pop(key)


def cells_of(grid_BCHW: Tensor) -> Tensor:
    """The grid as a list of cells: [B, C, H, W] to [B, L, C]."""
    return grid_BCHW.flatten(2).transpose(1, 2)
