"""Boxes turn with their photo and are clipped to it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from wordsight.corpus import BuildSettings
from wordsight.corpus.boxes import box_within, upright
from wordsight.corpus.build import build_corpus
from wordsight.corpus.example import Box, Example, Reader

# A red object on a picture of 60 x 40, at 6..30 across and 4..12 down.
SIZE, EDGES = (60, 40), (6, 4, 30, 12)
RED = Box("red", 0.1, 0.1, 0.4, 0.2)


def turned_photo(path: Path, orientation: int) -> Path:
    image = Image.new("RGB", SIZE, (10, 10, 10))
    image.paste((250, 20, 20), EDGES)
    exif = image.getexif()
    exif[0x0112] = orientation
    image.save(path, "JPEG", exif=exif, quality=95, subsampling=0)
    return path


def where_red_is(image: Image.Image) -> tuple[float, float, float, float]:
    pixels = np.asarray(image.convert("RGB")).astype(int)
    rows, columns = np.nonzero((pixels[..., 0] > 125) & (pixels[..., 1] < 100))
    height, width = pixels.shape[:2]
    return columns.min() / width, rows.min() / height, (columns.max() + 1) / width, (rows.max() + 1) / height


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("drawn_on", [SIZE, None, (600, 400)])
def test_boxes_turn_with_the_photo(
    orientation: int, drawn_on: tuple[float, float] | None, listed: Callable[..., Reader], tmp_path: Path
) -> None:
    photo = turned_photo(tmp_path / "a.jpg", orientation)
    reader = listed(Example("a", photo, ("a red thing lies there",), boxes=(RED,), drawn_on=drawn_on))
    corpus = build_corpus(reader, tmp_path / "c", BuildSettings())
    (box,) = corpus.boxes(0)
    found = (box.x, box.y, box.x + box.width, box.y + box.height)
    assert found == pytest.approx(where_red_is(corpus.image(0)), abs=0.03)


@pytest.mark.parametrize("orientation", [5, 6, 7, 8])
def test_boxes_drawn_on_the_upright_photo_stay_as_they_are(orientation: int) -> None:
    assert upright([RED], orientation, (60, 40), (40, 60)) == (RED,)
    assert upright([RED], orientation, (60, 40), (80, 120)) == (RED,)
    assert upright([RED], orientation, (60, 40), (60, 40)) != (RED,)


def test_of_a_square_nothing_can_be_told_so_boxes_are_on_the_stored_pixels() -> None:
    (found,) = upright([RED], 6, (50, 50), (50, 50))
    assert (found.x, found.y, found.width, found.height) == pytest.approx((0.7, 0.1, 0.2, 0.4))


def test_a_box_is_clipped_to_its_picture_or_says_why_it_is_none() -> None:
    assert box_within("cow", -10, 0, 50, 50, (100, 100)) == Box("cow", 0, 0, 0.5, 0.5)
    assert box_within("cow", 50, 0, 50, 50, (100, 100)) == "box without area"
    assert box_within("cow", 100, 0, 150, 50, (100, 100)) == "box outside the image"
