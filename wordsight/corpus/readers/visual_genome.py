"""Visual Genome: region descriptions, each a phrase and the box it tells of, and folders of images.

Krishna et al., "Visual Genome", IJCV 2017; the second training set of ICMLM (Section 4, "Datasets": 103,000 images to
train and 5,000 to validate, split at random).
"""

from __future__ import annotations

import hashlib
import math
from array import array
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from wordsight.corpus.boxes import box_within
from wordsight.corpus.example import Box, Example, Rejected
from wordsight.corpus.images import stored_size
from wordsight.corpus.json_items import json_items
from wordsight.corpus.keys import check_meeting, key_of
from wordsight.errors import InputError, setting
from wordsight.progress import track
from wordsight.ranges import Count, Seed, check_ranges

_REGIONS = "region_descriptions.json: [{'id', 'regions': [{'image_id', 'x', 'y', 'width', 'height', 'phrase'}]}]"
_SIZES = "image_data.json: [{'image_id', 'width', 'height'}]"


@dataclass(frozen=True)
class VisualGenome:
    """Visual Genome's region descriptions: each region's phrase is a caption, and its box is kept.

    The file of regions is read twice, an entry at a time: before anything is built it is known to be whole.

    Args:
        regions: The file ``region_descriptions.json``, packed or not.
        images: The folder of the images, or the one above ``VG_100K`` and ``VG_100K_2``.
        image_data: Which ``image_data.json`` states the images' sizes; by default the one beside the regions,
            and otherwise the sizes that the images' own headers state.
        val_images: How many images, drawn at random, are the split "val", the others being "train" (the paper: 5000);
            with 0 there are no splits.
        seed: Which images are drawn.
    """

    regions: Path
    images: Path
    image_data: Path | None = None
    val_images: Count = 0
    seed: Seed = 0

    def __post_init__(self) -> None:
        check_ranges(self)

    def __iter__(self) -> Iterator[Example | Rejected]:
        folders, sizes, validation = self._folders, self._sizes, self._validation
        for number, entry in enumerate(json_items(self.regions, _REGIONS), start=1):
            image_id = _image_id(entry)
            if image_id is None:
                yield Rejected(f"entry {number}", "example", "no image id", str(entry)[:200])
                continue
            name = f"{image_id}.jpg"
            path = next((path for folder in folders if (path := folder / name).is_file()), self.images / name)
            size = sizes[image_id] if image_id in sizes else stored_size(path)
            captions, boxes = [], []
            for region in entry["regions"]:
                phrase, found = _caption(region), _box(region, size)
                captions += [phrase] if phrase is not None else []
                boxes += [found] if isinstance(found, Box) else []
                if phrase is None:
                    yield Rejected(str(image_id), "caption", "caption is not text", str(region)[:200])
                if isinstance(found, str):
                    yield Rejected(str(image_id), "box", found, str(region)[:200])
            split = "" if not self.val_images else "val" if image_id in validation else "train"
            yield Example(str(image_id), path, tuple(captions), boxes=tuple(boxes), split=split, drawn_on=size)

    def __length_hint__(self) -> int:
        return len(self._ids) if self._folders else 0

    def sources(self) -> list[str]:
        """The files and the folder."""
        return [str(path) for path in (self.regions, self._image_data, self.images) if path is not None]

    def label_names(self) -> list[str]:
        """None: regions come without classes."""
        return []

    @cached_property
    def _folders(self) -> list[Path]:
        """Where images may lie: the folder, and those in it."""
        if not self.images.is_dir():
            raise InputError("no such folder", where=self.images, expected="the folder of the images")
        return [self.images, *sorted(each for each in self.images.iterdir() if each.is_dir())]

    @cached_property
    def _ids(self) -> NDArray[np.int64]:
        """The image of every entry: eight bytes an image, where the file holds kilobytes."""
        ids = array("q")
        for entry in track(json_items(self.regions, _REGIONS), "reading regions"):
            image_id = _image_id(entry)
            if image_id is not None:
                ids.append(image_id)
            elif not ids:
                raise InputError("its first entry tells of no image", where=self.regions, expected=_REGIONS)
        return np.frombuffer(ids, dtype=np.int64)

    @cached_property
    def _validation(self) -> frozenset[int]:
        """The images of the split "val": a hash of seed and image ranks them, so that any library draws the same."""
        ids = np.unique(self._ids).tolist()
        if not 0 <= self.val_images < max(len(ids), 1):
            raise InputError(
                f"{setting('val_images')} is {self.val_images}",
                setting="val_images",
                expected=f"0 to {max(len(ids) - 1, 0):,}",
            )
        ranked = sorted(ids, key=lambda image_id: hashlib.blake2b(f"{self.seed} {image_id}".encode()).digest())
        return frozenset(ranked[: self.val_images])

    @property
    def _image_data(self) -> Path | None:
        beside = self.regions.with_name("image_data.json")
        return self.image_data or (beside if beside.is_file() else None)

    @cached_property
    def _sizes(self) -> dict[int, tuple[float, float]]:
        """Width and height of the images whose sizes are stated, in pixels."""
        sizes: dict[int, tuple[float, float]] = {}
        if self._image_data is None:
            return sizes
        for number, entry in enumerate(json_items(self._image_data, _SIZES), start=1):
            fields = entry if isinstance(entry, dict) else {}
            # Earlier releases call the image's number "id".
            image_id = key_of(fields.get("image_id", fields.get("id")))
            numbers = _numbers(fields, "width", "height")
            if not isinstance(image_id, int) or numbers is None or min(numbers) <= 0:
                raise InputError(f"entry {number} is {str(entry)[:100]}", where=self._image_data, expected=_SIZES)
            sizes[image_id] = (numbers[0], numbers[1])
        check_meeting(sizes, dict.fromkeys(self._ids.tolist()), "images", self._image_data, self.regions)
        return sizes


def _image_id(entry: Any) -> int | None:
    """The number of the image that an entry tells of; ``None`` when it is no entry."""
    if not isinstance(entry, dict) or not isinstance(regions := entry.get("regions"), list):
        return None
    inner = [region.get("image_id") for region in regions[:1] if isinstance(region, dict)]
    ids = (key_of(found) for found in (*inner, entry.get("id")))
    return next((found for found in ids if isinstance(found, int) and abs(found) < 1 << 62), None)


def _caption(region: Any) -> str | None:
    phrase = region.get("phrase") if isinstance(region, dict) else None
    return " ".join(phrase.split()) if isinstance(phrase, str) else None


def _box(region: Any, size: tuple[float, float] | None) -> Box | str | None:
    """The region in fractions of the image, clipped to it; why it is left out; or nothing, of an image of no size."""
    if size is None:
        return None
    numbers = _numbers(region, "x", "y", "width", "height") if isinstance(region, dict) else None
    if numbers is None:
        return "box without numbers"
    x, y, width, height = numbers
    return box_within(_caption(region) or "", x, y, x + width, y + height, size)


def _numbers(fields: dict[str, Any], *names: str) -> tuple[float, ...] | None:
    found = tuple(each for name in names if isinstance(each := fields.get(name), (int, float)) and math.isfinite(each))
    return found if len(found) == len(names) else None
