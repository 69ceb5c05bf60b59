"""Which files are images: the one list of formats and endings, as the decoders that are installed read them."""

from __future__ import annotations

import importlib
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import PurePosixPath

from PIL import Image

# What photographs come in. Others that Pillow knows are left out on purpose: some start outside programs (EPS).
_FORMATS = ("JPEG", "PNG", "WEBP", "GIF", "BMP", "TIFF", "PPM", "JPEG2000", "AVIF", "HEIF")


@dataclass(frozen=True)
class _Plugin:
    """A format that Pillow may not read by itself, and the package that teaches it.

    Args:
        format: As Pillow calls it.
        module: What is imported.
        package: What is installed.
        endings: Of the files, in lower case.
        register: A function of the module to call; "" where the import does it all.
    """

    format: str
    module: str
    package: str
    endings: tuple[str, ...]
    register: str = ""


_PLUGINS = (
    _Plugin("HEIF", "pillow_heif", "pillow-heif", (".heic", ".heif", ".hif"), "register_heif_opener"),
    # Pillow reads AVIF itself since 11.3, where it was built with libavif.
    _Plugin("AVIF", "pillow_avif", "pillow-avif-plugin", (".avif",)),
)


@cache
def image_formats() -> tuple[str, ...]:
    """The formats that images are read in, as Pillow calls them: those whose decoders are installed."""
    Image.init()
    for plugin in _PLUGINS:
        if plugin.format not in Image.OPEN:
            try:
                module = importlib.import_module(plugin.module)
            except ImportError:
                continue
            if plugin.register:
                getattr(module, plugin.register)()
    return tuple(name for name in _FORMATS if name in Image.OPEN)


@cache
def image_endings() -> frozenset[str]:
    """The endings of image files, each with its dot, in lower case: all that Pillow has for the formats read."""
    formats = image_formats()
    return frozenset(ending for ending, name in Image.registered_extensions().items() if name in formats)


def is_image_name(name: str) -> bool:
    """Whether a file of this name is read as an image.

    Args:
        name: The file's name, with or without its folder.
    """
    return PurePosixPath(name).suffix.lower() in image_endings()


def decoder_packages() -> Mapping[str, str]:
    """The packages that would read images which nothing installed reads, by ending: ``{".heic": "pillow-heif"}``."""
    endings = image_endings()
    return {ending: each.package for each in _PLUGINS for ending in each.endings if ending not in endings}
