"""What the disk refuses, as one clear line: no room, no permission, no such place."""

from __future__ import annotations

import errno
import os
import re
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from wordsight.errors import InputError

# Libraries written in Rust (safetensors, tokenizers) pass the system's number on in their text alone.
_RUST = re.compile(r"\(os error (\d+)\)")
# numpy's `tofile` gives no number for a write that stopped half-way.
_CUT_SHORT = re.compile(r"\d+ requested and \d+ written")


def disk_error(error: BaseException, target: Path | str) -> InputError | None:
    """The clear line for an error while a file was written; None where the disk is not to blame.

    Args:
        error: What was raised.
        target: The file or folder that a person knows of.
    """
    number = _number(error)
    if number in (errno.ENOSPC, errno.EDQUOT):
        return InputError("the disk is full", where=target, mend="free some space and run the same command again")
    if number == errno.EFBIG:
        mend = "raise the limit on file sizes (ulimit -f)"
        return InputError("a file grew larger than allowed", where=target, mend=mend)
    if number in (errno.EACCES, errno.EROFS, errno.EPERM):
        return InputError("can't be written", where=target, expected="a folder that you may write to")
    if number in (errno.ENOTDIR, errno.EEXIST, errno.EISDIR, errno.ENAMETOOLONG):
        reason = error.strerror if isinstance(error, OSError) else str(error)
        return InputError(f"can't be written ({reason})", where=target, expected="a folder, or room for one")
    return None


def refused(error: BaseException) -> InputError | None:
    """The clear line for what the system refused anywhere; None where the error is another.

    Args:
        error: What was raised, wherever a file was read or written.
    """
    number = _number(error)
    where = getattr(error, "filename", None)
    if number in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG):
        return disk_error(error, str(where or tempfile.gettempdir()))
    if number in (errno.EACCES, errno.EPERM, errno.EROFS):
        return InputError(f"{os.strerror(number)}", where=where, expected="a file or folder that you may use")
    if number in (errno.EMFILE, errno.ENFILE):
        return InputError("too many files are open", where=where, mend="raise the limit (ulimit -n 65536)")
    if number == errno.EIO:
        return InputError("the disk can't be read or written (input/output error)", where=where, mend="check the disk")
    return None


def unreadable(error: OSError, where: Path | str, *, absent: str | None = None) -> InputError:
    """The clear line for a file that could not be read: what is not there and what may not be read are two things.

    Args:
        error: What was raised.
        where: The file or folder.
        absent: How to mend it where there is none.
    """
    if isinstance(error, FileNotFoundError | NotADirectoryError):
        return InputError("is not there", where=where, mend=absent)
    if isinstance(error, PermissionError):
        return InputError("can't be read: permission denied", where=where, expected="a file that you may read")
    return InputError(f"can't be read ({error.strerror or error})", where=where)


def check_readable(file: Path, *, absent: str | None = None) -> None:
    """Open a file, before a library does that takes what may not be read for what is not there (safetensors).

    Args:
        file: The file.
        absent: How to mend it where there is none.

    Raises:
        InputError: When it is absent or can't be read.
    """
    try:
        with file.open("rb"):
            pass
    except OSError as error:
        raise unreadable(error, file, absent=absent) from error


@contextmanager
def clear_disk_errors(target: Path | str) -> Iterator[None]:
    """Raise what the disk refuses within as one clear line about ``target``."""
    try:
        yield
    except InputError:
        raise
    except Exception as error:
        if (clear := disk_error(error, target)) is not None:
            raise clear from error
        raise


def _number(error: BaseException) -> int | None:
    """The system's error number, wherever a library put it."""
    if isinstance(error, OSError) and error.errno is not None:
        return error.errno
    if isinstance(error, OSError) and _CUT_SHORT.search(str(error)):
        return errno.ENOSPC
    found = _RUST.search(str(error))
    return None if found is None else int(found[1])
