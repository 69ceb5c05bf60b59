"""The batch: one step's images, and what the fields that an objective needs draw of them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields, replace
from typing import TYPE_CHECKING, Any, Self, TypeVar

import torch
from torch import Tensor

from wordsight.vision.crops import WHOLE

# A field's file imports this one for its part; the types of the two oldest parts are named here all the same.
if TYPE_CHECKING:
    from wordsight.batching.fields.tags import Tags
    from wordsight.batching.masks import MaskedWords


@dataclass(frozen=True)
class Part:
    """A dataclass of tensors that is moved as one; values are tensors, other parts, or mappings or tuples of these."""

    def to(self, device: torch.device) -> Self:
        """The same on a device."""
        held = {each.name: getattr(self, each.name) for each in fields(self)}
        return replace(self, **{name: _moved(value, device) for name, value in held.items()})

    def split(self, parts: int) -> list[Self]:
        """The same of the first images, of the next ones, and so on: every tensor is cut along its first axis.

        A part of which objectives take a mean over something else than images says how many of these a piece has on
        average (``mean_count``), so that each of them counts as in the whole.

        Args:
            parts: How many, of equal size.
        """
        held = {each.name: _split(getattr(self, each.name), parts) for each in fields(self)}
        return [replace(self, **{name: values[part] for name, values in held.items()}) for part in range(parts)]


def _split(value: Any, parts: int) -> list[Any]:
    if isinstance(value, Tensor):
        return list(value.chunk(parts))
    if isinstance(value, Part):
        return value.split(parts)
    if isinstance(value, Mapping):
        of_names = {name: _split(one, parts) for name, one in value.items()}
        return [{name: values[part] for name, values in of_names.items()} for part in range(parts)]
    if isinstance(value, tuple):
        return list(zip(*(_split(one, parts) for one in value), strict=True))
    return [value] * parts


def _moved(value: Any, device: torch.device) -> Any:
    if isinstance(value, Tensor):
        return value.to(device, non_blocking=True)
    if isinstance(value, Part):
        return value.to(device)
    if isinstance(value, Mapping):
        return {name: _moved(one, device) for name, one in value.items()}
    if isinstance(value, tuple):
        return tuple(_moved(one, device) for one in value)
    return value


P = TypeVar("P")


@dataclass(frozen=True)
class Views(Part):
    """One view of each image of the batch, and what it shows.

    Args:
        images_BCHW: Pixels, uint8 [B, 3, H, W].
        crop_B4: What of each image is in its view: left, top, right and bottom as fractions of the image's width and
            height, before it is mirrored. Pixels that an objective has turned have the crop of those it turned.
        flipped_B: Whether the view is mirrored: what was left in the image is right in it, bool [B].
        colours_BF: How the colours of each are changed, where they are: `wordsight.vision.colours.COLUMNS`.
    """

    images_BCHW: Tensor
    crop_B4: Tensor
    flipped_B: Tensor
    colours_BF: Tensor | None = None

    @classmethod
    def whole(cls, images_BCHW: Tensor, colours_BF: Tensor | None = None) -> Views:
        """Pixels that show all of their images as they are.

        Args:
            images_BCHW: The pixels.
            colours_BF: How the colours of each are changed.
        """
        count, device = len(images_BCHW), images_BCHW.device
        crop_B4 = torch.tensor(WHOLE, device=device).expand(count, 4)
        return cls(images_BCHW, crop_B4, torch.zeros(count, dtype=torch.bool, device=device), colours_BF)


@dataclass(frozen=True)
class Batch(Part):
    """One step's images and what an objective needs besides.

    Args:
        views: The views of each image, as many as the objective needs; one for most.
        examples_B: Each image's index in its corpus.
        fields: What each field has drawn, by the field's name: see `wordsight.batching.fields.FIELDS`.
    """

    views: tuple[Views, ...]
    examples_B: Tensor
    fields: Mapping[str, Any] = field(default_factory=dict)

    @classmethod
    def of_images(
        cls,
        images_BCHW: Tensor,
        examples_B: Tensor,
        colours_BF: Tensor | None = None,
        fields: Mapping[str, Any] | None = None,
    ) -> Batch:
        """A batch of one view, which shows all of each image.

        Args:
            images_BCHW: Pixels, uint8 [B, 3, H, W].
            examples_B: Each image's index in its corpus.
            colours_BF: How the colours of each are changed.
            fields: What each field has drawn.
        """
        return cls((Views.whole(images_BCHW, colours_BF),), examples_B, dict(fields or {}))

    def showing(self, views: Sequence[int]) -> Batch:
        """The same batch with some of its views, counted anew.

        Args:
            views: Their numbers, in the order in which they are counted from now on.
        """
        return replace(self, views=tuple(self.views[number] for number in views))

    @property
    def images_BCHW(self) -> Tensor:
        """The pixels of the first view."""
        return self.views[0].images_BCHW

    @property
    def colours_BF(self) -> Tensor | None:
        """How the colours of the first view are changed."""
        return self.views[0].colours_BF

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
        # What is just of the type comes before what is more than that: labelled texts are texts too.
        for part in sorted(self.fields.values(), key=lambda part: type(part) is not kind):
            if isinstance(part, kind):
                return part
        raise LookupError(f"the batch holds no {kind.__name__}: the objective's needs have to name its field")
