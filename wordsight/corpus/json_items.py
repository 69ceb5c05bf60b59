"""JSON files, packed or not: what one holds, or the items of a long list one at a time."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from wordsight.corpus.json_depth import DepthGuard
from wordsight.corpus.packed import unpacked
from wordsight.errors import InputError

_MARK = b"\xef\xbb\xbf"


def json_content(path: Path, expected: str, parse_float: Callable[[str], Any] | None = None) -> Any:
    """What a JSON file holds.

    Args:
        path: The file.
        expected: Its layout, for error messages.
        parse_float: What a number with a decimal point becomes, from its digits.

    Raises:
        InputError: When it can't be read, is not in UTF-8, or is not JSON.
    """
    try:
        with unpacked(path) as file:
            return json.loads(DepthGuard(file, path).read().decode("utf-8-sig"), parse_float=parse_float)
    except FileNotFoundError as error:
        raise InputError("no such file", where=path, expected=expected) from error
    except UnicodeDecodeError as error:
        raise InputError(f"byte {error.start:,} is not UTF-8", where=path, mend="save it as UTF-8") from error
    except InputError:
        raise
    except (OSError, ValueError, RecursionError) as error:
        raise InputError(f"can't be read ({error})", where=path, expected=expected) from error


def json_items(path: Path, expected: str) -> Iterator[Any]:
    """Yield the items of a JSON file that holds a list: memory holds one of them, however long the list is.

    Args:
        path: The file.
        expected: Its layout, for error messages.

    Raises:
        InputError: When the file can't be read, holds no list, or is broken somewhere: after the items before that.
    """
    import ijson

    number = 0
    try:
        with unpacked(path) as file:
            head = file.read(64)
            start = len(_MARK) if head.startswith(_MARK) else 0
            if not head[start:].lstrip().startswith(b"["):
                raise InputError("is not a JSON list", where=path, expected=expected)
            file.seek(start)
            for item in ijson.items(DepthGuard(file, path), "item", use_float=True):
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
