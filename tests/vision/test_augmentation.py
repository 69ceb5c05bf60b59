"""Random crops, flips and colour jitter, beside torchvision's."""

from __future__ import annotations

import io
import itertools
import math
from collections.abc import Callable

import numpy as np
import pytest
import scipy.stats
import torch
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor
from torchvision.transforms import v2
from torchvision.transforms.v2 import functional

from wordsight.vision.preprocessing import MEAN, STD
from wordsight.vision.views import ViewSettings, decode, draw_colours, eval_view, prepare, random_crop, train_view

FACTORS = [(0.7, 1.3, 0.6), (1.2, 0.7, 1.4), (1.0, 0.6, 1.0), (1.0, 1.0, 0.6), (0.6, 1.0, 1.0)]


def pictures(count: int, lowest: int = 90, highest: int = 150) -> Tensor:
    """Coloured noise, uint8 [count, 3, 8, 8], in a band in which no factor below reaches black or white."""
    noise = np.random.default_rng(1).integers(lowest, highest, size=(count, 3, 8, 8), dtype=np.uint8)
    return torch.from_numpy(noise)


def pixels(prepared_BCHW: Tensor) -> Tensor:
    """What was prepared as pixels from 0 to 255 again."""
    mean, std = (torch.tensor(values).view(3, 1, 1) for values in (MEAN, STD))
    return (prepared_BCHW * std + mean) * 255


def jittered(image_CHW: Tensor, factors: tuple[float, ...], order: tuple[int, ...] = (0, 1, 2)) -> Tensor:
    """An image of whole numbers after torchvision's adjustments, one after another, from 0 to 255."""
    steps: list[Callable[[Tensor, float], Tensor]] = [
        functional.adjust_brightness,
        functional.adjust_contrast,
        functional.adjust_saturation,
    ]
    image = image_CHW.float() / 255
    for number in order:
        image = steps[number](image, factors[number])
    return image * 255


def test_each_image_is_jittered_as_by_torchvision() -> None:
    images = pictures(len(FACTORS))
    found = pixels(prepare(images, torch.tensor(FACTORS)))
    expected = torch.stack([jittered(image, factors) for image, factors in zip(images, FACTORS, strict=True)])
    # torchvision's weights of grey have one digit more.
    torch.testing.assert_close(found, expected, rtol=0, atol=0.1)
    # Each factor does something: what stays as it was could not be told from a jitter that is left out.
    assert ((found - images).abs().amax((1, 2, 3)) > 10).all()


@pytest.mark.parametrize("order", list(itertools.permutations(range(3))))
def test_brightness_contrast_and_saturation_commute_so_that_no_order_is_drawn(order: tuple[int, ...]) -> None:
    """torchvision draws an order for each image; as long as nothing is clipped between, all are the same."""
    images = pictures(len(FACTORS))
    found = pixels(prepare(images, torch.tensor(FACTORS)))
    expected = torch.stack([jittered(image, factors, order) for image, factors in zip(images, FACTORS, strict=True)])
    torch.testing.assert_close(found, expected, rtol=0, atol=0.1)


def test_colours_are_clipped_once_when_all_three_are_applied() -> None:
    images = pictures(1, 0, 256)
    found = pixels(prepare(images, torch.tensor([[1.4, 0.5, 1.0]])))
    brighter = images.double() * 1.4
    grey = (brighter * torch.tensor([0.299, 0.587, 0.114]).view(3, 1, 1)).sum(1).mean()
    # White was beyond 255 before the contrast brought it back.
    torch.testing.assert_close(found.double(), (grey + 0.5 * (brighter - grey)).clamp(0, 255), rtol=0, atol=1e-2)
    found = pixels(prepare(images, torch.tensor([[1.4, 1.4, 1.4]])))
    assert float(found.min()) == pytest.approx(0, abs=1e-3) and float(found.max()) == pytest.approx(255, abs=1e-3)


def test_the_three_factors_are_even_between_their_bounds_and_independent() -> None:
    colours = draw_colours(4000, 0.4, np.random.default_rng(2))
    assert colours is not None
    for column in colours.T.numpy():
        assert scipy.stats.kstest(column, scipy.stats.uniform(0.6, 0.8).cdf).pvalue > 0.01
    assert np.abs(np.corrcoef(colours.T.numpy())[np.triu_indices(3, 1)]).max() < 0.05


def crops(width: int, height: int, settings: ViewSettings, count: int = 3000) -> NDArray[np.float64]:
    """Share of the area, logarithm of the aspect ratio, and place from 0 to 1 across and down, of many crops."""
    random = np.random.default_rng(3)
    found = [random_crop(width, height, settings, random) for _ in range(count)]
    return measures(np.array([[c.left, c.top, c.right - c.left, c.bottom - c.top] for c in found]), width, height)


def torchvision_crops(width: int, height: int, settings: ViewSettings, count: int = 3000) -> NDArray[np.float64]:
    """The same of torchvision's."""
    ratio = settings.crop_ratio
    transform = v2.RandomResizedCrop(32, scale=(settings.crop_scale, 1), ratio=(1 / ratio, ratio))
    image = torch.empty(1, height, width)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(3)
        found = [transform.make_params([image]) for _ in range(count)]
    return measures(np.array([[p["left"], p["top"], p["width"], p["height"]] for p in found]), width, height)


def measures(boxes_n4: NDArray[np.float64], width: int, height: int) -> NDArray[np.float64]:
    left, top, across, down = boxes_n4.T
    # A crop as wide as the image has no place across.
    room_x, room_y = np.where(across < width, width - across, np.nan), np.where(down < height, height - down, np.nan)
    return np.array([across * down / (width * height), np.log(across / down), left / room_x, top / room_y])


@pytest.mark.parametrize(("width", "height"), [(4000, 4000), (5000, 3600), (3600, 5000)])
@pytest.mark.parametrize("settings", [ViewSettings(crop_scale=0.08), ViewSettings(crop_scale=0.4, crop_ratio=2.0)])
def test_crops_are_distributed_as_torchvision_s(width: int, height: int, settings: ViewSettings) -> None:
    """Area, aspect ratio and place, each by a two-sample Kolmogorov-Smirnov test."""
    ours, theirs = crops(width, height, settings), torchvision_crops(width, height, settings)
    for name, one, other in zip(("area", "ratio", "left", "top"), ours, theirs, strict=True):
        assert scipy.stats.ks_2samp(one, other, nan_policy="omit").pvalue > 0.01, name


def test_crops_are_as_often_tall_as_wide() -> None:
    area, ratio, *_ = crops(4000, 4000, ViewSettings(crop_scale=0.08))
    # Small ones fit whatever their ratio: of these the ratio is log-uniform between 3/4 and 4/3.
    fits = ratio[area < 0.7]
    edge = math.log(4 / 3)
    assert scipy.stats.kstest(fits, scipy.stats.uniform(-edge, 2 * edge).cdf).pvalue > 0.01
    assert abs(float((fits > 0).mean()) - 0.5) < 0.03


def test_where_no_crop_fits_a_square_of_the_shorter_side_is_taken() -> None:
    """Of a long strip, at any place along it."""
    settings, random = ViewSettings(crop_scale=0.9), np.random.default_rng(4)
    found = [random_crop(1000, 10, settings, random) for _ in range(200)]
    assert all((c.right - c.left, c.top, c.bottom) == pytest.approx((10, 0, 10)) for c in found)
    assert scipy.stats.kstest([c.left / 990 for c in found], "uniform").pvalue > 0.01


@pytest.mark.parametrize("share", [0.0, 0.3, 0.5, 1.0])
def test_views_are_flipped_as_often_as_asked(share: float) -> None:
    ramp = np.linspace(0, 255, 16, dtype=np.uint8)[None, :, None].repeat(16, 0).repeat(3, 2)
    file = io.BytesIO()
    Image.fromarray(ramp).save(file, "PNG")
    random = np.random.default_rng(5)
    settings = ViewSettings(crop_scale=1.0, flip=share)
    views = [train_view(file.getvalue(), 16, settings, random) for _ in range(1000)]
    flipped = [int(view.pixels[0, 0, 0]) > int(view.pixels[0, -1, 0]) for view in views]
    assert flipped == [view.flipped for view in views]
    assert abs(np.mean(flipped) - share) < 0.05


class Asked:
    """An image that remembers how long its shorter side had to be at least."""

    least_side: int | None = None

    def decode(self, least_side: int | None) -> Image.Image:
        self.least_side = least_side
        return Image.new("RGB", (256, 256))


@pytest.mark.parametrize(("scale", "least"), [(1.0, 64), (0.25, 128), (0.4, 102)])
def test_the_smallest_crop_of_what_is_decoded_still_covers_the_view(scale: float, least: int) -> None:
    asked = Asked()
    train_view(asked, 64, ViewSettings(crop_scale=scale), np.random.default_rng(0))
    assert asked.least_side == least


@pytest.mark.parametrize(("share", "least"), [(1.0, 50), (0.5, 100), (0.875, 58)])
def test_a_share_of_what_is_decoded_still_covers_the_view(share: float, least: int) -> None:
    asked = Asked()
    eval_view(asked, 50, share)
    assert asked.least_side == least


@pytest.mark.parametrize(("least", "side"), [(64, 64), (65, 128), (128, 128), (129, 256), (300, 512)])
def test_a_jpeg_is_decoded_at_the_smallest_scale_that_is_large_enough(least: int, side: int) -> None:
    file = io.BytesIO()
    Image.new("RGB", (512, 512)).save(file, "JPEG")
    assert decode(file.getvalue(), least).size == (side, side)
