"""Small photographs and sources made on the spot."""

from __future__ import annotations

import io
import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from wordsight.corpus.example import Example, Rejected


def _picture(seed: int, size: tuple[int, int]) -> Image.Image:
    """Smooth coloured noise: different for every seed, and as compressible as a photograph."""
    coarse = np.random.default_rng(seed).integers(0, 256, (3, 4, 3), dtype=np.uint8)
    return Image.fromarray(coarse).resize(size, Image.Resampling.BICUBIC)


@pytest.fixture
def picture() -> Callable[..., Image.Image]:
    """``picture(seed, size=(48, 36))``: an RGB image."""

    def make(seed: int, size: tuple[int, int] = (48, 36)) -> Image.Image:
        return _picture(seed, size)

    return make


@pytest.fixture
def encoded() -> Callable[..., bytes]:
    """``encoded(seed, size=(48, 36), kind="JPEG", **how)``: the bytes of an image file."""

    def make(seed: int, size: tuple[int, int] = (48, 36), kind: str = "JPEG", **how: Any) -> bytes:
        file = io.BytesIO()
        _picture(seed, size).save(file, kind, **how)
        return file.getvalue()

    return make


@pytest.fixture
def photo(encoded: Callable[..., bytes]) -> Callable[..., Path]:
    """``photo(path, seed, ...)``: an image file; folders are made on the way."""

    def make(path: Path, seed: int = 0, **how: Any) -> Path:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(encoded(seed, **how))
        return path

    return make


@pytest.fixture
def coco(photo: Callable[..., Path], tmp_path: Path) -> Callable[..., tuple[Path, Path]]:
    """``coco(count)``: a captions file and its folder of images, two captions each."""

    def make(count: int, folder: str = "source") -> tuple[Path, Path]:
        images = tmp_path / folder / "images"
        content: dict[str, list[dict[str, Any]]] = {"images": [], "annotations": []}
        for i in range(count):
            photo(images / f"{i:03d}.jpg", i)
            split = "train" if i % 4 else "test"
            content["images"].append({"id": i, "file_name": f"{i:03d}.jpg", "split": split})
            for text in (f"a picture with the number {i} .", f"number {i} in bright colours"):
                content["annotations"].append({"id": len(content["annotations"]), "image_id": i, "caption": text})
        captions = tmp_path / folder / "captions.json"
        captions.write_text(json.dumps(content))
        return captions, images

    return make


@dataclass(frozen=True)
class Listed:
    """A reader of what it is given."""

    items: tuple[Example | Rejected, ...]
    names: tuple[str, ...] = ()

    def __iter__(self) -> Iterator[Example | Rejected]:
        return iter(self.items)

    def sources(self) -> list[str]:
        return ["a list"]

    def label_names(self) -> list[str]:
        return list(self.names)


@pytest.fixture
def listed() -> Callable[..., Listed]:
    """``listed(*items, names=())``: a reader of these examples."""

    def make(*items: Example | Rejected, names: tuple[str, ...] = ()) -> Listed:
        return Listed(items, names)

    return make
