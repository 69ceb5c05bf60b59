"""Boxes follow their image into a view: cut, scaled, mirrored."""

from __future__ import annotations

import io

import numpy as np
import pytest
import torch
from PIL import Image

from wordsight.vision.crops import WHOLE, Crop, boxes_in_view
from wordsight.vision.views import ViewSettings, train_view


def test_a_crop_in_pixels_is_told_in_fractions_of_both_sides() -> None:
    assert Crop(20, 10, 60, 40).fractions(80, 40) == (0.25, 0.25, 0.75, 1.0)


def test_boxes_are_cut_scaled_and_mirrored_as_worked_out_by_hand() -> None:
    # The view shows the quarter from (0.5, 0) to (1, 0.5).
    crop = torch.tensor([0.5, 0.0, 1.0, 0.5])
    boxes = torch.tensor(
        [
            [0.5, 0.0, 0.75, 0.5],  # the left half of it
            [0.25, 0.25, 0.75, 0.75],  # a quarter of the box, in the corner below on the left
            [0.0, 0.0, 0.4, 0.4],  # outside
            [0.0, 0.0, 1.0, 1.0],  # all of the image
        ]
    )
    seen, share = boxes_in_view(boxes, crop)
    assert seen[[0, 1, 3]].tolist() == [[0, 0, 0.5, 1], [0, 0.5, 0.5, 1], [0, 0, 1, 1]]
    assert share.tolist() == [1, 0.25, 0, 0.25]
    mirrored, same = boxes_in_view(boxes, crop, flipped_N=True)
    assert mirrored[[0, 1, 3]].tolist() == [[0.5, 0, 1, 1], [0.5, 0.5, 1, 1], [0, 0, 1, 1]]
    assert torch.equal(share, same)


def test_every_box_can_have_a_view_of_its_own() -> None:
    box = torch.tensor([[0.0, 0.0, 0.5, 1.0]]).expand(3, 4)
    crops = torch.tensor([WHOLE, WHOLE, (0.0, 0.0, 0.5, 1.0)])
    seen, _ = boxes_in_view(box, crops, torch.tensor([False, True, True]))
    assert seen.tolist() == [[0, 0, 0.5, 1], [0.5, 0, 1, 1], [0, 0, 1, 1]]


@pytest.mark.parametrize("seed", range(12))
def test_a_box_is_where_the_view_shows_what_is_in_it(seed: int) -> None:
    """A white box in a black picture, in random views of both kinds: the white pixels are where the box is said."""
    pixels = np.zeros((120, 160, 3), dtype=np.uint8)
    pixels[30:90, 40:100] = 255
    file = io.BytesIO()
    Image.fromarray(pixels).save(file, "PNG")
    view = train_view(file.getvalue(), 64, ViewSettings(crop_scale=0.3), np.random.default_rng(seed))
    box = torch.tensor([[40 / 160, 30 / 120, 100 / 160, 90 / 120]])
    (edges,), (share,) = boxes_in_view(box, torch.tensor(view.crop), view.flipped)
    white = view.pixels[..., 0] > 127
    rows, columns = np.flatnonzero(white.any(1)), np.flatnonzero(white.any(0))
    found = [columns[0], rows[0], columns[-1] + 1, rows[-1] + 1]
    assert share > 0 and np.abs(64 * edges.numpy() - found).max() <= 1.01
