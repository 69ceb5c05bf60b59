"""Scenes: one to three drawings laid on a background, where each stands, and how much of it can still be seen."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from random import Random

import numpy as np
from numpy.typing import NDArray

from wordsight.corpus.pictures.backgrounds import background
from wordsight.corpus.pictures.catalogue import Drawing
from wordsight.corpus.pictures.drawings import Renderer, drawn_pixels, outline


@dataclass(frozen=True, slots=True)
class SceneSettings:
    """How scenes are laid out.

    Args:
        size: Side of the picture in pixels.
        smallest: Least width of an object, as a share of the picture's.
        largest: Greatest width of an object, as a share of the picture's.
        tilt: Greatest turn either way, in degrees.
        mirrored: Share of the objects that are mirrored.
        visible: Least share of an object that neither another object nor the picture's edge hides.
    """

    size: int
    smallest: float
    largest: float
    tilt: float
    mirrored: float
    visible: float


@dataclass(frozen=True, slots=True)
class PlacedDrawing:
    """A drawing where it stands in a scene.

    Args:
        drawing: What is drawn.
        left, top, width, height: The tight box around all of it that lies inside the picture, in pixels.
        area: How many pixels it would show if nothing hid it.
    """

    drawing: Drawing
    left: int
    top: int
    width: int
    height: int
    area: int

    @property
    def centre(self) -> tuple[float, float]:
        """The middle of its box (across, down), in pixels."""
        return self.left + self.width / 2, self.top + self.height / 2


@dataclass(frozen=True, slots=True)
class Scene:
    """A finished picture and what is in it.

    Args:
        pixels: The picture [size, size, 3].
        objects: What stands in it, the hindmost first.
        owner: Which object each pixel [size, size] shows: its place in ``objects``, or -1 for the background.
    """

    pixels: NDArray[np.uint8]
    objects: tuple[PlacedDrawing, ...]
    owner: NDArray[np.int8]


_TRIES = 30
"""How often a place is tried for an object before the whole scene is laid out anew."""


def compose(random: Random, drawings: Sequence[Drawing], renderer: Renderer, settings: SceneSettings) -> Scene:
    """Lay drawings on a background, each at a random place, size and tilt, none hidden by more than the settings allow.

    Args:
        random: Where every choice comes from: the same state gives the same scene.
        drawings: What to draw, the hindmost first.
        renderer: What draws it.
        settings: How scenes are laid out.
    """
    while True:
        layout = _Layout(random, renderer, settings)
        if all(layout.place(drawing) for drawing in drawings):
            return Scene(layout.pixels, tuple(layout.objects), layout.owner)


class _Layout:
    """A scene in the making."""

    def __init__(self, random: Random, renderer: Renderer, settings: SceneSettings) -> None:
        self.random, self.renderer, self.settings = random, renderer, settings
        self.pixels = background(random, settings.size)
        self.owner = np.full((settings.size, settings.size), -1, dtype=np.int8)
        self.objects: list[PlacedDrawing] = []
        self._seen: list[int] = []

    def place(self, drawing: Drawing) -> bool:
        """Draw one more object in front of the others; False when no place was found that hides none of them."""
        random, settings = self.random, self.settings
        for _ in range(_TRIES):
            width = random.uniform(settings.smallest, settings.largest) * settings.size
            tilt = random.uniform(-settings.tilt, settings.tilt)
            pixels = self.renderer.draw(drawing, width, tilt, random.random() < settings.mirrored)
            if self._lay(drawing, pixels):
                return True
        return False

    def _lay(self, drawing: Drawing, pixels: NDArray[np.uint8]) -> bool:
        size, random = self.settings.size, self.random
        height, width = pixels.shape[:2]
        # An object may stick out of the picture by a tenth of itself on any side.
        left = round(random.uniform(-0.1 * width, size - 0.9 * width))
        top = round(random.uniform(-0.1 * height, size - 0.9 * height))
        down, across = slice(max(top, 0), min(top + height, size)), slice(max(left, 0), min(left + width, size))
        inside = pixels[down.start - top : down.stop - top, across.start - left : across.stop - left]
        own = drawn_pixels(inside)
        area = int(np.count_nonzero(drawn_pixels(pixels)))
        hidden = np.bincount(self.owner[down, across][own] + 1, minlength=len(self.objects) + 1)[1:]
        seen = [before - int(lost) for before, lost in zip(self._seen, hidden, strict=True)] + [int(own.sum())]
        areas = [*(placed.area for placed in self.objects), area]
        if any(part < self.settings.visible * whole for part, whole in zip(seen, areas, strict=True)):
            return False
        self._seen = seen
        self.owner[down, across][own] = len(self.objects)
        self.objects.append(_placed(drawing, own, across.start, down.start, area))
        self._blend(inside, down, across)
        return True

    def _blend(self, inside: NDArray[np.uint8], down: slice, across: slice) -> None:
        # Brightness and tint vary: enough that no two are alike, too little to turn one named colour into another.
        brightness = self.random.uniform(0.85, 1.12)
        tint = np.array([brightness * self.random.uniform(0.95, 1.05) for _ in range(3)], dtype=np.float32)
        colours, alpha = inside[..., :3], inside[..., 3:]
        behind = self.pixels[down, across] * ((255 - alpha) * np.float32(1 / 255))
        self.pixels[down, across] = (np.minimum(colours * tint, alpha) + behind).astype(np.uint8)


def _placed(drawing: Drawing, own: NDArray[np.bool_], left: int, top: int, area: int) -> PlacedDrawing:
    """Where a drawing stands, from its own pixels inside the picture, where their corner lies, and its area."""
    above, below, before, behind = outline(own)
    return PlacedDrawing(
        drawing, left=left + before, top=top + above, width=behind - before, height=below - above, area=area
    )
