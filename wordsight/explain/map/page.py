"""The page of a map: one HTML file with all thumbnails in it, to walk about, to look closer and to search."""

from __future__ import annotations

import base64
import io
import json
import math
from collections.abc import Sequence
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from wordsight.atomic import write_text
from wordsight.explain.formats import count
from wordsight.explain.map.grid import Grid
from wordsight.explain.map.map_images import MapImages
from wordsight.explain.map.map_labels import LabelKey, colours_of

TEMPLATES = Path(__file__).parent / "templates"
# Pixels. Larger pictures than this are refused by the canvas of some phones.
_SPRITE, _LARGEST = 4096, 224
# Thumbnails of whole JPEG blocks don't run into one another.
_STEP = 16
# Of the whole page, so that it can be sent by mail; and what is left to pictures where the captions are very long.
_BYTES, _LEAST_BYTES = 8_000_000, 2_000_000
_QUALITY = 80
_CAPTION = 400


def thumbnail_side(images: int) -> int:
    """Side of a thumbnail in pixels, as large as the sprite of so many images allows."""
    return min(_LARGEST, _SPRITE // math.ceil(math.sqrt(images)) // _STEP * _STEP)


def write_page(
    file: Path,
    title: str,
    thumbnails_NHW3: NDArray[np.uint8],
    grid: Grid,
    keys: Sequence[LabelKey],
    images: MapImages,
) -> Path:
    """Write a map as one HTML file that asks for nothing from outside.

    Args:
        file: The file to write.
        title: What stands above it.
        thumbnails_NHW3: The images, square.
        grid: Where each lies.
        keys: The labels that have a colour.
        images: What is known of the images.

    Returns:
        The file.

    Raises:
        InputError: When it can't be written.
    """
    from jinja2 import Environment, FileSystemLoader, StrictUndefined

    data = _data(grid, keys, images)
    room = max(_LEAST_BYTES, _BYTES - len(json.dumps(data)) - 40_000)
    sprite, side = sprite_of(thumbnails_NHW3, room * 3 // 4)
    data["side"], data["columns"] = side, math.ceil(math.sqrt(len(images)))
    # Captions, labels and names of files may hold tags: everything is escaped, whatever the template's ending.
    environment = Environment(loader=FileSystemLoader(TEMPLATES), autoescape=True, undefined=StrictUndefined)
    page = environment.get_template("map.html.j2").render(
        title=title,
        version=_version(),
        count=count(len(images)),
        keys=keys,
        data=data,
        searchable=any(images.captions) or any(images.labels),
        sprite=base64.b64encode(sprite).decode(),
    )
    write_text(file, page)
    return file


def sprite_of(thumbnails_NHW3: NDArray[np.uint8], most_bytes: int) -> tuple[bytes, int]:
    """All thumbnails in one JPEG, row by row, smaller ones where they would take too many bytes.

    Args:
        thumbnails_NHW3: The images, square.
        most_bytes: The most that the JPEG may take.

    Returns:
        The JPEG, and the side of a thumbnail in it.
    """
    columns = math.ceil(math.sqrt(len(thumbnails_NHW3)))
    side = thumbnails_NHW3.shape[1]
    while True:
        sheet = Image.new("RGB", (columns * side, math.ceil(len(thumbnails_NHW3) / columns) * side))
        for number, thumbnail in enumerate(thumbnails_NHW3):
            small = Image.fromarray(thumbnail)
            if side != small.width:
                small = small.resize((side, side), Image.Resampling.LANCZOS)
            sheet.paste(small, (number % columns * side, number // columns * side))
        coded = io.BytesIO()
        sheet.save(coded, "JPEG", quality=_QUALITY)
        if coded.tell() <= most_bytes or side <= _STEP:
            return coded.getvalue(), side
        side = max(_STEP, side - _STEP)


def _data(grid: Grid, keys: Sequence[LabelKey], images: MapImages) -> dict[str, Any]:
    """What the script reads: a list for each thing, one entry an image."""
    return {
        "ids": list(images.ids),
        "labels": [list(held) for held in images.labels],
        "captions": [[text[:_CAPTION] for text in texts] for texts in images.captions],
        "colours": colours_of(images.labels, keys),
        "cells": grid.cells_N2.tolist(),
        "free": np.round(grid.free_N2, 3).tolist(),
    }


def _version() -> str:
    """This wordsight's version; empty where it runs without being installed."""
    try:
        return version("wordsight")
    except PackageNotFoundError:
        return ""
