"""Files and folders that appear whole or not at all.

Everything is written in a folder ``.NAME.HOST.xxxxxxxx.part`` beside its target and renamed into place, so that a
killed process, a full disk or Ctrl-C leaves the old content or the new one, never half of one. Whoever writes holds a
lock on that folder; what no living process holds is removed by the next one that writes there.
"""

from __future__ import annotations

import ctypes
import errno
import glob
import json
import os
import re
import secrets
import shutil
import stat
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from wordsight.disk import clear_disk_errors
from wordsight.errors import InputError, setting
from wordsight.locks import HOST, let_go, take

# Names may have 255 bytes, and the folder beside a target has more to say than the target.
_NAME = 48
# Locks are not seen from other machines everywhere: what lies on a shared disk for so long is no longer written.
_LEFT_SECONDS = 24 * 3600.0
_HOST_OF = re.compile(r"\.([A-Za-z0-9-]+)\.[0-9a-f]{8}\.part$")


def _make(folder: Path) -> None:
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except FileNotFoundError as error:
        # Above it lies a system's own folder, in which none can be made.
        raise InputError("can't be made", where=folder, expected="a folder that you may write to") from error


def _sync(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


@contextmanager
def _part(target: Path) -> Iterator[Path]:
    """A locked folder beside ``target`` to write in; gone at the end with whatever is still in it."""
    _make(target.parent)
    sweep(target)
    while True:
        # Made by this name and not by `tempfile`, whose folders are private: this one has the modes that the umask
        # (or the folder's own rules) gives to whatever is made here.
        part = target.with_name(f".{target.name[:_NAME]}.{HOST}.{secrets.token_hex(4)}.part")
        part.mkdir()
        # A process that sweeps may have come between the two lines.
        if (lock := take(part)) is not None:
            break
    try:
        yield part
    finally:
        shutil.rmtree(part, ignore_errors=True)
        let_go(lock)


def _settle(written: Path, part: Path) -> None:
    """Give what was written the modes of the place, which libraries that make private files don't, and sync it."""
    mode = stat.S_IMODE(part.stat().st_mode)
    for path in (written, *(written.rglob("*") if written.is_dir() else ())):
        if path.is_symlink():
            continue
        wanted = mode if path.is_dir() else mode & 0o666
        if stat.S_IMODE(path.stat().st_mode) != wanted:
            # Some network disks give all files one mode, and let nobody change it.
            with suppress(PermissionError):
                path.chmod(wanted)
        if path.is_file():
            _sync(path)


@contextmanager
def atomic_file(target: Path) -> Iterator[Path]:
    """Yield a path to write to; on a clean exit it becomes ``target``, otherwise it is removed.

    Args:
        target: The file to make or replace. Its folder is made where it is absent.

    Raises:
        InputError: When the disk is full or the folder can't be written to.

    Examples:
        >>> from pathlib import Path
        >>> with atomic_file(Path("numbers.txt")) as beside:
        ...     _ = beside.write_text("1 2 3")
        ...     Path("numbers.txt").exists()
        False
        >>> Path("numbers.txt").read_text()
        '1 2 3'
    """
    with clear_disk_errors(target), _part(target) as part:
        beside = part / target.name
        yield beside
        _settle(beside, part)
        beside.replace(target)


@contextmanager
def atomic_folder(target: Path, *, overwrite: bool = False, holds: str | None = None) -> Iterator[Path]:
    """Yield a folder to fill; on a clean exit it becomes ``target``, otherwise it is removed.

    Args:
        target: The folder to make.
        overwrite: Whether a folder that is there already is replaced.
        holds: A file that a folder must hold to be replaced: a mistyped name must not cost a folder of something else.

    Raises:
        InputError: When ``target`` exists and may not be replaced, also where it appeared in the meantime; the disk is
            full, or the place is not writable.
    """
    refuse_existing(target, overwrite=overwrite, holds=holds)
    with clear_disk_errors(target), _part(target) as beside:
        with _named(target, beside):
            yield beside
        _settle(beside, beside)
        refuse_existing(target, overwrite=overwrite, holds=holds)
        if overwrite:
            _swap(beside, target)
        else:
            _rename_new(beside, target)


@contextmanager
def _named(target: Path, beside: Path) -> Iterator[None]:
    """Errors about files in the folder that is being filled are told of the one that a person knows."""
    try:
        yield
    except InputError as error:
        if error.where is not None and Path(error.where).is_relative_to(beside):
            place = target / Path(error.where).relative_to(beside)
            raise error.but(where=place) from error
        raise


def refuse_existing(target: Path, *, overwrite: bool = False, holds: str | None = None) -> None:
    """Raise when an output folder is there already, holds something, and may not be replaced."""
    if not target.exists():
        return
    if not target.is_dir():
        raise InputError("is a file", where=target, expected="a folder to make", mend=f"give another {setting('out')}")
    if not any(target.iterdir()):
        return
    if not overwrite:
        raise InputError(
            "exists already",
            where=target,
            mend=f"give another {setting('out')}, or {setting('overwrite', True)} to replace it",
        )
    if holds is not None and not (target / holds).is_file():
        raise InputError(f"holds something else (no {holds})", where=target, mend=f"give another {setting('out')}")


def remove_folder(target: Path) -> None:
    """Remove a folder; a kill on the way leaves all of it or none of it under its name."""
    with clear_disk_errors(target), _part(target) as part:
        target.rename(part / target.name)


def write_text(target: Path, text: str) -> None:
    """Write a UTF-8 text file atomically.

    Examples:
        >>> from pathlib import Path
        >>> write_text(Path("note.txt"), "a dog")
        >>> Path("note.txt").read_text()
        'a dog'
    """
    with atomic_file(target) as beside:
        beside.write_text(text, encoding="utf-8")


def write_json(target: Path, content: Any) -> None:
    """Write JSON atomically, indented, keys in the order given."""
    write_text(target, json_text(content))


def json_text(content: Any) -> str:
    """JSON for people to read, indented, in letters; bytes of a path that are no UTF-8 as an escape of JSON's."""
    text = json.dumps(content, indent=2, ensure_ascii=False) + "\n"
    return text.encode("utf-8", "backslashreplace").decode("utf-8")


def _rename_new(beside: Path, target: Path) -> None:
    """Rename a folder to a name under which there is nothing, or an empty folder; the system refuses anything else."""
    try:
        beside.rename(target)
    except OSError as error:
        if error.errno in (errno.ENOTEMPTY, errno.EEXIST, errno.ENOTDIR):
            mend = f"give another {setting('out')}, or {setting('overwrite', True)} to replace it"
            raise InputError("was made by another process in the meantime", where=target, mend=mend) from error
        raise


def _swap(beside: Path, target: Path) -> None:
    """Rename ``beside`` to ``target``; an old target trades places with it, and is removed after."""
    if not target.exists():
        beside.replace(target)
    elif not _exchange(beside, target):
        # Where two folders can't trade places in one step, the old one steps aside first; see `_sweep`.
        old = Path(tempfile.mkdtemp(prefix=f".{target.name}.", suffix=".old", dir=target.parent))
        target.replace(old)
        try:
            beside.replace(target)
        except OSError:
            old.replace(target)
            raise
        shutil.rmtree(old, ignore_errors=True)


def _exchange(first: Path, second: Path) -> bool:
    """Let two paths trade places in one step (``renameat2`` of Linux); False where the system can't."""
    renameat2 = getattr(ctypes.CDLL(None, use_errno=True), "renameat2", None) if sys.platform == "linux" else None
    if renameat2 is None:
        return False
    here, exchange = -100, 2  # AT_FDCWD, RENAME_EXCHANGE
    return bool(renameat2(here, os.fsencode(first), here, os.fsencode(second), exchange) == 0)


def sweep(target: Path) -> None:
    """Remove what killed processes left beside ``target``; what a living one is writing stays.

    The one window in which a kill leaves no target (between the two renames of :func:`_swap`) is mended here too.
    """
    if not target.parent.is_dir():
        return
    name = glob.escape(target.name[:_NAME])
    for old in sorted(target.parent.glob(f".{name}.*.old")):
        if target.exists():
            shutil.rmtree(old, ignore_errors=True)
        else:
            old.replace(target)
    for part in target.parent.glob(f".{name}.*.part"):
        _remove_dead(part)


def sweep_within(folder: Path) -> None:
    """Remove what killed processes left in a folder that this process alone writes to, whatever its name.

    Args:
        folder: A folder that wordsight made; under it, that of TensorBoard and the like is not looked into.
    """
    if not folder.is_dir():
        return
    for left in (*folder.glob(".*.part"), *folder.glob(".tmp??????")):
        if left.is_dir():
            _remove_dead(left)
        else:
            # Files with such names are of other libraries and earlier versions, which put no folder around them.
            left.unlink(missing_ok=True)


def is_leftover(path: Path) -> bool:
    """Whether a path is named like something that is being written, or was left by a process that was killed."""
    return path.name.startswith(".") and (path.suffix in (".part", ".lock") or path.name.startswith(".tmp"))


def _remove_dead(part: Path) -> None:
    """Remove a part that nobody writes."""
    with suppress(OSError):
        recent = time.time() - part.stat().st_mtime < _LEFT_SECONDS
        if not part.is_dir():
            # An earlier version's, which held no lock.
            if not recent:
                part.unlink()
            return
        host = _HOST_OF.search(part.name)
        if host is not None and host[1] != HOST and recent:
            return
        if (lock := take(part)) is not None:
            shutil.rmtree(part, ignore_errors=True)
            let_go(lock)
