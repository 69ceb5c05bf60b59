"""What of an image a view shows, and where boxes of the image are in the view."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor


class Crop(NamedTuple):
    """A rectangle of an image by its edges, in pixels or as fractions of the image's width and height.

    What lies outside the image is border.
    """

    left: float
    top: float
    right: float
    bottom: float

    def fractions(self, width: int, height: int) -> Crop:
        """A rectangle in pixels as fractions: 0 and 1 are the image's edges.

        Args:
            width: Of the image, in pixels.
            height: Of the image, in pixels.
        """
        return Crop(self.left / width, self.top / height, self.right / width, self.bottom / height)


WHOLE = Crop(0.0, 0.0, 1.0, 1.0)
"""All of an image, in fractions."""


def boxes_in_view(boxes_N4: Tensor, crop_N4: Tensor, flipped_N: Tensor | bool = False) -> tuple[Tensor, Tensor]:
    """Where boxes of images are in views of these.

    >>> box, crop = torch.tensor([[0.5, 0.0, 1.0, 1.0]]), torch.tensor([[0.25, 0.0, 0.75, 1.0]])
    >>> boxes_in_view(box, crop)
    (tensor([[0.5000, 0.0000, 1.0000, 1.0000]]), tensor([0.5000]))
    >>> boxes_in_view(box, crop, flipped_N=True)[0]
    tensor([[0.0000, 0.0000, 0.5000, 1.0000]])

    Args:
        boxes_N4: Left, top, right and bottom, as fractions of the image's width and height.
        crop_N4: What each box's view shows, likewise; ``[4]`` where it is one for all.
        flipped_N: Whether each box's view is mirrored, bool ``[N]``, or one for all.

    Returns:
        Left, top, right and bottom as fractions of the view, clipped to it, ``[N, 4]``; and which share of each box's
        area the view shows, ``[N]``: 0 for a box that is cut away, whose edges say nothing.
    """
    crop_N4 = crop_N4.expand_as(boxes_N4)
    sides_N2 = crop_N4[:, 2:] - crop_N4[:, :2]
    placed_N22 = (boxes_N4.view(-1, 2, 2) - crop_N4[:, None, :2]) / sides_N2[:, None]
    shown_N22 = placed_N22.clamp(0, 1)
    area_N, shown_N = ((edges[:, 1] - edges[:, 0]).prod(1) for edges in (placed_N22, shown_N22))
    share_N = torch.where(area_N > 0, shown_N / area_N, 0)
    left_N, top_N, right_N, bottom_N = shown_N22.flatten(1).unbind(1)
    flipped_N = torch.as_tensor(flipped_N, device=boxes_N4.device).expand(len(boxes_N4))
    left_N, right_N = torch.where(flipped_N, 1 - right_N, left_N), torch.where(flipped_N, 1 - left_N, right_N)
    return torch.stack([left_N, top_N, right_N, bottom_N], 1), share_N
