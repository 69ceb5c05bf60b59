"""Attention drawn as heat over a photo: the photo in grey, and colour where the network looked.

The photo loses its colours below the heat, so that no red bus is taken for attention. The heat runs through
matplotlib's ``inferno``, whose lightness rises evenly: it reads the same for colour-blind people and in a grey print.
"""

from __future__ import annotations

import base64
import io
from collections.abc import Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image

COLOURS = "inferno"
# Where attention is strongest, this much of what is seen is heat, and the rest photo.
STRONGEST = 0.82
# Pixels across a surface that only its top is wanted of.
MEASURED_SIZE = 96
LEAST_TOP = 4


def smooth(attention_HW: NDArray[np.float32], size: int) -> NDArray[np.float32]:
    """Attention over grid cells as a smooth surface over the view, by bicubic interpolation.

    Args:
        attention_HW: One weight a grid cell.
        size: Side of the square view in pixels.

    Returns:
        [size, size] float32, in the units of the weights, never below zero (bicubic curves undershoot).
    """
    grid = torch.from_numpy(np.ascontiguousarray(attention_HW, dtype=np.float32))[None, None]
    surface = torch.nn.functional.interpolate(grid, size=(size, size), mode="bicubic", align_corners=False)
    return surface[0, 0].clamp_min(0).numpy().astype(np.float32)


def common_top(attentions: Sequence[NDArray[np.float32]], covered: float = 1.0) -> float:
    """The weight at which the colour scale that several maps share ends.

    It is at least ``LEAST_TOP`` times the even share of a cell, so that attention without any aim looks like that.

    Args:
        attentions: The maps, one or more.
        covered: Share of the maps that the scale covers to their top; what is stronger is drawn as its end.
    """
    tops = [float(smooth(attention, MEASURED_SIZE).max()) for attention in attentions]
    return max(float(np.quantile(tops, covered)), *(LEAST_TOP / attention.size for attention in attentions))


def _colour(heat: NDArray[np.floating]) -> NDArray[np.float64]:
    """Red, green and blue, 0 to 1, of a share of the scale; the map's blackest eighth is left out."""
    from matplotlib import colormaps

    colours: NDArray[np.float64] = colormaps[COLOURS](0.12 + 0.88 * heat)[..., :3]
    return colours


def scale_colours(steps: int = 9) -> list[str]:
    """The colours of the scale from nothing to its top, as ``#rrggbb``."""
    shades = np.round(255 * _colour(np.linspace(0, 1, steps))).astype(int)
    return [f"#{red:02x}{green:02x}{blue:02x}" for red, green, blue in shades.tolist()]


def overlay(view: NDArray[np.uint8], attention_HW: NDArray[np.float32], top: float) -> NDArray[np.uint8]:
    """The view in grey with the attention as heat over it.

    Args:
        view: [size, size, 3], 0 to 255: the photo as the network sees it.
        attention_HW: One weight a grid cell.
        top: The weight that gets the last colour of the scale.

    Returns:
        [size, size, 3], 0 to 255.
    """
    heat = np.clip(smooth(attention_HW, view.shape[0]) / top, 0, 1)
    colour = _colour(heat)
    grey = (view.astype(np.float32) / 255) @ np.array([0.299, 0.587, 0.114], dtype=np.float32)
    # Black to white is squeezed, so that the darkest and the brightest colour both stand out from the photo.
    base = (0.14 + 0.62 * grey)[..., None]
    # Steep at first, so that weak attention shows, but not so steep that bicubic ripples do.
    opacity = STRONGEST * (1 - (1 - heat) ** 2)[..., None]
    mixed = (1 - opacity) * base + opacity * colour
    pixels: NDArray[np.uint8] = np.round(255 * np.clip(mixed, 0, 1)).astype(np.uint8)
    return pixels


def data_uri(picture: Image.Image | NDArray[np.uint8], side: int, quality: int = 82) -> str:
    """A picture as a JPEG inside a ``data:`` address, its longer side at most ``side`` pixels."""
    if isinstance(picture, np.ndarray):
        picture = Image.fromarray(picture)
    picture = picture.convert("RGB")
    if max(picture.size) > side:
        picture.thumbnail((side, side), Image.Resampling.LANCZOS)
    file = io.BytesIO()
    picture.save(file, "JPEG", quality=quality, optimize=True)
    return "data:image/jpeg;base64," + base64.b64encode(file.getvalue()).decode("ascii")
