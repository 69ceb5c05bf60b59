"""The picture of a map: thumbnails on a grid, framed in the colours of their labels."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw

from wordsight.atomic import atomic_file
from wordsight.explain.formats import count
from wordsight.explain.map.grid import Grid
from wordsight.explain.map.map_labels import LabelKey, colours_of

if TYPE_CHECKING:
    from PIL.ImageFont import FreeTypeFont

BACKGROUND, INK, FAINT = "#f4f2ee", "#1b1d22", "#5d646e"
# Pixels: the longest side of the map, the largest cell, and the margin around it.
WIDTH, LARGEST, MARGIN = 2400, 150, 48
_OTHERS = "other labels"


def write_picture(
    file: Path,
    title: str,
    thumbnails_NHW3: NDArray[np.uint8],
    grid: Grid,
    keys: Sequence[LabelKey],
    labels: Sequence[Sequence[str]],
) -> Path:
    """Draw a map as PNG.

    Args:
        file: The file to write.
        title: What stands above it.
        thumbnails_NHW3: The images, square.
        grid: Where each lies.
        keys: The labels that have a colour; none for no frames and no legend.
        labels: The labels of each image.

    Returns:
        The file.

    Raises:
        InputError: When it can't be written.
    """
    # Rows and columns that nothing lies in are left away.
    first, last = grid.cells_N2.min(0), grid.cells_N2.max(0)
    columns, rows = (int(n) for n in last - first + 1)
    cell = min(LARGEST, WIDTH // max(columns, rows))
    frame = max(2, cell // 16) if keys else 0
    gap = max(2, cell // 14)
    inner = cell - gap - 2 * frame
    width = max(columns * cell, 12 * LARGEST // 2)
    head = _Heading(title, len(labels), keys, width)
    top = MARGIN + head.height
    sheet = Image.new("RGB", (width + 2 * MARGIN, top + rows * cell + MARGIN), BACKGROUND)
    draw = ImageDraw.Draw(sheet)
    head.draw(draw)
    shift = MARGIN + (width - columns * cell) // 2
    colours = colours_of(labels, keys)
    for thumbnail, (column, row), colour in zip(
        thumbnails_NHW3, (grid.cells_N2 - first).tolist(), colours, strict=True
    ):
        x, y = shift + column * cell + gap // 2, top + row * cell + gap // 2
        if frame and colour:
            draw.rectangle((x, y, x + inner + 2 * frame - 1, y + inner + 2 * frame - 1), fill=colour)
        small = Image.fromarray(thumbnail).resize((inner, inner), Image.Resampling.LANCZOS)
        sheet.paste(small, (x + frame, y + frame))
    with atomic_file(file) as beside:
        sheet.save(beside, "PNG")
    return file


class _Heading:
    """Title and legend above a map, the legend in as many lines as it takes."""

    def __init__(self, title: str, images: int, keys: Sequence[LabelKey], width: int) -> None:
        self._title = title
        self._below = f"{count(images)} images; those with similar features lie near each other (t-SNE)"
        self._large, self._small = _font(44, bold=True), _font(26)
        self._entries: list[tuple[int, int, str, str]] = []
        x, y = 0, 128
        for key in keys:
            text = f"{key.name or _OTHERS} {count(key.count)}"
            length = 34 + int(self._small.getlength(text)) + 34
            if x and x + length > width:
                x, y = 0, y + 40
            self._entries.append((x, y, key.colour, text))
            x += length
        self.height = (y + 60) if keys else 128

    def draw(self, draw: ImageDraw.ImageDraw) -> None:
        """Draw it into the upper left corner."""
        draw.text((MARGIN, MARGIN), self._title, INK, self._large)
        draw.text((MARGIN, MARGIN + 64), self._below, FAINT, self._small)
        for x, y, colour, text in self._entries:
            draw.rounded_rectangle((MARGIN + x, MARGIN + y + 3, MARGIN + x + 24, MARGIN + y + 27), 5, fill=colour)
            draw.text((MARGIN + x + 34, MARGIN + y), text, INK, self._small)


def _font(size: int, *, bold: bool = False) -> FreeTypeFont:
    """The font that comes with matplotlib: the same on every machine, with the letters of most alphabets."""
    from matplotlib import font_manager
    from PIL import ImageFont

    weight = "bold" if bold else "normal"
    name = font_manager.findfont(font_manager.FontProperties(family="DejaVu Sans", weight=weight))
    return ImageFont.truetype(name, size)
