"""File names from tables and archives stay in the folder they are meant for; folders are walked without losing any."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from pathlib import Path, PurePosixPath, PureWindowsPath

from wordsight.disk import unreadable


def leads_out(name: str) -> bool:
    """Whether a relative file name is absolute, climbs with ``..``, or can't be a file name at all.

    Examples:
        >>> leads_out("a/dog.jpg"), leads_out("../dog.jpg"), leads_out("/dog.jpg"), leads_out("C:/dog.jpg")
        (False, True, True, True)
    """
    posix, windows = PurePosixPath(name), PureWindowsPath(name)
    return posix.is_absolute() or bool(windows.anchor) or ".." in posix.parts or ".." in windows.parts or "\0" in name


def inside(folder: Path, name: str) -> Path | None:
    """The file of that name in a folder; ``None`` when the name leads out of it.

    Examples:
        >>> from pathlib import Path
        >>> inside(Path("photos"), "dog.jpg").as_posix(), inside(Path("photos"), "../dog.jpg")
        ('photos/dog.jpg', None)
    """
    return None if not name or leads_out(name) else folder / name


def is_shown(folder: str) -> bool:
    """Whether a folder is a person's own: not hidden, and not what macOS adds to an archive."""
    return not folder.startswith(".") and folder != "__MACOSX"


def walk(
    path: Path, shown: Callable[[str], bool] = is_shown, *, without: str | None = None
) -> Iterator[tuple[str, list[str]]]:
    """Every folder relative to ``path``, with the names of its files; links are followed, but not in circles.

    Args:
        path: The folder to begin with.
        shown: Whether a folder of that name is gone into.
        without: The real path of a folder that is left out.

    Raises:
        InputError: When a folder can't be read: what is in it would be lost unsaid.
    """

    def stop(error: OSError) -> None:
        # One that was removed in the meantime is none.
        if not isinstance(error, FileNotFoundError | NotADirectoryError):
            raise unreadable(error, error.filename or path) from error

    been = set() if without is None else {without}
    for folder, inner, files in os.walk(path, onerror=stop, followlinks=True):
        real = os.path.realpath(folder)
        inner[:] = sorted(filter(shown, inner)) if real not in been else []
        if real in been:
            continue
        been.add(real)
        yield Path(folder).relative_to(path).as_posix(), sorted(name for name in files if not name.startswith("."))


def files_below(path: Path) -> list[Path]:
    """Every file in a folder and those in it, in order; none of hidden names or in hidden folders.

    Raises:
        InputError: When a folder can't be read.
    """
    return sorted(path / folder / name for folder, files in walk(path) for name in files)
