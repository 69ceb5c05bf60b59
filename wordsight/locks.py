"""Who is writing: locks that the kernel keeps, so that a process that was killed holds none.

A lock belongs to an open file (``flock``). It ends with the process, whatever ended that, and needs no clean-up.
Processes forked from its holder let go of it at once: a loader process that outlives a killed training holds nothing.
"""

from __future__ import annotations

import errno
import os
import platform
import re
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from wordsight.disk import clear_disk_errors
from wordsight.errors import InputError, setting

if sys.platform != "win32":
    import fcntl

# The machine's name as part of a file's: a lock is seen from other machines only where the file system says so.
HOST = re.sub(r"[^A-Za-z0-9-]", "-", platform.node())[:24] or "host"
# Seconds between two looks at what another process holds.
_AGAIN = 0.1
_held: set[int] = set()


def _forked() -> None:
    """A forked process lets go of what its parent holds; closing leaves the parent's lock as it is."""
    for descriptor in _held:
        with suppress(OSError):
            os.close(descriptor)
    _held.clear()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_forked)


def take(path: Path, *, make: bool = False) -> int | None:
    """Lock a file or folder, at once or not at all.

    Args:
        path: What is locked.
        make: Make the file where it is absent.

    Returns:
        What :func:`let_go` takes; None where another process holds it, or where it is not there any more.

    Raises:
        OSError: When it can't be opened.
    """
    try:
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT if make else os.O_RDONLY, 0o666)
    except FileNotFoundError:
        return None
    try:
        if _lock(descriptor) and _same(descriptor, path):
            _held.add(descriptor)
            return descriptor
    except BaseException:
        os.close(descriptor)
        raise
    os.close(descriptor)
    return None


def let_go(descriptor: int) -> None:
    """Give back what :func:`take` took."""
    if descriptor in _held:
        _held.discard(descriptor)
        os.close(descriptor)


@contextmanager
def sole_writer(out: Path, *, patience: float = 0.0) -> Iterator[None]:
    """Be the only process that makes ``out``; the lock is a file ``.NAME.lock`` beside it, removed at the end.

    Args:
        out: The folder that is made.
        patience: Seconds to wait for another process that is making it.

    Raises:
        InputError: When another process is making it.
    """
    place, descriptor = _waited(out, time.monotonic() + patience)
    try:
        yield
    finally:
        # Only its holder removes it, and whoever opened it before then finds that it is no longer there: see `take`.
        if descriptor in _held:
            with suppress(OSError):
                place.unlink()
        let_go(descriptor)


def _waited(out: Path, until: float) -> tuple[Path, int]:
    while True:
        try:
            return _taken(out.resolve(), out)
        except InputError:
            if time.monotonic() >= until:
                raise
        time.sleep(_AGAIN)


def _taken(resolved: Path, out: Path) -> tuple[Path, int]:
    place = resolved.with_name(f".{resolved.name}.lock")
    if resolved.is_dir() and not os.access(resolved.parent, os.W_OK):
        place = resolved / ".lock"
    with clear_disk_errors(out):
        place.parent.mkdir(parents=True, exist_ok=True)
        # A lock that its holder removed at this very moment is made anew.
        for _ in range(100):
            if (descriptor := take(place, make=True)) is not None:
                # For people alone: a disk that is full has room for a lock, and none for a word.
                with suppress(OSError):
                    os.truncate(descriptor, 0)
                    os.write(descriptor, f"process {os.getpid()} on {platform.node()}".encode())
                return place, descriptor
            with suppress(OSError):
                holder = place.read_text("utf-8", "replace")
                raise InputError(
                    f"is being written by another wordsight ({holder or 'just started'})",
                    where=out,
                    mend=f"wait until it has finished, or give another {setting('out')}",
                )
    raise InputError("can't be locked", where=out, mend=f"give another {setting('out')}")


def _lock(descriptor: int) -> bool:
    """Whether the lock is had. Where the file system knows no locks, nothing is refused."""
    if sys.platform == "win32":
        return True
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        if error.errno in (errno.ENOLCK, errno.ENOSYS, errno.EOPNOTSUPP, errno.EINVAL, errno.EBADF):
            return True
        if error.errno in (errno.EWOULDBLOCK, errno.EAGAIN, errno.EACCES):
            return False
        raise
    return True


def _same(descriptor: int, path: Path) -> bool:
    """Whether a path still names what was opened."""
    try:
        return os.path.samestat(os.fstat(descriptor), path.stat())
    except FileNotFoundError:
        return False
