"""Folder names that say which split the images in them belong to."""

from __future__ import annotations

SPLIT_FOLDERS = ("train", "training", "val", "valid", "validation", "dev", "test", "testing")


def split_of(name: str) -> str:
    """The split that a folder's name means, as it is named; "" when it means none."""
    return name if name.lower() in SPLIT_FOLDERS else ""
