"""Views: the augmented image that training sees, and the plain one that evaluation sees.

A view is cut and scaled while it is decoded, one image at a time, as 8-bit integers; what can be done to a whole batch
(colour, normalisation) is done on the training device by :func:`prepare`.
"""

from __future__ import annotations

import io
import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor, nn

from wordsight.ranges import AspectRatio, Probability, Share, ShareBelowOne, check_ranges

# Mean and spread of ImageNet's pixels: what published weights expect, and near enough to zero mean and unit spread for
# any photographs.
MEAN = (0.485, 0.456, 0.406)
STD = (0.229, 0.224, 0.225)


@dataclass(frozen=True)
class ViewSettings:
    """How a training view is cut and coloured.

    Args:
        crop_scale: The smallest share of the image's area that a random crop keeps; 1 keeps the whole image.
        crop_ratio: Widest aspect ratio of a crop relative to the view's; its inverse is the narrowest.
        flip: Probability of a horizontal flip. 0 where captions say left and right.
        jitter: Largest relative change of brightness, contrast and saturation; 0 turns colour jitter off.
    """

    crop_scale: Share = 0.4
    crop_ratio: AspectRatio = 4 / 3
    flip: Probability = 0.5
    jitter: ShareBelowOne = 0.0

    def __post_init__(self) -> None:
        check_ranges(self, "view")


class Crop(NamedTuple):
    """A rectangle of an image, in its pixels: left, top, right, bottom."""

    left: float
    top: float
    right: float
    bottom: float


def decode(encoded: bytes | memoryview, least_side: int | None = None) -> Image.Image:
    """Decode an image to RGB.

    Args:
        encoded: The encoded image.
        least_side: Where given, a JPEG may be decoded at a half, quarter or eighth of its size as long as its shorter
            side stays at least this long (libjpeg's scaled decode: several times quicker).
    """
    image: Image.Image = Image.open(io.BytesIO(encoded))
    if least_side is not None and image.format == "JPEG":
        width, height = image.size
        scale = least_side / min(width, height)
        image.draft("RGB", (math.ceil(width * scale), math.ceil(height * scale)))
    return image.convert("RGB") if image.mode != "RGB" else image


def random_crop(width: int, height: int, settings: ViewSettings, random: np.random.Generator) -> Crop:
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
    """The square in the middle of an image whose side is ``share`` of the shorter side."""
    side = min(width, height) * share
    return Crop((width - side) / 2, (height - side) / 2, (width + side) / 2, (height + side) / 2)


def _cut(image: Image.Image, crop: Crop, size: int) -> NDArray[np.uint8]:
    # One call cuts, scales and filters against aliasing; reducing_gap is off as the store is near the view's size.
    view = image.resize((size, size), Image.Resampling.BILINEAR, box=crop)
    return np.asarray(view)


def train_view(
    encoded: bytes | memoryview, size: int, settings: ViewSettings, random: np.random.Generator
) -> NDArray[np.uint8]:
    """A random view of an image.

    Args:
        encoded: The encoded image.
        size: Side of the view in pixels.
        settings: How it is cut.
        random: Where chance comes from; the same generator state gives the same view.

    Returns:
        Pixels, uint8 [size, size, 3].
    """
    # The smallest crop still has to cover the view without being magnified.
    image = decode(encoded, least_side=math.ceil(size / math.sqrt(settings.crop_scale)))
    pixels = _cut(image, random_crop(*image.size, settings, random), size)
    return pixels[:, ::-1] if random.random() < settings.flip else pixels


def eval_view(encoded: bytes | memoryview, size: int, crop_share: float = 1.0) -> NDArray[np.uint8]:
    """The view that evaluation sees: the centre square, scaled.

    Args:
        encoded: The encoded image.
        size: Side of the view in pixels.
        crop_share: Side of the square as a share of the image's shorter side (0.875 is the classic 224 of 256).

    Returns:
        Pixels, uint8 [size, size, 3].
    """
    image = decode(encoded, least_side=math.ceil(size / crop_share))
    return _cut(image, centre_crop(*image.size, crop_share), size)


def eval_view_crop(width: int, height: int, crop_share: float = 1.0) -> Crop:
    """Where :func:`eval_view` looks, as fractions of the image's width and height."""
    crop = centre_crop(width, height, crop_share)
    return Crop(crop.left / width, crop.top / height, crop.right / width, crop.bottom / height)


def stack(views: Sequence[NDArray[np.uint8]]) -> Tensor:
    """Views [size, size, 3] as one tensor uint8 [B, 3, H, W] in channels-last memory order."""
    return torch.from_numpy(np.stack(views)).permute(0, 3, 1, 2)


def draw_colours(count: int, jitter: float, random: np.random.Generator) -> Tensor | None:
    """Factors of brightness, contrast and saturation, float32 [count, 3]; None where there is no jitter."""
    if jitter == 0:
        return None
    return torch.from_numpy(random.uniform(1 - jitter, 1 + jitter, size=(count, 3)).astype(np.float32))


def prepare(images_BCHW: Tensor, colours_B3: Tensor | None = None) -> Tensor:
    """Pixels to what a backbone reads: float, coloured, normalised, channels last.

    Args:
        images_BCHW: Pixels, uint8 [B, 3, H, W].
        colours_B3: Factors from :func:`draw_colours`.

    Returns:
        float32 [B, 3, H, W].
    """
    pixels = images_BCHW.float()
    if colours_B3 is not None:
        brightness, contrast, saturation = colours_B3[:, :, None, None, None].unbind(1)
        pixels = pixels * brightness
        pixels = torch.lerp(_grey(pixels).mean((2, 3), keepdim=True), pixels, contrast)
        pixels = torch.lerp(_grey(pixels), pixels, saturation).clamp(0, 255)
    mean = torch.tensor(MEAN, device=pixels.device).view(1, 3, 1, 1) * 255
    std = torch.tensor(STD, device=pixels.device).view(1, 3, 1, 1) * 255
    return ((pixels - mean) / std).contiguous(memory_format=torch.channels_last)


def see_as(network: nn.Module, mean: Sequence[float], std: Sequence[float]) -> None:
    """Let a network trained on pixels of another mean and spread see what :func:`prepare` gives as it did then.

    Args:
        network: The network; it takes images as its first argument.
        mean: Mean of each colour, of pixels from 0 to 1, that its images were normalised by.
        std: Spread of each colour.
    """
    if tuple(mean) == MEAN and tuple(std) == STD:
        return

    def renormalise(module: nn.Module, inputs: tuple[Tensor, ...]) -> tuple[Tensor, ...]:
        images_BCHW = inputs[0]
        own, other = (
            [torch.tensor(values, device=images_BCHW.device).view(1, 3, 1, 1) for values in pair]
            for pair in ((MEAN, STD), (mean, std))
        )
        return ((images_BCHW * own[1] + own[0] - other[0]) / other[1], *inputs[1:])

    network.register_forward_pre_hook(renormalise)


def _grey(pixels_BCHW: Tensor) -> Tensor:
    weights = torch.tensor([0.299, 0.587, 0.114], device=pixels_BCHW.device).view(1, 3, 1, 1)
    return (pixels_BCHW * weights).sum(1, keepdim=True)
