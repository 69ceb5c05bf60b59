"""The batch: one step's images, and what the fields that an objective needs draw of them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, fields, replace
from typing import TYPE_CHECKING, Any, Self, TypeVar

import torch
from torch import Tensor

# A field's file imports this one for its part; the types of the two oldest parts are named here all the same.
if TYPE_CHECKING:
    from wordsight.batching.fields.tags import Tags
    from wordsight.batching.masks import MaskedWords


@dataclass(frozen=True)
class Part:
    """A dataclass of tensors that is moved as one; its values are tensors, other parts, or mappings of these."""

    def to(self, device: torch.device) -> Self:
        """The same on a device."""
        held = {each.name: getattr(self, each.name) for each in fields(self)}
        return replace(self, **{name: _moved(value, device) for name, value in held.items()})


def _moved(value: Any, device: torch.device) -> Any:
    if isinstance(value, Tensor):
        return value.to(device, non_blocking=True)
    if isinstance(value, Part):
        return value.to(device)
    if isinstance(value, Mapping):
        return {name: _moved(one, device) for name, one in value.items()}
    return value


P = TypeVar("P")


@dataclass(frozen=True)
class Batch(Part):
    """One step's images and what an objective needs besides.

    Args:
        images_BCHW: Views, uint8 [B, 3, H, W].
        examples_B: Each image's index in its corpus.
        colours_B3: Factors of the colour jitter, where there is one.
        fields: What each field has drawn, by the field's name: see `wordsight.batching.fields.FIELDS`.
    """

    images_BCHW: Tensor
    examples_B: Tensor
    colours_B3: Tensor | None = None
    fields: Mapping[str, Any] = field(default_factory=dict)

    @property
    def tags(self) -> Mapping[str, Tags] | None:
        """The concepts of each image, by the name of the concept set; None where the objective needs none."""
        return self.fields.get("tags")

    @property
    def masked(self) -> MaskedWords | None:
        """Masked captions; None where the objective needs none."""
        return self.fields.get("masked")

    def of(self, kind: type[P]) -> P:
        """What the field whose parts are of a type has drawn.

        Args:
            kind: The type of the part.

        Raises:
            LookupError: When there is none: the objective's ``needs`` do not name that field.
        """
        for part in self.fields.values():
            if isinstance(part, kind):
                return part
        raise LookupError(f"the batch holds no {kind.__name__}: the objective's needs have to name its field")
