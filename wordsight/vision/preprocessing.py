"""What a network is to be shown: the side of its images, the mean and spread of their pixels, how they are framed."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, get_args

from wordsight.errors import InputError, unknown

# Mean and spread of ImageNet's pixels: what most published weights expect, and near enough to zero mean and unit spread
# for any photographs.
MEAN = (0.485, 0.456, 0.406)
STD = (0.229, 0.224, 0.225)

# How an image that is not square becomes one: by its centre alone, whole and distorted, or whole with borders.
Framing = Literal["crop", "squash", "pad"]
# Whose mean and spread pixels are normalised by: ImageNet's, or those that published weights were trained with.
Pixels = Literal["auto", "imagenet", "published"]


@dataclass(frozen=True)
class Preprocessing:
    """How an image becomes what a network reads.

    Args:
        side: Side of the square view, in pixels.
        mean: Mean of each colour that is subtracted, of pixels from 0 to 1.
        std: Spread of each colour that is divided by.
        framing: ``crop``: the centre square. ``squash``: the whole image, scaled to a square. ``pad``: the whole image
            with borders of ImageNet's mean colour.

    Examples:
        >>> from dataclasses import replace
        >>> replace(Preprocessing(), side=64, framing="pad")
        Preprocessing(side=64, mean=(0.485, 0.456, 0.406), std=(0.229, 0.224, 0.225), framing='pad')
    """

    side: int = 224
    mean: tuple[float, ...] = MEAN
    std: tuple[float, ...] = STD
    framing: Framing = "crop"

    def __post_init__(self) -> None:
        if self.side < 1:
            raise InputError(f"side is {self.side}", where="preprocessing", expected="1 pixel or more")
        if self.framing not in get_args(Framing):
            raise unknown("framing", str(self.framing), get_args(Framing))
        if len(self.mean) != 3 or len(self.std) != 3 or min(self.std) <= 0:
            raise InputError(
                f"mean is {self.mean} and std {self.std}",
                where="preprocessing",
                expected="a mean and a spread above 0 of each of three colours",
            )

    @property
    def usual(self) -> bool:
        """Whether pixels are normalised by ImageNet's mean and spread."""
        return tuple(self.mean) == MEAN and tuple(self.std) == STD
