"""Views for classifiers that learn from images: random crops anew in every epoch, and ten crops of a test image."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from wordsight.corpus.encoded_images import EncodedImage
from wordsight.evaluation.features.extract import as_encoded
from wordsight.parallel import cores, ordered_map
from wordsight.vision.crops import Crop
from wordsight.vision.preprocessing import Framing
from wordsight.vision.views import CutSettings, Encoded, cut, decode, frame, stack, train_view

# Batches of views that wait for the network.
_AHEAD = 3
TEN = 10


class TrainingImages:
    """Images that are learned from, epoch by epoch; the same seed gives the same views, however many threads cut them.

    Args:
        images: Encoded images.
        size: Side of the view in pixels.
        views: How it is cut and coloured.
        batch: Images in a batch.
        seed: Of order, crops, flips and colours.
    """

    def __init__(
        self, images: Sequence[EncodedImage], size: int, views: CutSettings, batch: int, seed: int = 0
    ) -> None:
        self._images, self._size, self._views, self._batch, self._seed = images, size, views, batch, seed

    def epoch(
        self, number: int, *, drop_last: bool = False
    ) -> Iterator[tuple[Tensor, Tensor | None, NDArray[np.int64]]]:
        """All images in a random order.

        Args:
            number: The epoch.
            drop_last: Leave out a last batch of fewer images, which batch norm would take too seriously.

        Yields:
            Views uint8 ``[B, 3, size, size]``, colours ``[B, F]`` or None, and which images they are ``[B]``.

        Raises:
            InputError: When an image can't be decoded.
        """
        order = np.random.default_rng((self._seed, number)).permutation(len(self._images))
        stop = len(order) - len(order) % self._batch if drop_last else len(order)
        parts = [order[first : first + self._batch] for first in range(0, stop, self._batch)]

        def views_of_rows(rows: NDArray[np.int64]) -> tuple[Tensor, Tensor | None, NDArray[np.int64]]:
            views, colours = [], []
            for row in rows.tolist():
                random = np.random.default_rng((self._seed, number, row))
                encoded = as_encoded(self._images[row], f"image {row}")
                views.append(train_view(encoded, self._size, self._views, random).pixels)
                colours.append(self._views.colours(1, random))
            drawn = [each for each in colours if each is not None]
            return stack(views), torch.cat(drawn) if drawn else None, rows

        yield from ordered_map(views_of_rows, parts, ahead=max(_AHEAD, cores()), name="views")


def crop_batches(
    images: Sequence[EncodedImage],
    size: int,
    crop_share: float,
    batch: int,
    *,
    crops: int = 1,
    framing: Framing = "crop",
) -> Iterator[Tensor]:
    """Views of test images: the centre alone, or ten crops.

    Args:
        images: Encoded images.
        size: Side of the views in pixels.
        crop_share: Side of a crop as a share of the image's shorter side.
        batch: Images in a batch.
        crops: 1 or 10.
        framing: How an image that is not square becomes one; with another than ``crop``, all crops are of that square.

    Yields:
        uint8 ``[B * crops, 3, size, size]``, the crops of an image one after the other.

    Raises:
        InputError: When an image can't be decoded.
    """

    def views_of_rows(rows: range) -> Tensor:
        return stack(
            [
                view
                for row in rows
                for view in views_of(as_encoded(images[row], f"image {row}"), size, crop_share, crops, framing)
            ]
        )

    parts = [range(first, min(first + batch, len(images))) for first in range(0, len(images), batch)]
    return ordered_map(views_of_rows, parts, ahead=max(_AHEAD, cores()), name="views")


def views_of(
    encoded: Encoded, size: int, crop_share: float, crops: int, framing: Framing = "crop"
) -> list[NDArray[np.uint8]]:
    """The views of one test image, uint8 [size, size, 3] each: the centre, or five crops and their mirror images.

    Args:
        encoded: The encoded image.
        size: Side of the views in pixels.
        crop_share: Side of a crop as a share of the image's shorter side.
        crops: 1 or 10.
        framing: How an image that is not square becomes one.
    """
    image = decode(encoded, least_side=math.ceil(size / crop_share))
    if crops != TEN:
        return [cut(image, frame(*image.size, crop_share, framing), size)]
    views = [cut(image, crop, size) for crop in five_crops(*image.size, crop_share, framing)]
    return [*views, *(view[:, ::-1] for view in views)]


def five_crops(width: int, height: int, share: float, framing: Framing = "crop") -> list[Crop]:
    """The squares in the corners and in the middle of an image: top left, top right, bottom left, bottom right, centre.

    Args:
        width: Of the image.
        height: Of the image.
        share: Side of a square as a share of the image's shorter side: 224 of 256 is 0.875.
        framing: How an image that is not square becomes one. What is cropped is the image itself with ``crop``, else
            all of it squashed or padded to a square.
    """
    whole = Crop(0, 0, width, height) if framing == "crop" else frame(width, height, 1.0, framing)
    middle = frame(width, height, share, framing)
    across, down = middle.right - middle.left, middle.bottom - middle.top
    corners = [
        Crop(left, top, left + across, top + down)
        for top in (whole.top, whole.bottom - down)
        for left in (whole.left, whole.right - across)
    ]
    return [*corners, middle]
