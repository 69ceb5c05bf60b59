"""Files as they are downloaded, packed or not: what is inside is read, whatever the file is called."""

from __future__ import annotations

import bz2
import gzip
import lzma
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO, cast

from wordsight.errors import InputError, listed

# Packings that nothing here opens.
_CLOSED = {b"\x28\xb5\x2f\xfd": "zstd", b"7z\xbc\xaf\x27\x1c": "7z", b"Rar!\x1a\x07": "rar"}


@contextmanager
def unpacked(path: Path) -> Iterator[BinaryIO]:
    """Open a file to be read from its start, through its packing (gzip, bzip2, xz, or a zip of one file) if it has one.

    Args:
        path: The file.

    Raises:
        InputError: When its packing is damaged, another one, or holds several files.
        OSError: When it can't be opened.
    """
    with path.open("rb") as plain:
        start = plain.read(8)
    for mark, kind in _CLOSED.items():
        if start.startswith(mark):
            raise InputError(f"is packed ({kind})", where=path, mend="unpack it first")
    try:
        with _opened(path, start) as file:
            yield file
    except (EOFError, zlib.error, lzma.LZMAError, zipfile.BadZipFile, gzip.BadGzipFile) as error:
        raise InputError(f"is damaged or cut off ({error})", where=path, mend="download it again") from error


def _opened(path: Path, start: bytes) -> BinaryIO:
    """The file through the packing that its first bytes tell of."""
    if start.startswith(b"\x1f\x8b"):
        return cast(BinaryIO, gzip.open(path))
    if start.startswith(b"BZh"):
        return cast(BinaryIO, bz2.open(path))
    if start.startswith(b"\xfd7zXZ\x00"):
        return cast(BinaryIO, lzma.open(path))
    return _only_member(path) if start.startswith(b"PK\x03\x04") else path.open("rb")


def _only_member(path: Path) -> BinaryIO:
    archive = zipfile.ZipFile(path)
    names = [name for name in archive.namelist() if not name.endswith("/") and not name.startswith("__MACOSX/")]
    if len(names) != 1:
        found = f"is a zip of {len(names):,} files ({listed(names)})" if names else "is an empty zip"
        raise InputError(found, where=path, mend="unpack it first, and give the one that is meant")
    try:
        return cast(BinaryIO, archive.open(names[0]))
    except (RuntimeError, NotImplementedError) as error:  # with a password, or packed in an unusual way
        raise InputError(f"can't be unpacked here ({error})", where=path, mend="unpack it first") from error
