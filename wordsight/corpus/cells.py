"""What a table's cell says: captions, labels, an image; in whichever way tables write lists and structs."""

from __future__ import annotations

import base64
import binascii
import math
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from wordsight.corpus.literals import BrokenLiteral, printed

# The field of a struct that holds its text, and its label: the first that is there.
_TEXT_FIELDS = (
    "raw", "caption", "captions", "text", "sentence", "sentences", "value", "content", "description", "phrase",
    "conversations", "messages",
)  # fmt: skip
_LABEL_FIELDS = ("label", "labels", "name", "class", "category", "text", "tag")
# Who answers in a conversation about an image; the other turns are questions.
_ANSWERS = ("gpt", "assistant", "model", "chatbot")
_SPEAKERS = (*_ANSWERS, "human", "user", "system")
_IMAGE_FIELDS = ("bytes", "image", "data")
_NAME_FIELDS = ("path", "file_name", "filename", "image_path", "url")

# What programs print in a cell where there is no value; "None" and "null" may be the name of a class.
_NO_LABEL = frozenset({"nan", "NaN", "<NA>", "NaT"})
_NO_CAPTION = _NO_LABEL | {"None", "null", "NULL"}

_DATA_URL = re.compile(r"data:image/[\w.+-]+(?:;[\w=.-]+)*;base64,", re.IGNORECASE)
_BASE64 = re.compile(r"[A-Za-z0-9+/_\s-]+={0,2}\s*")
# How image files begin: JPEG, PNG, GIF, RIFF (WebP), BMP, TIFF, JPEG 2000, and (further on) AVIF and HEIC.
_MAGIC = (b"\xff\xd8\xff", b"\x89PNG", b"GIF8", b"RIFF", b"BM", b"II*\0", b"MM\0*", b"\0\0\0\x0cjP")
_SHORTEST_BASE64 = 64
# The number of a caption after the image's name, in the token files of Flickr8k and Flickr30k.
_NUMBERED = re.compile(r"(.+\.\w{1,5})#\d+")


@dataclass(frozen=True)
class CellTexts:
    """What a cell of captions says.

    Args:
        found: The texts; an empty cell is one empty text, so that it is counted among those left out.
        refused: What is not text, in words, one for each.
    """

    found: tuple[str, ...]
    refused: tuple[str, ...] = ()


def is_empty(cell: Any) -> bool:
    """Whether a cell holds nothing.

    Examples:
        >>> is_empty(None), is_empty(float("nan")), is_empty("nan and naan")
        (True, True, False)
    """
    return cell is None or cell == "" or (isinstance(cell, float) and math.isnan(cell))


def texts(cell: Any) -> CellTexts:
    """The captions in a cell: one, a list, structs with a text (``raw``, ``caption``, ``value``, ...), a conversation.

    Lists and structs may be those of JSON, of the table's own format, or printed by Python or NumPy. Of a conversation
    the answers count.

    Examples:
        >>> texts('["a dog", "a cat"]').found
        ('a dog', 'a cat')
    """
    found: list[str] = []
    refused: list[str] = []
    for text in _all(_texts(cell)):
        if isinstance(text, str):
            found.append(text)
        else:
            refused.append(text.what)
    return CellTexts(tuple(found) if found or refused else ("",), tuple(refused))


def labels(cell: Any, names: Sequence[str] = ()) -> CellTexts:
    """The labels in a cell: one, a list, or several with ``|`` between them.

    Args:
        cell: The cell.
        names: What the classes are called whose numbers stand in the cell; a negative number is no class.
    """
    found: list[str] = []
    refused: list[str] = []
    for each in _all(_labels(cell, names)):
        if isinstance(each, str):
            found.extend(part.strip() for part in each.split("|"))
        else:
            refused.append(each.what)
    return CellTexts(tuple(dict.fromkeys(part for part in found if part and part not in _NO_LABEL)), tuple(refused))


def names(cell: Any) -> CellTexts:
    """The names in a cell, as of a class: one, or a list, each as it is written."""
    found = _all(_labels(cell, ()))
    return CellTexts(
        tuple(each.strip() for each in found if isinstance(each, str)),
        tuple(each.what for each in found if not isinstance(each, str)),
    )


def article(cell: Any) -> CellTexts:
    """The article in a cell, none or one: a text, or a list of its paragraphs."""
    said = texts(cell)
    whole = "\n\n".join(part for part in said.found if part != "")
    return CellTexts((whole,) if whole.strip() else (), said.refused)


def word(cell: Any) -> str | None:
    """What a cell of one plain value says, as a split's or an example's name; ``None`` where that is no such value."""
    if is_empty(cell):
        return ""
    if isinstance(cell, bytes):
        cell = _decoded(cell)
    if isinstance(cell, bool):
        return str(cell).lower()
    if isinstance(cell, float) and cell.is_integer():
        return str(int(cell))
    return str(cell).strip() if isinstance(cell, str | int | float) else None


def image(cell: Any) -> str | bytes | None:
    """The image in a cell: its file name, or its bytes.

    Bytes stand alone, in a struct as the datasets library stores them, in base64, or in a ``data:`` address. The number
    of a caption after a file's name (``a.jpg#0``) is no part of it.
    """
    if isinstance(cell, str):
        return _image_of_text(cell.strip())
    if isinstance(cell, bytearray | memoryview):
        cell = bytes(cell)
    if isinstance(cell, bytes):
        return cell or None
    if isinstance(cell, Mapping):
        for name in (*_IMAGE_FIELDS, *_NAME_FIELDS):
            if not is_empty(inner := cell.get(name)) and (found := image(inner)) is not None:
                return found
        return None
    if isinstance(cell, list | tuple) and len(cell) == 1:
        return image(cell[0])
    # A number is the name that an image without an ending has.
    return str(cell) if isinstance(cell, int) and not isinstance(cell, bool) else None


@dataclass(frozen=True)
class _NoText:
    what: str


def _all(found: Iterator[str | _NoText]) -> list[str | _NoText]:
    """What a cell says; lists within lists without end say nothing."""
    try:
        return list(found)
    except RecursionError:
        return [_NoText("nested too deeply")]


def _texts(cell: Any) -> Iterator[str | _NoText]:
    if is_empty(cell) or (isinstance(cell, str) and cell.strip() in _NO_CAPTION):
        yield ""
    elif isinstance(cell, str):
        yield from _of_text(cell, _texts)
    elif isinstance(cell, bytes):
        yield _decoded(cell) or _NoText(f"{len(cell):,} bytes")
    elif isinstance(cell, list | tuple):
        turns = [turn for turn in cell if isinstance(turn, Mapping) and _speaker(turn) in _SPEAKERS]
        answers = [turn for turn in turns if _speaker(turn) in _ANSWERS]
        if turns and not answers:
            yield _NoText("a conversation without an answer")
        for each in answers if turns else cell:
            yield from _texts(each)
    elif isinstance(cell, Mapping):
        inner = _field(cell, _TEXT_FIELDS)
        yield from [_no_field(cell)] if inner is None else _texts(inner)
    else:
        yield _NoText(f"{type(cell).__name__} {str(cell)[:60]}")


def _labels(cell: Any, names: Sequence[str]) -> Iterator[str | _NoText]:
    if is_empty(cell):
        return
    if isinstance(cell, str):
        yield from _of_text(cell, lambda inner: _labels(inner, names))
    elif isinstance(cell, list | tuple):
        for each in cell:
            yield from _labels(each, names)
    elif isinstance(cell, Mapping):
        inner = _field(cell, _LABEL_FIELDS)
        yield from [_no_field(cell)] if inner is None else _labels(inner, names)
    elif names and isinstance(cell, int | float) and not isinstance(cell, bool):
        # A negative number is how the datasets library writes that there is no label.
        if cell >= 0:
            yield names[int(cell)] if cell < len(names) else _NoText(f"class {cell} of {len(names)}")
    else:
        plain = word(cell)
        yield _NoText(f"{type(cell).__name__} {str(cell)[:60]}") if plain is None else plain


def _of_text(cell: str, read: Callable[[Any], Iterator[str | _NoText]]) -> Iterator[str | _NoText]:
    """A text as it stands, or what is printed in it."""
    try:
        found = printed(cell)
    except BrokenLiteral as error:
        yield _NoText(f"{error}: {cell.strip()[:80]}")
        return
    if isinstance(found, str):
        yield cell
    else:
        yield from read(found)


def _field(cell: Mapping[str, Any], names: Sequence[str]) -> Any:
    return next((cell[name] for name in names if not is_empty(cell.get(name))), None)


def _no_field(cell: Mapping[str, Any]) -> _NoText:
    return _NoText(f"a struct of {', '.join(map(str, list(cell)[:6])) or 'nothing'}")


def _speaker(turn: Mapping[str, Any]) -> str:
    said_by = turn.get("from", turn.get("role"))
    return said_by.lower() if isinstance(said_by, str) else ""


def _decoded(cell: bytes) -> str | None:
    try:
        return cell.decode("utf-8")
    except UnicodeDecodeError:
        return None


def _image_of_text(cell: str) -> str | bytes | None:
    if prefix := _DATA_URL.match(cell):
        return _unpacked(cell[prefix.end() :])
    if len(cell) >= _SHORTEST_BASE64 and _BASE64.fullmatch(cell):
        begin = _unpacked(cell[:_SHORTEST_BASE64])
        if begin is not None and (begin.startswith(_MAGIC) or begin[4:8] == b"ftyp"):
            return _unpacked(cell)
    if cell.startswith(("b'", 'b"', "{", "[")):
        try:
            found = printed(cell)
        except BrokenLiteral:
            return None
        return found if found == cell else image(found)
    if cell.startswith("<") and cell.endswith(">"):
        return None
    numbered = _NUMBERED.fullmatch(cell)
    return (numbered[1] if numbered else cell) or None


def _unpacked(text: str) -> bytes | None:
    """The bytes of base64, that of addresses included; writers differ in whether they fill it up with ``=``."""
    plain = "".join(text.split()).translate({ord("-"): "+", ord("_"): "/"}).rstrip("=")
    try:
        return base64.b64decode(plain + "=" * (-len(plain) % 4), validate=True)
    except (binascii.Error, ValueError):
        return None
