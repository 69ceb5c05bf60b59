"""Features of frozen backbones: images decoded on threads, one pass without gradients, the grid pooled to a vector."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor
from torch.nn import functional

from wordsight.corpus.encoded_images import EncodedImage
from wordsight.corpus.images import BadImage, decode_image, is_plain
from wordsight.device import autocast
from wordsight.errors import InputError
from wordsight.parallel import cores, ordered_map
from wordsight.progress import progress_bar
from wordsight.vision.backbones import Backbone
from wordsight.vision.inference import ready
from wordsight.vision.preprocessing import Framing
from wordsight.vision.views import Encoded, draft, eval_view, stack

BATCH = 64
# Batches of views that wait for the backbone: enough that it never waits, little enough to stay small in memory.
_AHEAD = 3
# Photos as they come off a camera are large; more pixels than this are made to do harm.
_MAX_PIXELS = 400_000_000


def view_batches(
    images: Sequence[EncodedImage],
    size: int,
    crop_share: float = 1.0,
    framing: Framing = "crop",
    batch: int = BATCH,
    where: str = "image",
) -> Iterator[Tensor]:
    """Yield the views that evaluation sees, decoded on several threads ahead of their use.

    Args:
        images: Encoded images. Files and bytes from anywhere are checked and turned upright; memory views come from a
            corpus, where this has been done.
        size: Side of the view in pixels.
        crop_share: Side of the centre crop, as a share of the shorter side.
        framing: How an image that is not square becomes one: its centre square, or the whole of it.
        batch: Images in a batch.
        where: What to call an image that has no file name, in an error.

    Yields:
        uint8 [B, 3, size, size].

    Raises:
        InputError: When an image can't be decoded.
    """

    def views(first: int) -> Tensor:
        rows = range(first, min(first + batch, len(images)))
        return stack([_view(images[row], size, crop_share, framing, f"{where} {row}") for row in rows])

    return ordered_map(views, range(0, len(images), batch), ahead=max(_AHEAD, cores()), name="decode")


def _view(image: EncodedImage, size: int, crop_share: float, framing: Framing, name: str) -> NDArray[np.uint8]:
    return eval_view(as_encoded(image, name), size, crop_share, framing)


def as_encoded(image: EncodedImage, name: str) -> Encoded:
    """An encoded image from anywhere, as views are cut from it.

    Args:
        image: The image; memory views come from a corpus, where it has been checked.
        name: What to call it in an error, where it has no file name.
    """
    return image if isinstance(image, memoryview) else UncheckedImage(image, name)


@dataclass(frozen=True)
class UncheckedImage:
    """An image file, or its bytes, from outside a corpus: it is checked while it is decoded, once.

    Args:
        image: The image.
        name: What to call it in an error, where it has no file name.
    """

    image: Path | bytes
    name: str

    def decode(self, least_side: int | None) -> Image.Image:
        """The image upright and RGB, what is transparent on white.

        Args:
            least_side: Where given, a JPEG that is shown as it is may be decoded at a smaller scale, with its shorter
                side no shorter than this.

        Raises:
            InputError: When it can't be decoded.
        """
        where = self.image if isinstance(self.image, Path) else self.name

        def prepare(opened: Image.Image) -> None:
            # What has to be turned or brought to RGB first is decoded as it is stored: a test image loses nothing.
            if least_side is not None and is_plain(opened):
                draft(opened, least_side)

        try:
            data = self.image.read_bytes() if isinstance(self.image, Path) else self.image
            return decode_image(data, _MAX_PIXELS, prepare).pixels
        except OSError as error:
            raise InputError(f"can't be read ({error.strerror or error})", where=where) from error
        except BadImage as error:
            mend = "remove it, or build a corpus, which leaves such images out"
            found = f"{error.reason} ({error.detail})"
            raise InputError(found, where=where, expected="an image", mend=mend) from error


def pooled_layers(
    backbone: Backbone,
    images: Sequence[EncodedImage],
    size: int,
    *,
    layers: Sequence[str] = (),
    pool: int = 1,
    crop_share: float = 1.0,
    device: torch.device | None = None,
    what: str = "features",
) -> Iterator[list[Tensor]]:
    """A frozen backbone's grids, average-pooled, batch by batch: several layers in one pass over the images.

    Args:
        backbone: The backbone; it is left as it was found.
        images: Encoded images.
        size: Side of the view in pixels.
        layers: Some of the backbone's layers; none for the last.
        pool: The grid is average-pooled to ``pool`` x ``pool`` cells, where it has as many, which are laid end to end.
        crop_share: Side of the centre crop, as a share of the shorter side.
        device: Where to compute; the CPU by default.
        what: What the progress bar says.

    Yields:
        For each layer float32 ``[B, C * pool * pool]``, on the CPU.

    Raises:
        InputError: When an image can't be decoded, or there is no such layer.
    """
    device = device or torch.device("cpu")
    with ready(backbone, device), torch.inference_mode(), autocast(device), progress_bar() as bar:
        bar_task = bar.add_task(what, total=len(images), note="")
        for views in view_batches(images, size, crop_share, backbone.preprocessing.framing):
            seen = backbone.prepare(views.to(device, non_blocking=True))
            grids = list(backbone.tap_all(seen, layers).values()) if layers else [backbone(seen)]
            yield [_pooled(grid.float(), pool).flatten(1).cpu() for grid in grids]
            bar.advance(bar_task, len(views))


def _pooled(grid_BCHW: Tensor, pool: int) -> Tensor:
    """A grid of ``pool`` cells a side, or of as many as it has where they are fewer."""
    height, width = grid_BCHW.shape[-2:]
    return functional.adaptive_avg_pool2d(grid_BCHW, (min(pool, height), min(pool, width)))


def extract_features(
    backbone: Backbone,
    images: Sequence[EncodedImage],
    size: int,
    *,
    layer: str | None = None,
    pool: int = 1,
    crop_share: float = 1.0,
    device: torch.device | None = None,
    what: str = "features",
) -> NDArray[np.float32]:
    """Features of one layer of a frozen backbone, as :func:`pooled_layers` has them, in memory.

    Returns:
        float32 ``[n, C * pool * pool]``.

    Raises:
        InputError: When an image can't be decoded, or there is no such layer.
    """
    layers = () if layer is None else (layer,)
    parts = [
        batch
        for (batch,) in pooled_layers(
            backbone, images, size, layers=layers, pool=pool, crop_share=crop_share, device=device, what=what
        )
    ]
    return torch.cat(parts).numpy() if parts else np.zeros((0, backbone.out_channels * pool * pool), np.float32)
