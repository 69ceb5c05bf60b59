"""The lines of text files, read by one rule wherever the project reads text that came from outside.

Bytes become text by the file's mark (UTF-8, UTF-16, UTF-32), else by the encoding that was named, else as UTF-8. Packed
files (``.gz``) are unpacked on the way. A line ends at ``\\n``, ``\\r\\n`` or ``\\r`` and nowhere else: the other
characters at which ``str.splitlines`` splits stand in captions.
"""

from __future__ import annotations

import codecs
import gzip
import io
import zlib
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO, TextIO, cast

from wordsight.errors import InputError

DEFAULT = "utf-8-sig"
"""The encoding where none is named: UTF-8, with or without a mark."""

# The longer marks first: that of UTF-32 begins like that of UTF-16.
_MARKS = (
    (codecs.BOM_UTF32_LE, "utf-32"),
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF8, "utf-8-sig"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)
_GZIP = b"\x1f\x8b"
# So many bytes tell the encoding.
_HEAD = 4


def read_lines(path: Path, encoding: str = DEFAULT, what: str = "a text file") -> Iterator[str]:
    """Yield every line of a text file without its end, empty lines too.

    Args:
        path: The file.
        encoding: Of files without a mark.
        what: What the file should be, for error messages.

    Raises:
        InputError: When it is absent, can't be read, or is not in its encoding; after the lines before that.
    """
    with opened_text(path, encoding, what) as file:
        for line in file:
            yield line.rstrip("\r\n")


def read_text(path: Path, encoding: str = DEFAULT, what: str = "a text file") -> str:
    """The whole text of a file, with the line ends that it has.

    Args:
        path: The file.
        encoding: Of files without a mark.
        what: What the file should be, for error messages.

    Raises:
        InputError: When it is absent, can't be read, or is not in its encoding.
    """
    with opened_text(path, encoding, what) as file:
        return file.read()


def decoded(data: bytes, encoding: str = DEFAULT) -> str:
    """The text in the bytes of a whole file, where a reader has these: a member of a shard, a caption's own file.

    Args:
        data: The bytes.
        encoding: Of those without a mark.

    Raises:
        UnicodeDecodeError: When they are not in their encoding.
    """
    return data.decode(_encoding(data[:_HEAD], encoding))


def lines_of(text: str) -> list[str]:
    """The lines of a text, without their ends, by the rule of all files.

    Args:
        text: As it stands in a file.
    """
    return [line.rstrip("\r\n") for line in io.StringIO(text, newline="")]


@contextmanager
def opened_text(
    path: Path, encoding: str = DEFAULT, what: str = "a text file", mend: str | Sequence[str] = "save it as UTF-8"
) -> Iterator[TextIO]:
    """A text file as a stream of lines, each with its end as it stands.

    Args:
        path: The file.
        encoding: Of files without a mark.
        what: What the file should be, for error messages.
        mend: What helps where the bytes are not in that encoding.

    Raises:
        InputError: When it is absent, can't be read, or is not in its encoding.
    """
    try:
        codecs.lookup(encoding)
    except LookupError as error:
        raise InputError(f"unknown encoding {encoding!r}", expected="utf-8, latin-1, utf-16, ...") from error
    try:
        with _bytes(path) as raw:
            found = _encoding(raw.read(_HEAD), encoding)
            raw.seek(0)
            with io.TextIOWrapper(raw, encoding=found, newline="") as file:
                yield file
    except FileNotFoundError as error:
        raise InputError("no such file", where=path, expected=what) from error
    except UnicodeError as error:
        raise InputError(
            f"{_place(path, found)} is not {shown(found)}",
            where=path,
            mend=mend,
        ) from error
    except (OSError, EOFError, zlib.error) as error:
        raise InputError(f"can't be read ({error})", where=path, expected=what) from error


def ending_of(path: Path) -> str:
    """The ending that says what is in a file, in lower case: that before ``.gz`` where it is packed.

    Args:
        path: The file.
    """
    suffixes = [suffix.lower() for suffix in path.suffixes]
    return next((suffix for suffix in reversed(suffixes) if suffix != ".gz"), "")


def _bytes(path: Path) -> BinaryIO:
    with path.open("rb") as file:
        packed = file.read(len(_GZIP)) == _GZIP or path.suffix.lower() == ".gz"
    return cast(BinaryIO, gzip.open(path)) if packed else path.open("rb")


def _encoding(head: bytes, named: str) -> str:
    found = next((name for mark, name in _MARKS if head.startswith(mark)), named)
    if found == DEFAULT and len(head) > 1 and 0 in head[:2] and head[:2] != b"\0\0":
        # Text without a mark whose every second byte is zero, as some programs of Windows write it.
        return "utf-16-le" if head[1] == 0 else "utf-16-be"
    return found


def _place(path: Path, encoding: str) -> str:
    """Which line holds the first byte that can't be read: the decoder itself knows no more than its block."""
    decoder = codecs.getincrementaldecoder(encoding)()
    # Where a character may have the byte of a line's end in it, only the last line is known to be whole.
    wide = codecs.lookup(encoding).name.startswith(("utf-16", "utf-32"))
    number = 0
    with _bytes(path) as file:
        for number, line in enumerate(file, start=1):
            try:
                decoder.decode(line, not wide)
            except UnicodeDecodeError as error:
                return f"line {number}: byte 0x{error.object[error.start]:02x}"
    return f"line {number}: its end"


def shown(encoding: str) -> str:
    """An encoding's name as it stands in a message.

    Args:
        encoding: Its name in Python.
    """
    return encoding.removesuffix("-sig").upper()
