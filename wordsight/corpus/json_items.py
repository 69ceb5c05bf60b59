"""The items of a long JSON list, one at a time: memory holds one of them, however long the list is."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from wordsight.errors import InputError

_MARK = b"\xef\xbb\xbf"
_PACKED = (b"PK", b"\x1f\x8b")


def json_items(path: Path, expected: str) -> Iterator[Any]:
    """Yield the items of a JSON file that holds a list.

    Args:
        path: The file.
        expected: Its layout, for error messages.

    Raises:
        InputError: When the file can't be read, holds no list, or is broken somewhere: after the items before that.
    """
    import ijson

    number = 0
    try:
        with path.open("rb") as file:
            head = file.read(64)
            start = len(_MARK) if head.startswith(_MARK) else 0
            if not head[start:].lstrip().startswith(b"["):
                mend = "unpack it first" if head.startswith(_PACKED) else None
                raise InputError("is no JSON list", where=path, expected=expected, mend=mend)
            file.seek(start)
            for item in ijson.items(file, "item", use_float=True):
                yield item
                number += 1
    except FileNotFoundError as error:
        raise InputError("no such file", where=path, expected=expected) from error
    except ijson.JSONError as error:
        found = f"broken JSON after {number:,} entries ({_first_line(error)})"
        raise InputError(found, where=path, mend="download it again") from error
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(f"can't be read ({error})", where=path, expected=expected) from error


def _first_line(error: Exception) -> str:
    """The parser's message; what follows its first line is an excerpt of the file."""
    message = error.args[0] if error.args else ""
    text = message.decode("utf-8", "replace") if isinstance(message, bytes) else str(message)
    return (text.splitlines() or [""])[0].strip().removeprefix("parse error: ") or "it ends too early"
