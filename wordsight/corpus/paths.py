"""File names from tables and archives must stay in the folder they are meant for."""

from __future__ import annotations

from pathlib import Path, PurePosixPath, PureWindowsPath


def leads_out(name: str) -> bool:
    """Whether a relative file name is absolute, climbs with ``..``, or can't be a file name at all."""
    posix, windows = PurePosixPath(name), PureWindowsPath(name)
    return posix.is_absolute() or bool(windows.anchor) or ".." in posix.parts or ".." in windows.parts or "\0" in name


def inside(folder: Path, name: str) -> Path | None:
    """The file of that name in a folder; ``None`` when the name leads out of it."""
    return None if not name or leads_out(name) else folder / name
