"""Images as a person has them in Python, a PIL image or a tensor, as square views."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image, ImageOps
from torch import Tensor

from wordsight.errors import InputError
from wordsight.vision.crops import Crop
from wordsight.vision.preprocessing import Preprocessing
from wordsight.vision.views import BORDER, cut, frame

AnyImage = Image.Image | Tensor

_EXPECTED = "a PIL image, a tensor [3, H, W] or [B, 3, H, W] (uint8, or floats from 0 to 1), or a list of these"


def as_views(images: AnyImage | Sequence[AnyImage], shown: Preprocessing) -> Tensor:
    """Square views of images.

    Args:
        images: A PIL image, a tensor ``[3, H, W]`` or ``[B, 3, H, W]`` of pixels (uint8 from 0 to 255, or floats from 0
            to 1), or a list of these, whose sizes may differ.
        shown: Their side and framing.

    Returns:
        Pixels from 0 to 255, float32 ``[B, 3, side, side]``; one image is a batch of one.

    Raises:
        InputError: When it is none of these, or its values are no pixels.
    """
    if isinstance(images, Image.Image):
        return _of_picture(images, shown)[None]
    if isinstance(images, Tensor):
        return _of_tensor(images, shown)
    given: object = images
    if not isinstance(given, list | tuple):
        mend = "open it first: PIL.Image.open" if isinstance(given, str | bytes | Path) else None
        raise InputError(f"found {type(given).__name__}", where="preprocess", expected=_EXPECTED, mend=mend)
    if not given:
        raise InputError("no images", where="preprocess", expected=_EXPECTED)
    return torch.cat([as_views(image, shown) for image in given])


def _of_picture(picture: Image.Image, shown: Preprocessing) -> Tensor:
    """A picture as evaluation sees it: upright as its camera says, on white where it is transparent."""
    if picture.mode.startswith(("I", "F")):
        raise InputError(
            f"the picture has pixels of mode {picture.mode!r}",
            where="preprocess",
            expected="8 bits a colour",
            mend="scale them to floats from 0 to 1, and give them as a tensor [3, H, W]",
        )
    upright = ImageOps.exif_transpose(picture)
    if upright.has_transparency_data:
        layered = upright.convert("RGBA")
        upright = Image.alpha_composite(Image.new("RGBA", layered.size, (255, 255, 255, 255)), layered)
    colours = upright.convert("RGB")
    view = cut(colours, frame(*colours.size, 1.0, shown.framing), shown.side)
    return torch.from_numpy(view.copy()).permute(2, 0, 1).float()


def _of_tensor(images: Tensor, shown: Preprocessing) -> Tensor:
    batch = images[None] if images.ndim == 3 else images
    if batch.ndim != 4 or batch.shape[1] != 3 or 0 in batch.shape:
        raise InputError(f"found a tensor {list(images.shape)}", where="preprocess", expected=_EXPECTED)
    pixels = batch.detach().cpu()
    if pixels.dtype == torch.uint8:
        arrays = pixels.permute(0, 2, 3, 1).numpy()
        return torch.stack([_of_picture(Image.fromarray(np.ascontiguousarray(each)), shown) for each in arrays])
    if not pixels.is_floating_point():
        raise InputError(f"found a tensor of {pixels.dtype}", where="preprocess", expected=_EXPECTED)
    low, high = float(pixels.min()), float(pixels.max())
    # Rounding may leave a pixel a little beyond; NaN compares as neither.
    if not (low >= -1e-3 and high <= 1 + 1e-3):
        raise InputError(
            f"found values from {low:.3g} to {high:.3g}",
            where="preprocess",
            expected="pixels from 0 to 1, or uint8 from 0 to 255",
            mend="what is normalised already goes into the backbone as it is",
        )
    crop = frame(pixels.shape[3], pixels.shape[2], 1.0, shown.framing)
    return torch.stack([_of_floats(255 * each.float(), crop, shown.side) for each in pixels])


def _of_floats(pixels_CHW: Tensor, crop: Crop, side: int) -> Tensor:
    """The same view of float pixels, colour by colour: scaled by the same filter, without rounding to whole numbers."""
    views: list[NDArray[np.float32]] = [
        cut(Image.fromarray(plane.numpy()), crop, side, border)
        for plane, border in zip(pixels_CHW, BORDER, strict=True)
    ]
    return torch.from_numpy(np.stack(views))
