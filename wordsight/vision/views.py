"""Views: the augmented image that training sees, and the plain one that evaluation sees.

A view is cut and scaled while it is decoded, one image at a time, as 8-bit integers; what can be done to a whole batch
(colour, normalisation) is done on the training device by :func:`prepare`.
"""

from __future__ import annotations

import io
import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple, Protocol

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor

from wordsight.ranges import AspectRatio, BlurSigma, Fraction, HueTurn, Probability, UnitFromZero, check_ranges
from wordsight.vision.colours import LEAST_SIGMA, coloured, draw_colours
from wordsight.vision.crops import Crop
from wordsight.vision.preprocessing import MEAN, STD, Framing

# What stands around an image that is padded to a square: ImageNet's mean colour, which most networks see as zero.
BORDER = (124, 116, 104)


@dataclass(frozen=True)
class CutSettings:
    """How a view is cut, mirrored and jittered at random: what classifiers on a backbone learn from.

    Args:
        crop_scale: The smallest share of the image's area that a random crop keeps; 1 keeps the whole image.
        crop_ratio: Widest aspect ratio of a crop relative to the view's; its inverse is the narrowest.
        flip: Probability of a horizontal flip.
        jitter: Largest relative change of brightness, contrast and saturation; 0 turns colour jitter off.
    """

    crop_scale: Fraction = 0.4
    crop_ratio: AspectRatio = 4 / 3
    flip: Probability = 0.5
    jitter: UnitFromZero = 0.0

    def __post_init__(self) -> None:
        check_ranges(self, "view")

    def colours(self, count: int, random: np.random.Generator) -> Tensor | None:
        """Draw how the colours of some views are changed, for :func:`prepare`; None where they stay.

        Args:
            count: How many views.
            random: Where chance comes from.
        """
        return draw_colours(count, self.jitter, random)


@dataclass(frozen=True)
class ViewSettings(CutSettings):
    """How a view is cut and coloured in training.

    Args:
        crop_scale: The smallest share of the image's area that a random crop keeps; 1 keeps the whole image.
        crop_ratio: Widest aspect ratio of a crop relative to the view's; its inverse is the narrowest.
        flip: Probability of a horizontal flip. English captions that say left or right follow it; where they can't
            (masked words, concepts such as ``left``), the views of their images are not mirrored.
        jitter: Largest relative change of brightness, contrast and saturation; 0 turns colour jitter off.
        hue: Largest turn of the hue, as a share of the colour circle.
        jitter_probability: Probability that a view's brightness, contrast, saturation and hue change at all.
        grey: Probability that a view loses its colours.
        blur: Probability that a view is blurred.
        blur_sigma: Largest standard deviation of the blur in pixels; the smallest is 0.1.
    """

    hue: HueTurn = 0.0
    jitter_probability: Probability = 1.0
    grey: Probability = 0.0
    blur: Probability = 0.0
    blur_sigma: BlurSigma = 2.0

    def colours(self, count: int, random: np.random.Generator) -> Tensor | None:
        """As before; with hue, grey or blur all of `COLUMNS`."""
        if not (self.hue or self.grey or self.blur) and self.jitter_probability == 1:
            return draw_colours(count, self.jitter, random)
        factors_B3 = random.uniform(1 - self.jitter, 1 + self.jitter, size=(count, 3))
        hue_B = random.uniform(-self.hue, self.hue, size=count)
        jittered_B, grey_B, blurred_B = random.random((3, count)) < [
            [self.jitter_probability],
            [self.grey],
            [self.blur],
        ]
        sigma_B = np.where(blurred_B, random.uniform(LEAST_SIGMA, self.blur_sigma, size=count), 0)
        factors_B3[~jittered_B], hue_B[~jittered_B] = 1, 0
        return torch.from_numpy(np.column_stack([factors_B3, hue_B, grey_B, sigma_B]).astype(np.float32))


class View(NamedTuple):
    """A view of an image, and what it shows.

    Args:
        pixels: uint8 [size, size, 3].
        crop: What of the image is in it, as fractions of the image's width and height, before it is mirrored.
        flipped: Whether it is mirrored: what was left in the image is right in the view.
    """

    pixels: NDArray[np.uint8]
    crop: Crop
    flipped: bool


class SelfDecoding(Protocol):
    """An image that knows how it is to be decoded."""

    def decode(self, least_side: int | None) -> Image.Image:
        """Upright and RGB; ``least_side`` as in :func:`decode`."""


# Bytes are of an image that was checked: upright, RGB or grey, without transparency.
Encoded = bytes | memoryview | SelfDecoding


def decode(encoded: Encoded, least_side: int | None = None) -> Image.Image:
    """Decode an image to RGB.

    Args:
        encoded: The encoded image.
        least_side: Where given, a JPEG may be decoded at a half, quarter or eighth of its size as long as its shorter
            side stays at least this long (libjpeg's scaled decode: several times quicker).
    """
    if not isinstance(encoded, bytes | memoryview):
        return encoded.decode(least_side)
    image: Image.Image = Image.open(io.BytesIO(encoded))
    if least_side is not None and image.format == "JPEG":
        draft(image, least_side)
    return image.convert("RGB") if image.mode != "RGB" else image


def draft(opened: Image.Image, least_side: int) -> None:
    """Let an opened JPEG be decoded at a smaller scale, with its shorter side no shorter than ``least_side``."""
    width, height = opened.size
    scale = least_side / min(width, height)
    opened.draft("RGB", (math.ceil(width * scale), math.ceil(height * scale)))


def random_crop(width: int, height: int, settings: CutSettings, random: np.random.Generator) -> Crop:
    """Draw a crop: area uniform in [crop_scale, 1], aspect log-uniform, place uniform (Szegedy et al. 2015)."""
    if settings.crop_scale == 1:
        return Crop(0, 0, width, height)
    for _ in range(10):
        area = width * height * random.uniform(settings.crop_scale, 1)
        ratio = math.exp(random.uniform(-1, 1) * math.log(settings.crop_ratio))
        across, down = math.sqrt(area * ratio), math.sqrt(area / ratio)
        if across <= width and down <= height:
            left, top = random.uniform(0, width - across), random.uniform(0, height - down)
            return Crop(left, top, left + across, top + down)
    side = min(width, height)
    left, top = random.uniform(0, width - side), random.uniform(0, height - side)
    return Crop(left, top, left + side, top + side)


def centre_crop(width: int, height: int, share: float) -> Crop:
    """The square in the middle of an image whose side is ``share`` of the shorter side.

    Examples:
        >>> centre_crop(640, 480, share=1.0)
        Crop(left=80.0, top=0.0, right=560.0, bottom=480.0)
    """
    side = min(width, height) * share
    return Crop((width - side) / 2, (height - side) / 2, (width + side) / 2, (height + side) / 2)


def frame(width: int, height: int, share: float, framing: Framing) -> Crop:
    """What of an image a square view shows.

    Args:
        width: Of the image, in pixels.
        height: Of the image, in pixels.
        share: Side of the view as a share: with ``crop`` of the image's shorter side, with ``squash`` of both of its
            sides, with ``pad`` of its longer side; 1 with either of these shows all of it.
        framing: How an image that is not square becomes one.
    """
    if framing == "crop":
        return centre_crop(width, height, share)
    longer = max(width, height)
    across, down = (longer * share, longer * share) if framing == "pad" else (width * share, height * share)
    return Crop((width - across) / 2, (height - down) / 2, (width + across) / 2, (height + down) / 2)


def cut(image: Image.Image, crop: Crop, size: int, border: int | tuple[int, int, int] = BORDER) -> NDArray[Any]:
    """A rectangle of an image as a square view.

    Args:
        image: The image, RGB, or one colour of it as floats.
        crop: The rectangle; where it goes beyond the image, the view has borders.
        size: Side of the view in pixels.
        border: Colour of the borders.

    Returns:
        Pixels, uint8 [size, size, 3], or float32 [size, size] of one colour.
    """
    inside = Crop(max(crop.left, 0), max(crop.top, 0), min(crop.right, image.width), min(crop.bottom, image.height))
    if inside == crop:
        # One call cuts, scales and filters against aliasing; reducing_gap is off as the store is near the view's size.
        return np.asarray(image.resize((size, size), Image.Resampling.BILINEAR, box=crop))
    scale_x, scale_y = size / (crop.right - crop.left), size / (crop.bottom - crop.top)
    left, top = round((inside.left - crop.left) * scale_x), round((inside.top - crop.top) * scale_y)
    right, bottom = round((inside.right - crop.left) * scale_x), round((inside.bottom - crop.top) * scale_y)
    # Of an image that is a line, a row of pixels is left.
    shown = (max(1, right - left), max(1, bottom - top))
    view = Image.new(image.mode, (size, size), border)
    view.paste(image.resize(shown, Image.Resampling.BILINEAR, box=inside), (min(left, size - 1), min(top, size - 1)))
    return np.asarray(view)


def train_view(
    encoded: Encoded,
    size: int,
    settings: CutSettings,
    random: np.random.Generator,
    mirrored: bool | None = None,
) -> View:
    """A random view of an image.

    Args:
        encoded: The encoded image.
        size: Side of the view in pixels.
        settings: How it is cut.
        random: Where chance comes from; the same generator state gives the same view.
        mirrored: Whether it is mirrored; None for chance.
    """
    # The smallest crop still has to cover the view without being magnified.
    image = decode(encoded, least_side=math.ceil(size / math.sqrt(settings.crop_scale)))
    crop = random_crop(*image.size, settings, random)
    pixels = cut(image, crop, size)
    flipped = bool(random.random() < settings.flip) if mirrored is None else mirrored
    return View(pixels[:, ::-1] if flipped else pixels, crop.fractions(*image.size), flipped)


def eval_view(encoded: Encoded, size: int, crop_share: float = 1.0, framing: Framing = "crop") -> NDArray[np.uint8]:
    """The view that evaluation sees: the centre square, or the whole image, scaled.

    Args:
        encoded: The encoded image.
        size: Side of the view in pixels.
        crop_share: Side of the square as a share of the image's shorter side (0.875 is the classic 224 of 256); with
            another framing see :func:`frame`.
        framing: How an image that is not square becomes one.

    Returns:
        Pixels, uint8 [size, size, 3].

    Examples:
        >>> from pathlib import Path
        >>> eval_view(Path("photos/red-circle-0.png").read_bytes(), 32).shape
        (32, 32, 3)
    """
    image = decode(encoded, least_side=math.ceil(size / crop_share))
    return cut(image, frame(*image.size, crop_share, framing), size)


def eval_view_crop(width: int, height: int, crop_share: float = 1.0, framing: Framing = "crop") -> Crop:
    """Where :func:`eval_view` looks, as fractions of the image's width and height; below 0 and above 1 is border."""
    return frame(width, height, crop_share, framing).fractions(width, height)


def stack(views: Sequence[NDArray[np.uint8]]) -> Tensor:
    """Views [size, size, 3] as one tensor uint8 [B, 3, H, W] in channels-last memory order."""
    return torch.from_numpy(np.stack(views)).permute(0, 3, 1, 2)


def prepare(
    images_BCHW: Tensor,
    colours_BF: Tensor | None = None,
    mean: Sequence[float] = MEAN,
    std: Sequence[float] = STD,
) -> Tensor:
    """Pixels to what a backbone reads: float, coloured, normalised, channels last.

    A backbone knows its own mean and spread: :meth:`~wordsight.vision.backbone.Backbone.prepare`.

    Args:
        images_BCHW: Pixels from 0 to 255, uint8 or float [B, 3, H, W].
        colours_BF: What :meth:`CutSettings.colours` drew.
        mean: Mean of each colour, of pixels from 0 to 1.
        std: Spread of each colour.

    Returns:
        float32 [B, 3, H, W].
    """
    pixels = images_BCHW.float()
    if colours_BF is not None:
        pixels = coloured(pixels, colours_BF)
    means, stds = (torch.tensor(values, device=pixels.device).view(1, 3, 1, 1) * 255 for values in (mean, std))
    return ((pixels - means) / stds).contiguous(memory_format=torch.channels_last)
