"""Views: what is cut, that it is repeatable, and that normalisation is what networks expect."""

from __future__ import annotations

import io

import numpy as np
import pytest
import torch
from PIL import Image

from wordsight.errors import InputError
from wordsight.vision.colours import draw_colours
from wordsight.vision.preprocessing import MEAN, STD, Framing
from wordsight.vision.views import (
    BORDER,
    ViewSettings,
    eval_view,
    eval_view_crop,
    prepare,
    random_crop,
    stack,
    train_view,
)


def encoded(width: int, height: int) -> bytes:
    """A picture whose red runs from left to right and whose green runs from top to bottom."""
    across = np.linspace(0, 255, width, dtype=np.uint8)[None].repeat(height, 0)
    down = np.linspace(0, 255, height, dtype=np.uint8)[:, None].repeat(width, 1)
    file = io.BytesIO()
    Image.fromarray(np.stack([across, down, np.zeros_like(across)], -1)).save(file, "PNG")
    return file.getvalue()


def test_evaluation_sees_the_centre_square() -> None:
    view = eval_view(encoded(200, 100), 50)
    assert view.shape == (50, 50, 3)
    assert abs(int(view[:, 0, 0].mean()) - 64) < 4 and abs(int(view[:, -1, 0].mean()) - 191) < 4
    assert eval_view_crop(200, 100) == pytest.approx((0.25, 0, 0.75, 1))


def test_a_view_is_a_function_of_its_chance() -> None:
    picture = encoded(80, 60)
    first, again, other = (train_view(picture, 32, ViewSettings(), np.random.default_rng(seed)) for seed in (1, 1, 2))
    assert np.array_equal(first.pixels, again.pixels) and first.crop == again.crop
    assert not np.array_equal(first.pixels, other.pixels)


def test_crops_stay_inside_and_keep_the_stated_area() -> None:
    settings = ViewSettings(crop_scale=0.3)
    for seed in range(200):
        crop = random_crop(90, 60, settings, np.random.default_rng(seed))
        assert 0 <= crop.left < crop.right <= 90.001 and 0 <= crop.top < crop.bottom <= 60.001
        assert (crop.right - crop.left) * (crop.bottom - crop.top) >= 0.3 * 90 * 60 - 1e-6


def test_a_crop_scale_of_one_keeps_the_whole_image() -> None:
    assert random_crop(90, 60, ViewSettings(crop_scale=1.0), np.random.default_rng(0)) == (0, 0, 90, 60)


def test_a_flip_mirrors() -> None:
    picture, whole = encoded(64, 64), ViewSettings(crop_scale=1.0, flip=0.0)
    plain = train_view(picture, 32, whole, np.random.default_rng(0))
    mirrored = train_view(picture, 32, ViewSettings(crop_scale=1.0, flip=1.0), np.random.default_rng(0))
    assert np.array_equal(plain.pixels[:, ::-1], mirrored.pixels)
    assert mirrored.flipped and not plain.flipped


def test_prepared_images_have_the_mean_and_spread_that_networks_expect() -> None:
    grey = np.full((4, 4, 3), 128, dtype=np.uint8)
    images = prepare(stack([grey]))
    for channel in range(3):
        assert float(images[0, channel, 0, 0]) == pytest.approx((128 / 255 - MEAN[channel]) / STD[channel], rel=1e-5)
    assert images.is_contiguous(memory_format=torch.channels_last)


def test_colour_jitter_of_one_changes_nothing() -> None:
    images = torch.randint(0, 256, (2, 3, 8, 8), dtype=torch.uint8)
    assert torch.allclose(prepare(images, torch.ones(2, 3)), prepare(images), atol=1e-5)


def test_no_jitter_draws_no_colours() -> None:
    assert draw_colours(4, 0.0, np.random.default_rng(0)) is None


@pytest.mark.parametrize("values", [{"crop_scale": 0.0}, {"flip": 1.5}, {"jitter": 1.0}, {"crop_ratio": 0.5}])
def test_settings_out_of_range_are_refused(values: dict[str, float]) -> None:
    with pytest.raises(InputError, match=next(iter(values))):
        ViewSettings(**values)


def test_other_means_and_spreads_are_normalised_by_in_their_place() -> None:
    pixels = torch.randint(0, 256, (2, 3, 8, 8), dtype=torch.uint8)
    mean, std = (0.5, 0.4, 0.3), (0.5, 0.2, 0.1)
    wanted = (pixels / 255 - torch.tensor(mean).view(3, 1, 1)) / torch.tensor(std).view(3, 1, 1)
    torch.testing.assert_close(prepare(pixels, mean=mean, std=std), wanted, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize(("width", "height"), [(300, 100), (100, 300), (120, 120)])
def test_the_whole_image_is_squashed_to_a_square(width: int, height: int) -> None:
    # Red rises to the right and green downwards, from 0 to 255, whatever the sides.
    view = eval_view(encoded(width, height), 50, framing="squash").astype(int)
    assert abs(view[25, 0, 0] - 2) < 4 and abs(view[25, -1, 0] - 253) < 4
    assert abs(view[0, 25, 1] - 2) < 4 and abs(view[-1, 25, 1] - 253) < 4
    assert eval_view_crop(width, height, framing="squash") == pytest.approx((0, 0, 1, 1))


def test_an_image_is_padded_to_a_square_without_distortion() -> None:
    view = eval_view(encoded(300, 100), 60, framing="pad").astype(int)
    border = np.array(BORDER)
    assert (view[:20] == border).all() and (view[40:] == border).all()
    assert abs(view[30, 0, 0] - 2) < 4 and abs(view[30, -1, 0] - 253) < 4
    assert abs(view[20, 30, 1] - 6) < 8 and abs(view[39, 30, 1] - 249) < 8
    assert eval_view_crop(300, 100, framing="pad") == pytest.approx((0, -1, 1, 2))
    tall = eval_view(encoded(100, 300), 60, framing="pad")
    assert (tall[:, :20] == border).all() and not (tall[:, 20:40] == border).all(-1).any()
    # What is a line of pixels is still seen.
    assert not (eval_view(encoded(500, 1), 16, framing="pad") == border).all()


def test_a_share_of_an_image_is_looked_at_in_every_framing() -> None:
    wanted: dict[Framing, tuple[float, ...]] = {
        "crop": (0.375, 0.25, 0.625, 0.75),
        "squash": (0.25, 0.25, 0.75, 0.75),
        "pad": (0.25, 0, 0.75, 1),
    }
    for framing, share in wanted.items():
        assert eval_view_crop(200, 100, 0.5, framing) == pytest.approx(share), framing
