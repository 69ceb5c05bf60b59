"""COCO's instances file: which objects are in which image, by the image's id."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from wordsight.corpus.json_items import json_content
from wordsight.corpus.keys import Key, key_of
from wordsight.errors import InputError, listed

_LAYOUT = "COCO instances: {'images': [...], 'annotations': [{'image_id', 'category_id'}], 'categories': [...]}"

# The categories of each image by its id; a dictionary for its order.
Held = dict[Key, dict[str, None]]


@dataclass(frozen=True)
class Instances:
    """One instances file (``instances_val2017.json``).

    Args:
        path: The file.
    """

    path: Path

    @cached_property
    def names(self) -> dict[Key, str]:
        """The categories by their number in the file, in the order of the file.

        Raises:
            InputError: When one has no number or name, or two have the same.
        """
        found: dict[Key, str] = {}
        for entry in self.content["categories"]:
            fields = entry if isinstance(entry, dict) else {}
            number, name = key_of(fields.get("id")), fields.get("name")
            if number is None or not isinstance(name, str):
                raise InputError(f"the category {str(entry)[:100]} has no id or name", where=self.path)
            found[number] = name
        if len(set(found.values())) < len(self.content["categories"]):
            raise InputError("two categories have one id or one name", where=self.path)
        return found

    @cached_property
    def objects(self) -> tuple[Held, Held]:
        """The categories of each image by its id: those of single objects, and those of crowds.

        Raises:
            InputError: When an annotation names no image, or a category that the file doesn't have.
        """
        labels: Held = defaultdict(dict)
        crowds: Held = defaultdict(dict)
        for number, entry in enumerate(self.content["annotations"], start=1):
            fields = entry if isinstance(entry, dict) else {}
            image, category = key_of(fields.get("image_id")), key_of(fields.get("category_id"))
            if image is None or category is None or category not in self.names:
                known = f"the category_id {fields.get('category_id')!r}, which is no category's"
                found = "no image_id that is a whole number or a name" if image is None else known
                raise InputError(f"annotation {number:,} has {found}", where=self.path, expected=_LAYOUT)
            (crowds if fields.get("iscrowd") else labels)[image][self.names[category]] = None
        return labels, crowds

    @cached_property
    def files(self) -> dict[Key, str]:
        """The file name of each image by its id; "" where none is given.

        Raises:
            InputError: When an image has no id, or two have the same.
        """
        found: dict[Key, str] = {}
        for number, entry in enumerate(self.content["images"], start=1):
            key = key_of(entry.get("id")) if isinstance(entry, dict) else None
            if key is None:
                raise InputError(f"image {number:,} has no id", where=self.path, expected=_LAYOUT)
            if key in found:
                raise InputError(f"image {number:,} has the id {key!r} of an image before it", where=self.path)
            name = entry.get("file_name")
            found[key] = name if isinstance(name, str) else ""
        return found

    @cached_property
    def content(self) -> dict[str, Any]:
        """What the file holds, its layout checked.

        Raises:
            InputError: When it can't be read, or has another layout.
        """
        # The outlines of objects are most of the file. Nobody asks for them here, and their numbers are worth
        # gigabytes of memory for COCO's train: as `True` they are worth none.
        content = json_content(self.path, "a COCO instances JSON file", parse_float=_whole)
        keys = ("images", "annotations", "categories")
        if not isinstance(content, dict) or not all(isinstance(content.get(key), list) for key in keys):
            found = f"has the keys {listed(content) or 'none'}" if isinstance(content, dict) else "is not a JSON object"
            raise InputError(found, where=self.path, expected=_LAYOUT)
        return content


def _whole(digits: str) -> int | bool:
    """A number with a decimal point that is whole, as a data frame writes ids; any other is read as a truth value."""
    whole, _, rest = digits.partition(".")
    return int(whole) if rest and not rest.strip("0") and len(whole) < 19 else True
