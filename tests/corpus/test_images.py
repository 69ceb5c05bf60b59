"""Images in a corpus: upright, RGB, no larger than asked, known by the hash of their pixels."""

from __future__ import annotations

import io
import os
import struct
import zlib
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageOps

from wordsight.corpus.images import BadImage, PackedImage, pack_image, stored_size

Encoded = Callable[..., bytes]
Picture = Callable[..., Image.Image]


def pack(image: Path | bytes, shorter_side: int = 32, max_pixels: int = 1_000_000) -> PackedImage:
    return pack_image(image, shorter_side, 90, max_pixels)


def saved(image: Image.Image, kind: str, **how: object) -> bytes:
    file = io.BytesIO()
    image.save(file, kind, **how)
    return file.getvalue()


def pixels(packed: PackedImage) -> np.ndarray[tuple[int, ...], np.dtype[np.int64]]:
    return np.asarray(Image.open(io.BytesIO(packed.data)).convert("RGB")).astype(np.int64)


def png_that_claims(width: int, height: int) -> bytes:
    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    body = chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(bytes(1 << 20))) + chunk(b"IEND", b"")
    return b"\x89PNG\r\n\x1a\n" + body


def test_a_small_jpeg_keeps_its_bytes(encoded: Encoded) -> None:
    data = encoded(1, size=(40, 30))
    assert pack(data).data == data


def test_a_large_image_is_shrunk_to_the_shorter_side_and_keeps_its_shape(encoded: Encoded) -> None:
    packed = pack(encoded(1, size=(200, 100)))
    assert (packed.width, packed.height) == (64, 32)
    assert Image.open(io.BytesIO(packed.data)).size == (64, 32)
    assert Image.open(io.BytesIO(packed.data)).format == "JPEG"


def test_a_very_large_jpeg_is_shrunk_as_well_by_scaled_decoding(picture: Picture) -> None:
    whole = picture(3, (896, 704))
    expected = np.asarray(whole.resize((41, 32), Image.Resampling.BICUBIC)).astype(int)
    assert np.abs(pixels(pack(saved(whole, "JPEG", quality=95))) - expected).mean() < 3


def test_an_image_is_never_made_larger(encoded: Encoded) -> None:
    packed = pack(encoded(1, size=(20, 10), kind="PNG"))
    assert (packed.width, packed.height) == (20, 10)


def test_the_hash_is_that_of_the_pixels_not_of_the_file(picture: Picture) -> None:
    image = picture(5)
    png, bmp, other = (saved(each, kind) for each, kind in ((image, "PNG"), (image, "BMP"), (picture(6), "PNG")))
    assert pack(png).hash == pack(bmp).hash != pack(other).hash


@pytest.mark.parametrize("orientation", range(2, 9))
def test_a_photo_is_turned_as_its_camera_says(orientation: int, picture: Picture) -> None:
    exif = Image.Exif()
    exif[0x0112] = orientation
    file = saved(picture(2, (24, 16)), "JPEG", quality=95, subsampling=0, exif=exif)
    expected = np.asarray(ImageOps.exif_transpose(Image.open(io.BytesIO(file)))).astype(int)
    packed = pack(file)
    assert (packed.height, packed.width) == expected.shape[:2]
    assert np.abs(pixels(packed) - expected).mean() < 8


def test_see_through_pixels_come_before_white() -> None:
    packed = pack(saved(Image.new("RGBA", (16, 16), (0, 0, 0, 0)), "PNG"))
    assert pixels(packed).min() > 250


def test_sixteen_bits_are_scaled_not_cut_off() -> None:
    ramp = np.linspace(0, 65535, 256).astype(np.uint16).reshape(16, 16)
    packed = pack(saved(Image.fromarray(ramp), "PNG"))
    found = pixels(packed)[..., 0]
    assert found.min() < 10
    assert found.max() > 245
    assert abs(found.mean() - 127) < 5


@pytest.mark.parametrize(
    ("mode", "kind"),
    [
        ("L", "PNG"),
        ("P", "PNG"),
        ("1", "PNG"),
        ("LA", "PNG"),
        ("CMYK", "JPEG"),
        ("L", "JPEG"),
        ("F", "TIFF"),
        ("P", "GIF"),
    ],
)
def test_every_mode_becomes_rgb(mode: str, kind: str, picture: Picture) -> None:
    packed = pack(saved(picture(4).convert(mode), kind), shorter_side=64)
    assert Image.open(io.BytesIO(packed.data)).mode in ("RGB", "L")
    expected = picture(4) if mode in ("P", "CMYK") else picture(4).convert("L")
    found = Image.open(io.BytesIO(packed.data)).convert(expected.mode)
    error = np.asarray(found).astype(int) - np.asarray(expected).astype(int)
    assert abs(error.mean()) < (30 if mode == "F" else 8)  # of 32-bit floats the range is not known
    assert np.abs(error).mean() < (30 if mode == "F" else 120 if mode == "1" else 14)


def test_a_jpeg_cut_in_half_is_truncated(encoded: Encoded) -> None:
    data = encoded(1, size=(300, 300), quality=95)
    with pytest.raises(BadImage) as caught:
        pack(data[: len(data) // 2])
    assert caught.value.reason == "truncated"


def test_a_png_cut_in_half_is_left_out(encoded: Encoded) -> None:
    data = encoded(1, size=(300, 300), kind="PNG")
    with pytest.raises(BadImage) as caught:
        pack(data[: len(data) // 2])
    assert caught.value.reason == "truncated"


def test_a_png_bomb_is_refused_by_its_header_before_it_is_decoded(monkeypatch: pytest.MonkeyPatch) -> None:
    def decode(*_: object) -> None:
        raise AssertionError("decoded")

    monkeypatch.setattr("PIL.ImageFile.ImageFile.load", decode)
    with pytest.raises(BadImage) as caught:
        pack(png_that_claims(9_000, 9_000))
    assert caught.value.reason == "too large"
    assert "9000 x 9000" in caught.value.detail
    with pytest.raises(BadImage) as caught:
        pack(png_that_claims(60_000, 60_000))
    assert caught.value.reason == "too large"


@pytest.mark.parametrize("data", [b"", b"no image at all", b"<html>not found</html>", b"%!PS-Adobe-3.0 EPSF-3.0\n"])
def test_what_is_no_image_is_unreadable(data: bytes) -> None:
    with pytest.raises(BadImage) as caught:
        pack(data)
    assert caught.value.reason == "unreadable"


@pytest.mark.filterwarnings("ignore")
def test_damage_anywhere_is_a_reason_and_never_another_error(encoded: Encoded) -> None:
    draw = np.random.default_rng(0)
    for kind in ("JPEG", "PNG", "GIF", "TIFF", "BMP", "WEBP", "PPM"):
        data = np.frombuffer(encoded(7, kind=kind), dtype=np.uint8)
        for _ in range(40):
            broken = data.copy()
            broken[draw.integers(0, len(data), 12)] = draw.integers(0, 256, 12)
            with suppress(BadImage):
                pack(broken[: draw.integers(1, len(data) + 1)].tobytes())


def test_an_absent_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(BadImage) as caught:
        pack(tmp_path / "none.jpg")
    assert caught.value.reason == "absent"
    assert "none.jpg" in caught.value.detail


def test_a_pipe_is_not_waited_for(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.jpg")
    with pytest.raises(BadImage) as caught:
        pack(tmp_path / "pipe.jpg")
    assert caught.value.reason == "absent"


def refused_by_pillow(data: bytes) -> bool:
    try:
        Image.open(io.BytesIO(data)).load()
    except Exception:  # noqa: BLE001  # whatever a decoder raises
        return True
    return False


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("kind", ["JPEG", "PNG", "PNG of 16 bits", "GIF", "TIFF", "WEBP", "AVIF"])
def test_what_a_decoder_refuses_in_the_middle_of_an_image_is_left_out(kind: str) -> None:
    draw = np.random.default_rng(1)
    noise = draw.integers(0, 256, (40, 40, 3), dtype=np.uint8)
    image = Image.fromarray(noise[..., 0].astype(np.uint16) * 257 if kind == "PNG of 16 bits" else noise)
    whole = np.frombuffer(saved(image, kind.split()[0]), dtype=np.uint8)
    refused = 0
    for _ in range(60):
        broken = whole.copy()
        place = int(draw.integers(len(whole) // 4, len(whole) - 40))
        broken[place : place + 40] = draw.integers(0, 256, 40)
        data = broken[: int(draw.choice([len(whole), place]))].tobytes()
        if refused_by_pillow(data):
            refused += 1
            with pytest.raises(BadImage):
                pack(data)
        else:
            pack(data)
    assert refused > 10


def test_a_png_whose_pixels_were_damaged_is_left_out_not_kept_half_black() -> None:
    noise = np.random.default_rng(0).integers(100, 160, (64, 64, 3), dtype=np.uint8)
    data = bytearray(saved(Image.fromarray(noise), "PNG"))
    place = data.find(b"IDAT") + 2000
    data[place : place + 40] = b"\xff" * 40
    with pytest.raises(BadImage) as caught:
        pack(bytes(data))
    assert caught.value.reason == "unreadable"


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "TIFF", "WEBP"])
def test_every_format_is_turned_once(kind: str, picture: Picture) -> None:
    exif = Image.Exif()
    exif[0x0112] = 6
    image = picture(2, (24, 16))
    packed = pack(saved(image, kind, exif=exif))
    expected = np.asarray(image.transpose(Image.Transpose.ROTATE_270)).astype(int)
    assert (packed.width, packed.height) == (16, 24)
    assert (packed.orientation, packed.stored_size) == (6, (24, 16))
    assert np.abs(pixels(packed) - expected).mean() < 12


def test_the_header_tells_the_size_as_stored(picture: Picture, tmp_path: Path) -> None:
    exif = Image.Exif()
    exif[0x0112] = 8
    for kind in ("JPEG", "TIFF"):
        (tmp_path / kind).write_bytes(saved(picture(2, (24, 16)), kind, exif=exif))
        assert stored_size(tmp_path / kind) == (24, 16)
    assert stored_size(tmp_path / "none.jpg") is None
