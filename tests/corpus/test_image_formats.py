"""Which files are images, and which package reads those that Pillow does not."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from types import ModuleType

import pytest
from PIL import Image

from wordsight.corpus import image_formats as formats


@pytest.fixture(autouse=True)
def _anew() -> Iterator[None]:
    """What is installed is looked up once; here it changes."""
    for found in (formats.image_formats, formats.image_endings):
        found.cache_clear()
    yield
    for found in (formats.image_formats, formats.image_endings):
        found.cache_clear()


@pytest.mark.parametrize(
    "name", ["a.jpg", "a.JPEG", "a.jpe", "a.jfif", "a.png", "a.webp", "d/a.b.tif", "a.bmp", "a.pgm"]
)
def test_an_image_is_told_by_any_of_its_endings(name: str) -> None:
    assert formats.is_image_name(name)


@pytest.mark.parametrize("name", ["a.txt", "a", ".jpg", "a.jpg.part", "a.eps", "a.pdf", "a.mp4", "jpg"])
def test_other_files_are_no_images(name: str) -> None:
    assert not formats.is_image_name(name)


def without_heif(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Image, "OPEN", {name: how for name, how in Image.OPEN.items() if name != "HEIF"})
    known = {ending: name for ending, name in Image.EXTENSION.items() if name != "HEIF"}
    monkeypatch.setattr(Image, "EXTENSION", known)


def test_heic_without_a_decoder_is_no_image_and_names_the_package(monkeypatch: pytest.MonkeyPatch) -> None:
    without_heif(monkeypatch)
    monkeypatch.setitem(sys.modules, "pillow_heif", None)
    assert not formats.is_image_name("a.heic")
    assert formats.decoder_packages()[".heic"] == "pillow-heif"
    assert ".jpg" not in formats.decoder_packages()


def test_heic_is_an_image_where_a_decoder_is_installed(monkeypatch: pytest.MonkeyPatch) -> None:
    without_heif(monkeypatch)
    plugin = ModuleType("pillow_heif")

    def register() -> None:
        Image.OPEN["HEIF"] = Image.OPEN["PNG"]
        Image.EXTENSION[".heic"] = "HEIF"

    monkeypatch.setattr(plugin, "register_heif_opener", register, raising=False)
    monkeypatch.setitem(sys.modules, "pillow_heif", plugin)
    assert formats.is_image_name("IMG_0001.HEIC")
    assert ".heic" not in formats.decoder_packages()


def test_pillow_reads_avif_itself() -> None:
    assert formats.is_image_name("a.avif")
