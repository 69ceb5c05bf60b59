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

from wordsight.errors import InputError
from wordsight.vision.colours import blurred, draw_colours, turned
from wordsight.vision.preprocessing import MEAN, STD
from wordsight.vision.views import ViewSettings, decode, eval_view, prepare, random_crop, train_view

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


def test_hues_turn_as_torchvision_s() -> None:
    images = pictures(5, 0, 256)
    hue_B = torch.tensor([0.2, -0.1, 0.5, -0.5, 0.0])
    images[3, :, 0] = 77
    expected = [functional.adjust_hue(image / 255, float(hue)) * 255 for image, hue in zip(images, hue_B, strict=True)]
    torch.testing.assert_close(turned(images.float(), hue_B), torch.stack(expected), rtol=0, atol=1e-2)


def test_views_are_blurred_as_by_torchvision_away_from_the_edges() -> None:
    images = torch.from_numpy(np.random.default_rng(1).integers(0, 256, size=(4, 3, 40, 40), dtype=np.uint8)).float()
    sigma_B = torch.tensor([0.0, 0.1, 1.0, 2.0])
    found = blurred(images, sigma_B)
    assert torch.equal(found[0], images[0])
    expected = [
        functional.gaussian_blur(image, [25, 25], [max(float(s), 0.01)])
        for image, s in zip(images, sigma_B, strict=True)
    ]
    inner = (slice(None), slice(None), slice(12, -12), slice(12, -12))
    torch.testing.assert_close(found[inner], torch.stack(expected)[inner], rtol=0, atol=1e-2)
    # What lies beyond an edge is not known: a view of one colour stays as it is.
    torch.testing.assert_close(
        blurred(torch.full((1, 3, 9, 9), 90.0), torch.tensor([2.0])), torch.full((1, 3, 9, 9), 90.0)
    )


def test_what_is_done_to_a_view_is_jitter_then_hue_then_grey_then_blur() -> None:
    images = pictures(2, 0, 256)
    columns = [(0.7, 1.3, 0.6, 0.1, 0, 1.0), (0.7, 1.3, 0.6, 0.1, 1, 0)]
    found = pixels(prepare(images, torch.tensor(columns)))
    after = turned(pixels(prepare(images, torch.tensor(columns)[:, :3])), torch.tensor([0.1, 0.1]))
    torch.testing.assert_close(found[0], blurred(after[:1], torch.tensor([1.0]))[0], rtol=0, atol=1e-2)
    grey_HW = (after[1] * torch.tensor([0.299, 0.587, 0.114]).view(3, 1, 1)).sum(0)
    torch.testing.assert_close(found[1], grey_HW.expand(3, -1, -1), rtol=0, atol=1e-2)


STRONG = ViewSettings(jitter=0.8, hue=0.2, jitter_probability=0.8, grey=0.2, blur=0.5)


def test_colours_change_as_often_and_as_much_as_simclr_s() -> None:
    colours = STRONG.colours(8000, np.random.default_rng(2))
    assert colours is not None and colours.shape == (8000, 6)
    *factors, hue, grey, sigma = colours.T.numpy()
    jittered = hue != 0
    assert abs(jittered.mean() - 0.8) < 0.02 and abs(grey.mean() - 0.2) < 0.02 and abs((sigma > 0).mean() - 0.5) < 0.02
    assert set(np.unique(grey)) == {0, 1}
    for factor in factors:
        assert (factor[~jittered] == 1).all()
        assert scipy.stats.kstest(factor[jittered], scipy.stats.uniform(0.2, 1.6).cdf).pvalue > 0.01
    assert scipy.stats.kstest(hue[jittered], scipy.stats.uniform(-0.2, 0.4).cdf).pvalue > 0.01
    assert scipy.stats.kstest(sigma[sigma > 0], scipy.stats.uniform(0.1, 1.9).cdf).pvalue > 0.01


def test_the_same_seed_draws_the_same_and_jitter_alone_is_drawn_as_ever() -> None:
    first, again = (STRONG.colours(6, np.random.default_rng(3)) for _ in range(2))
    assert first is not None and again is not None and torch.equal(first, again)
    plain, before = (
        ViewSettings(jitter=0.4).colours(6, np.random.default_rng(3)),
        draw_colours(6, 0.4, np.random.default_rng(3)),
    )
    assert plain is not None and before is not None and torch.equal(plain, before)
    assert ViewSettings().colours(6, np.random.default_rng(3)) is None


@pytest.mark.parametrize("values", [{"hue": 0.6}, {"grey": -0.1}, {"blur": 2.0}, {"blur_sigma": 0.0}])
def test_colours_out_of_their_ranges_are_refused(values: dict[str, float]) -> None:
    (name,) = values
    with pytest.raises(InputError, match=f"view.{name} is"):
        ViewSettings(**values)


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
