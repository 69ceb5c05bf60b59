"""Colours of a batch of views: drawn for each view with the batch, changed for all of them at once on the device.

As SimCLR changes them (Chen et al. 2020, Appendix A): brightness, contrast, saturation and hue are jittered, then the
view may lose its colours, then it may be blurred. https://arxiv.org/abs/2002.05709
"""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from wordsight.device import autocast

# What each column of a view's colours is. Views that are jittered alone have the first three.
COLUMNS = ("brightness", "contrast", "saturation", "hue", "grey", "sigma")
_JITTER = 3
# The smallest standard deviation of a blur, in pixels (Appendix A).
LEAST_SIGMA = 0.1


def draw_colours(count: int, jitter: float, random: np.random.Generator) -> Tensor | None:
    """Factors of brightness, contrast and saturation, float32 [count, 3]; None where there is no jitter."""
    if jitter == 0:
        return None
    return torch.from_numpy(random.uniform(1 - jitter, 1 + jitter, size=(count, _JITTER)).astype(np.float32))


def coloured(pixels_BCHW: Tensor, colours_BF: Tensor) -> Tensor:
    """Views with their colours changed.

    The order is the same for all views. The paper draws one for each; brightness, contrast and saturation commute.

    Args:
        pixels_BCHW: Pixels from 0 to 255, float.
        colours_BF: Of each view its values, the first F of `COLUMNS`: three factors, the turn of the hue as a share of
            the colour circle, 1 for grey, and the standard deviation of the blur in pixels, 0 for none.
    """
    brightness, contrast, saturation = colours_BF[:, :_JITTER, None, None, None].unbind(1)
    pixels = pixels_BCHW * brightness
    pixels = torch.lerp(_grey(pixels).mean((2, 3), keepdim=True), pixels, contrast)
    pixels = torch.lerp(_grey(pixels), pixels, saturation).clamp(0, 255)
    if colours_BF.shape[1] == _JITTER:
        return pixels
    hue_B, grey_B, sigma_B = colours_BF[:, _JITTER:].unbind(1)
    pixels = turned(pixels, hue_B)
    pixels = torch.lerp(pixels, _grey(pixels), grey_B[:, None, None, None])
    return blurred(pixels, sigma_B)


def turned(pixels_BCHW: Tensor, hue_B: Tensor) -> Tensor:
    """Views with each colour moved along the colour circle (hue of HSV, Smith 1978).

    Args:
        pixels_BCHW: Colours, red, green and blue.
        hue_B: How far, as a share of the circle.

    Examples:
        >>> red = torch.tensor([1.0, 0.0, 0.0]).view(1, 3, 1, 1)
        >>> turned(red, torch.tensor([1 / 3])).flatten().tolist()
        [0.0, 1.0, 0.0]
    """
    red, green, blue = pixels_BCHW.unbind(1)
    most, least = pixels_BCHW.amax(1), pixels_BCHW.amin(1)
    spread = most - least
    safe = torch.where(spread > 0, spread, torch.ones_like(spread))
    # In sixths of the circle, from red.
    of_red, of_green, of_blue = (green - blue) / safe, (blue - red) / safe + 2, (red - green) / safe + 4
    hue = torch.where(most == red, of_red, torch.where(most == green, of_green, of_blue))
    hue = hue + 6 * hue_B[:, None, None]
    # Each of the three falls from the most to the least and rises again, a third of the circle after the other.
    places = (torch.remainder(hue + start, 6) for start in (5, 3, 1))
    shares = [torch.minimum(place, 4 - place).clamp(0, 1) for place in places]
    return most[:, None] - spread[:, None] * torch.stack(shares, 1)


def blurred(pixels_BCHW: Tensor, sigma_B: Tensor) -> Tensor:
    """Views blurred by a Gaussian each; near an edge the mean is of what is inside.

    Args:
        pixels_BCHW: Square views.
        sigma_B: Its standard deviation in pixels; 0 leaves a view as it is.
    """
    places_H = torch.arange(pixels_BCHW.shape[-1], device=pixels_BCHW.device, dtype=pixels_BCHW.dtype)
    distance_HH = (places_H[:, None] - places_H[None]).square()
    # Of a deviation that is next to nothing a pixel alone is left.
    width_B = (2 * sigma_B.to(pixels_BCHW.dtype).square()).clamp_min(1e-4)
    weights_B1HH = functional.softmax(-distance_HH / width_B[:, None, None, None], dim=-1)
    # Half-precision products would leave a colour some 250 values in place of 256.
    with autocast(pixels_BCHW.device, torch.float32):
        return weights_B1HH @ pixels_BCHW @ weights_B1HH.transpose(2, 3)


def _grey(pixels_BCHW: Tensor) -> Tensor:
    weights = torch.tensor([0.299, 0.587, 0.114], device=pixels_BCHW.device).view(1, 3, 1, 1)
    return (pixels_BCHW * weights).sum(1, keepdim=True)
