"""An image file from anywhere becomes a small RGB JPEG, or one reason why it can't."""

from __future__ import annotations

import hashlib
import io
import struct
import zlib
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image, UnidentifiedImageError

# What photographs come in. Others that Pillow knows are left out on purpose: some start outside programs (EPS).
_FORMATS = ("JPEG", "PNG", "WEBP", "GIF", "BMP", "TIFF", "PPM", "JPEG2000", "AVIF")
# What Pillow's decoders raise on files that were damaged or made to do harm.
_DAMAGE = (
    OSError,
    SyntaxError,
    ValueError,
    EOFError,
    IndexError,
    KeyError,
    TypeError,
    AttributeError,
    RuntimeError,
    OverflowError,
    MemoryError,
    ZeroDivisionError,
    struct.error,
    zlib.error,
    Image.DecompressionBombError,
)

# A file larger than this is no photograph.
_LARGEST_FILE = 512 << 20
_ORIENTATION = 0x0112
_TURNS = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}


class BadImage(ValueError):  # noqa: N818  # read as "except BadImage"
    """An image that can't be used, with the reason for ``rejected.csv`` and what was found."""

    def __init__(self, reason: str, detail: str) -> None:
        super().__init__(f"{reason}: {detail}")
        self.reason, self.detail = reason, detail


@dataclass(frozen=True, slots=True)
class PackedImage:
    """An image as the corpus keeps it.

    Args:
        data: JPEG bytes.
        width: Of the image kept, in pixels.
        height: Of the image kept, in pixels.
        hash: 32 hexadecimal digits over the decoded pixels: the same for the same picture in another file.
    """

    data: bytes
    width: int
    height: int
    hash: str


def pack_image(image: Path | bytes, shorter_side: int, jpeg_quality: int, max_pixels: int) -> PackedImage:
    """Check, decode, turn upright, bring to RGB, shrink and encode one image.

    A JPEG that is small enough, upright and RGB or grey keeps its bytes, so that nothing is lost by coding it twice.

    Args:
        image: The encoded image: a file, or its bytes.
        shorter_side: The shorter side of the image kept, in pixels; smaller images keep their size.
        jpeg_quality: 1 to 95, as Pillow counts.
        max_pixels: Images with more pixels than this are not decoded.

    Raises:
        BadImage: When the image is absent, unreadable, truncated or too large.
    """
    data = _read(image) if isinstance(image, Path) else image
    opened = _open(data, max_pixels)
    turn = _turn(opened)
    keep = opened.format == "JPEG" and turn is None and opened.mode in ("RGB", "L") and min(opened.size) <= shorter_side
    if opened.format == "JPEG":
        # libjpeg decodes at 1/2, 1/4, 1/8 for a fraction of the time; twice the wanted size leaves the resize its say.
        opened.draft(None, (2 * shorter_side, 2 * shorter_side))
    try:
        opened.load()
        pixels = _rgb(opened if turn is None else opened.transpose(turn))
    except _DAMAGE as error:
        raise BadImage(_damage(error), str(error)) from error
    digest = hashlib.blake2b(f"{pixels.width}x{pixels.height}:".encode(), digest_size=16)
    digest.update(pixels.tobytes())
    if keep:
        return PackedImage(data, *pixels.size, digest.hexdigest())
    small = _shrink(pixels, shorter_side)
    coded = io.BytesIO()
    small.save(coded, "JPEG", quality=jpeg_quality)
    return PackedImage(coded.getvalue(), *small.size, digest.hexdigest())


def _read(path: Path) -> bytes:
    try:
        # A pipe or a device could be waited for without end: plain files only.
        if not path.is_file():
            raise BadImage("absent", f"no file {path}")
        if (size := path.stat().st_size) > _LARGEST_FILE:
            raise BadImage("too large", f"{size:,} bytes")
        return path.read_bytes()
    except OSError as error:
        raise BadImage("unreadable", f"{path}: {error.strerror or error}") from error


def _turn(image: Image.Image) -> Image.Transpose | None:
    """How a camera says that the picture is to be turned; what is written wrongly is taken for nothing."""
    try:
        return _TURNS.get(image.getexif().get(_ORIENTATION, 1))
    except _DAMAGE:
        return None


def _open(data: bytes, max_pixels: int) -> Image.Image:
    """Read the header alone; the size it states is checked before a pixel is decoded."""
    if not data:
        raise BadImage("unreadable", "the file is empty")
    Image.init()
    try:
        opened = Image.open(io.BytesIO(data), formats=[name for name in _FORMATS if name in Image.OPEN])
    except UnidentifiedImageError as error:
        raise BadImage("unreadable", "not an image in a known format") from error
    except _DAMAGE as error:
        raise BadImage(_damage(error), str(error)) from error
    if opened.width * opened.height > max_pixels:
        raise BadImage("too large", f"{opened.width} x {opened.height} pixels, more than {max_pixels:,}")
    return opened


def _damage(error: BaseException) -> str:
    if isinstance(error, Image.DecompressionBombError):
        return "too large"
    return "truncated" if "truncated" in str(error).lower() else "unreadable"


def _rgb(image: Image.Image) -> Image.Image:
    """Any mode to RGB: see-through pixels come before white, 16-bit and float values are brought to 0..255."""
    if image.mode == "RGB":
        return image
    if image.mode.startswith(("I", "F")):
        values = np.asarray(image, dtype=np.float64)
        low, high = (0.0, 65535.0) if image.mode.startswith("I;16") else (float(values.min()), float(values.max()))
        if image.mode == "I":
            low, high = 0.0, 65535.0 if high > 255 else 255.0
        scaled = (values - low) / max(high - low, 1e-12) * 255
        return Image.fromarray(scaled.clip(0, 255).round().astype(np.uint8)).convert("RGB")
    if image.mode in ("RGBA", "LA", "PA", "RGBa", "La") or "transparency" in image.info:
        layered = image.convert("RGBA")
        white = Image.new("RGBA", layered.size, (255, 255, 255, 255))
        return Image.alpha_composite(white, layered).convert("RGB")
    return image.convert("RGB")


def _shrink(image: Image.Image, shorter_side: int) -> Image.Image:
    width, height = image.size
    scale = shorter_side / min(width, height)
    if scale >= 1:
        return image
    size = (max(1, round(width * scale)), max(1, round(height * scale)))
    return image.resize(size, Image.Resampling.BICUBIC, reducing_gap=3.0)
