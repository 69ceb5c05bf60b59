"""An image file from anywhere becomes a small RGB JPEG, or one reason why it can't."""

from __future__ import annotations

import hashlib
import io
import struct
import zlib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image, UnidentifiedImageError
from PIL.TiffImagePlugin import TiffImageFile

from wordsight.corpus.image_formats import image_formats

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
# These make a wide picture tall.
_SWAPPING = (5, 6, 7, 8)


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
        stored_size: Width and height in pixels as the file stores them, before the picture was turned upright.
        orientation: How it was turned, as EXIF counts, 1 to 8; 1 for not at all.
    """

    data: bytes
    width: int
    height: int
    hash: str
    stored_size: tuple[int, int] = (0, 0)
    orientation: int = 1


@dataclass(frozen=True, slots=True)
class DecodedImage:
    """An image decoded whole.

    Args:
        pixels: Upright, RGB.
        is_plain: Whether the file shows the same as it is: an upright JPEG, RGB or grey.
        stored_size: Width and height in pixels as the file stores them, before the picture was turned upright.
        orientation: How it was turned, as EXIF counts, 1 to 8; 1 for not at all.
    """

    pixels: Image.Image
    is_plain: bool
    stored_size: tuple[int, int]
    orientation: int


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
    # libjpeg decodes at 1/2, 1/4, 1/8 for a fraction of the time; twice the wanted size leaves the resize its say.
    decoded = decode_image(data, max_pixels, twice(shorter_side))
    pixels = decoded.pixels
    kept = _shrink(pixels, shorter_side)
    if not decoded.is_plain or min(decoded.stored_size) > shorter_side:
        coded = io.BytesIO()
        kept.save(coded, "JPEG", quality=jpeg_quality)
        data = coded.getvalue()
    return PackedImage(data, *kept.size, _hash(pixels), decoded.stored_size, decoded.orientation)


def picture_hash(image: Path | bytes, shorter_side: int, max_pixels: int) -> str:
    """The hash that :func:`pack_image` gives an image, without packing it.

    Args:
        image: The encoded image: a file, or its bytes.
        shorter_side: Of the images that a corpus keeps, in pixels.
        max_pixels: Images with more pixels than this are not decoded.

    Raises:
        BadImage: When the image is absent, unreadable, truncated or too large.
    """
    data = _read(image) if isinstance(image, Path) else image
    return _hash(decode_image(data, max_pixels, twice(shorter_side)).pixels)


def twice(side: int) -> Callable[[Image.Image], None]:
    """Lets a JPEG be decoded at a smaller scale, with neither side below twice a number of pixels."""

    def draft(opened: Image.Image) -> None:
        if opened.format == "JPEG":
            opened.draft(None, (2 * side, 2 * side))

    return draft


def _hash(pixels: Image.Image) -> str:
    digest = hashlib.blake2b(f"{pixels.width}x{pixels.height}:".encode(), digest_size=16)
    digest.update(pixels.tobytes())
    return digest.hexdigest()


def decode_image(
    data: bytes, max_pixels: int, prepare: Callable[[Image.Image], None] = lambda opened: None
) -> DecodedImage:
    """Decode an image whole, turn it upright and bring it to RGB.

    Args:
        data: The encoded image.
        max_pixels: Images with more pixels than this are not decoded.
        prepare: Called with the opened file before it is decoded: it may ask for a JPEG at a smaller scale.

    Raises:
        BadImage: When it is unreadable, truncated or too large.
    """
    opened = _open(data, max_pixels)
    size, plain = opened.size, is_plain(opened)
    prepare(opened)
    try:
        upright, orientation = _upright(opened)
        pixels = _rgb(upright)
    except _DAMAGE as error:
        raise BadImage(_damage(error), str(error)) from error
    if isinstance(opened, TiffImageFile) and orientation in _SWAPPING:
        size = (size[1], size[0])
    return DecodedImage(pixels, plain, size, orientation)


def is_plain(opened: Image.Image) -> bool:
    """Whether a file, opened and not decoded yet, shows the same as it is: an upright JPEG, RGB or grey."""
    return opened.format == "JPEG" and opened.mode in ("RGB", "L") and _stated_orientation(opened) == 1


def stored_size(path: Path) -> tuple[int, int] | None:
    """Width and height of an image as its file stores it, by its header; ``None`` where it can't be told.

    Args:
        path: The file. That it is absent or damaged is told when it is packed.
    """
    try:
        with Image.open(path, formats=image_formats()) as image:
            turned = isinstance(image, TiffImageFile) and image.tag_v2.get(_ORIENTATION, 1) in _SWAPPING
            return (image.height, image.width) if turned else image.size
    except _DAMAGE:
        return None


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


def _upright(opened: Image.Image) -> tuple[Image.Image, int]:
    """Decode a picture and turn it as its camera says; also the orientation that its file states.

    It is decoded first: to tell an orientation, Pillow decodes a PNG as well, and what went wrong with it then would
    be told once and not again.
    """
    if isinstance(opened, TiffImageFile):
        # Pillow turns a TIFF by itself while it decodes it, and forgets that it did.
        orientation = opened.tag_v2.get(_ORIENTATION, 1)
        opened.load()
        return opened, orientation if orientation in _TURNS else 1
    opened.load()
    orientation = _stated_orientation(opened)
    return (opened, 1) if orientation == 1 else (opened.transpose(_TURNS[orientation]), orientation)


def _stated_orientation(opened: Image.Image) -> int:
    """How a picture has to be turned, as EXIF counts; 1 for not at all. Of a JPEG the header alone is read."""
    try:
        orientation = opened.getexif().get(_ORIENTATION, 1)
        return orientation if orientation in _TURNS else 1
    except _DAMAGE:
        # The pixels are whole; what is written wrongly beside them is taken for nothing.
        return 1


def _open(data: bytes, max_pixels: int) -> Image.Image:
    """Read the header alone; the size it states is checked before a pixel is decoded."""
    if not data:
        raise BadImage("unreadable", "the file is empty")
    try:
        opened = Image.open(io.BytesIO(data), formats=image_formats())
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
