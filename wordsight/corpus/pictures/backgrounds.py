"""What lies behind the objects of a scene: plain colours, gradients, stripes, checks, blobs, noise, and a few marks."""

from __future__ import annotations

import functools
import math
from collections.abc import Callable
from random import Random

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw

Colour = NDArray[np.float32]
Pixels = NDArray[np.uint8]

_MOST_MARKS = 4

# How far, at most, the colours of a pattern lie apart, as a share of the way from one random colour to another.
_CONTRAST = 0.5


def background(random: Random, size: int) -> Pixels:
    """A background drawn at random, as pixels [size, size, 3].

    Args:
        random: Where every choice comes from.
        size: Side of the picture in pixels.
    """
    pixels = random.choice(_KINDS)(random, size)
    marks = random.randrange(_MOST_MARKS + 1)
    return _with_marks(random, pixels, marks) if marks else pixels


def _colour(random: Random) -> Colour:
    # The drawings have black outlines, so most backgrounds are not dark.
    low = random.choice((30, 90, 150))
    return np.array([random.uniform(low, 255) for _ in range(3)], dtype=np.float32)


def _near(random: Random, colour: Colour) -> Colour:
    """A colour not far from another: patterns are quieter than what stands before them, as most backgrounds are."""
    return colour + random.uniform(0.1, _CONTRAST) * (_colour(random) - colour)


def _plain(random: Random, size: int) -> Pixels:
    return np.full((size, size, 3), _colour(random).astype(np.uint8))


@functools.lru_cache(maxsize=4)
def _coordinates(size: int) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Across and down [size, size], in fractions of the picture."""
    steps = (np.arange(size, dtype=np.float32) + 0.5) / size
    return np.tile(steps, (size, 1)), np.tile(steps[:, None], (1, size))


def _along(random: Random, size: int) -> NDArray[np.float32]:
    """Distance [size, size] along a random direction, in fractions of the picture, counted from its centre."""
    across, down = _coordinates(size)
    angle = random.uniform(0, 2 * math.pi)
    return (across - 0.5) * np.float32(math.cos(angle)) + (down - 0.5) * np.float32(math.sin(angle))


def _mixed(share: NDArray[np.float32], first: Colour, second: Colour) -> Pixels:
    mixed: Pixels = (first + share[..., None] * (second - first)).astype(np.uint8)
    return mixed


def _two_tone(choose: NDArray[np.bool_], first: Colour, second: Colour) -> Pixels:
    return np.stack((first, second)).astype(np.uint8)[choose.view(np.uint8)]


def _gradient(random: Random, size: int) -> Pixels:
    along = _along(random, size)
    first = _colour(random)
    return _mixed(np.clip(along / 1.2 + 0.5, 0, 1), first, _near(random, first))


def _stripes(random: Random, size: int) -> Pixels:
    bands = _along(random, size) * np.float32(random.uniform(3, 12)) + np.float32(random.random())
    first = _colour(random)
    return _two_tone((bands - np.floor(bands)) < random.uniform(0.25, 0.75), first, _near(random, first))


def _checks(random: Random, size: int) -> Pixels:
    across, down = _coordinates(size)
    columns, rows = np.float32(random.uniform(3, 10)), np.float32(random.uniform(3, 10))
    shift = np.float32(random.random())
    odd = (np.floor(across * columns + shift) + np.floor(down * rows + shift)).astype(np.int32) & 1
    first = _colour(random)
    return _two_tone(odd.astype(np.bool_), first, _near(random, first))


def _enlarged(coarse: Pixels, size: int) -> Pixels:
    return np.array(Image.fromarray(coarse).resize((size, size), Image.Resampling.BICUBIC))


def _blobs(random: Random, size: int) -> Pixels:
    cells = random.randrange(3, 7)
    first = _colour(random)
    palette = np.stack([first, _near(random, first), _near(random, first)]).astype(np.uint8)
    chosen = np.frombuffer(random.randbytes(cells * cells), dtype=np.uint8).reshape(cells, cells) % 3
    return _enlarged(palette[chosen], size)


def _noise(random: Random, size: int) -> Pixels:
    grain = random.choice((size, size // 2, size // 4))
    noise = np.frombuffer(random.randbytes(grain * grain * 3), dtype=np.uint8).reshape(grain, grain, 3)
    strength = np.float32(random.uniform(0.1, 0.35))
    coarse = (_colour(random) * (1 - strength) + noise * strength).astype(np.uint8)
    return coarse if grain == size else _enlarged(coarse, size)


_KINDS: tuple[Callable[[Random, int], Pixels], ...] = (_plain, _gradient, _stripes, _checks, _blobs, _noise)


def _with_marks(random: Random, pixels: Pixels, marks: int) -> Pixels:
    """Strokes and triangles, too small and of the wrong shape to be any of the objects that captions name."""
    size = pixels.shape[0]
    image = Image.fromarray(pixels)
    draw = ImageDraw.Draw(image)
    for _ in range(marks):
        red, green, blue = (int(value) for value in _colour(random))
        x, y, length = random.uniform(0, size), random.uniform(0, size), random.uniform(0.05, 0.12) * size
        angles = [random.uniform(0, 2 * math.pi) for _ in range(2)]
        ends = [(x + length * math.cos(angle), y + length * math.sin(angle)) for angle in angles]
        if random.random() < 0.5:
            draw.line([(x, y), ends[0]], fill=(red, green, blue), width=max(1, size // 40))
        else:
            draw.polygon([(x, y), *ends], fill=(red, green, blue))
    return np.array(image)
