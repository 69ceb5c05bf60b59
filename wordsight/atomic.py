"""Files and folders that appear whole or not at all.

Everything is written beside its target and renamed into place, so that a killed process, a full disk or Ctrl-C leaves
the old content or the new one, never half of one.
"""

from __future__ import annotations

import ctypes
import errno
import json
import os
import shutil
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from wordsight.errors import InputError


def _disk_error(error: OSError, target: Path) -> InputError | None:
    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        return InputError("the disk is full", where=target, mend="free some space and run the same command again")
    if error.errno in (errno.EACCES, errno.EROFS, errno.EPERM):
        return InputError("can't be written", where=target, expected="a folder that you may write to")
    if error.errno in (errno.ENOTDIR, errno.EEXIST, errno.EISDIR, errno.ENAMETOOLONG):
        return InputError(f"can't be written ({error.strerror})", where=target, expected="a folder, or room for one")
    return None


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
def atomic_file(target: Path) -> Iterator[Path]:
    """Yield a path to write to; on a clean exit it becomes ``target``, otherwise it is removed.

    Args:
        target: The file to make or replace. Its folder is made where it is absent.

    Raises:
        InputError: When the disk is full or the folder can't be written to.
    """
    beside = target
    try:
        _make(target.parent)
        handle, name = tempfile.mkstemp(prefix=f".{target.name}.", suffix=".part", dir=target.parent)
        os.close(handle)
        beside = Path(name)
        beside.chmod(0o644)  # mkstemp makes private files; a result is as readable as any other
        yield beside
        _sync(beside)
        beside.replace(target)
    except OSError as error:
        if (clear := _disk_error(error, target)) is not None:
            raise clear from error
        raise
    finally:
        if beside != target:
            beside.unlink(missing_ok=True)


@contextmanager
def atomic_folder(target: Path, *, overwrite: bool = False) -> Iterator[Path]:
    """Yield a folder to fill; on a clean exit it becomes ``target``, otherwise it is removed.

    Args:
        target: The folder to make.
        overwrite: Whether a folder that is there already is replaced.

    Raises:
        InputError: When ``target`` exists and ``overwrite`` is false, the disk is full or the place is not writable.
    """
    refuse_existing(target, overwrite=overwrite)
    beside: Path | None = None
    try:
        _make(target.parent)
        _sweep(target)
        beside = Path(tempfile.mkdtemp(prefix=f".{target.name}.{os.getpid()}.", suffix=".part", dir=target.parent))
        beside.chmod(0o755)
        yield beside
        for file in beside.rglob("*"):
            if file.is_file():
                _sync(file)
        _swap(beside, target)
    except OSError as error:
        if (clear := _disk_error(error, target)) is not None:
            raise clear from error
        raise
    finally:
        if beside is not None:
            shutil.rmtree(beside, ignore_errors=True)


def refuse_existing(target: Path, *, overwrite: bool = False) -> None:
    """Raise when an output folder is there already, holds something, and was not said to be replaced."""
    if overwrite or not target.exists():
        return
    if not target.is_dir():
        raise InputError("is a file", where=target, expected="a folder to make", mend="give another --out")
    if any(target.iterdir()):
        raise InputError("exists already", where=target, mend="give another --out, or --overwrite true to replace it")


def write_text(target: Path, text: str) -> None:
    """Write a UTF-8 text file atomically."""
    with atomic_file(target) as beside:
        beside.write_text(text, encoding="utf-8")


def write_json(target: Path, content: Any) -> None:
    """Write JSON atomically, indented, keys in the order given."""
    write_text(target, json.dumps(content, indent=2, ensure_ascii=False) + "\n")


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


def _sweep(target: Path) -> None:
    """Remove what killed processes left beside ``target``; what a living one is writing stays.

    The one window in which a kill leaves no target (between the two renames of :func:`_swap`) is mended here too.
    """
    for old in sorted(target.parent.glob(f".{target.name}.*.old")):
        if target.exists():
            shutil.rmtree(old, ignore_errors=True)
        else:
            old.replace(target)
    for part in target.parent.glob(f".{target.name}.*.part"):
        fields = part.name[len(target.name) + 2 :].split(".")
        if part.is_dir() and fields[0].isdigit() and not _alive(int(fields[0])):
            shutil.rmtree(part, ignore_errors=True)


def _alive(process: int) -> bool:
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True
