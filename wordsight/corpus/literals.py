"""Lists and structs as programs print them into a cell: JSON, Python's ``repr``, NumPy's arrays. Nothing is evaluated.

NumPy prints no commas between the items of an array (``['a dog' 'a cat']``), which Python reads as one glued string,
and leaves out the middle of a long one (``...``).
"""

from __future__ import annotations

import ast
import json
import re
from typing import Any

# What is printed starts with one of these; anything else is the text that it looks like.
_STARTS = re.compile(r"""\[|\{|\(|array\(|b['"]""")
# A list of texts or of structs: so begins no sentence.
_SURE = re.compile(r"""array\(\[|[\[{]\s*(?:array\(|b?['"\[{])""")
_ENDS = ("]", "}", ")", "'", '"')
# What Python, pandas and torch print of their own objects.
_OBJECT = re.compile(
    r"<[\w.]+ [^<>]*at 0x[0-9A-Fa-f]+>|<class '[\w.]+'>|<\w+Array>.*|tensor\(.*\)"
    r"|\w+\(.*, dtype='?\w+'?\)",
    re.DOTALL,
)
_LAST_OF_SERIES = re.compile(r"(?:Name: .*, )?(?:Length: \d+, )?dtype: \w+")
_TOKEN = re.compile(
    r"""\s*(?:(?P<text>[bu]?(?:'(?:[^'\\]|\\.)*'|"(?:[^"\\]|\\.)*"))"""
    r"|(?P<number>[-+]?(?:\d+\.?\d*(?:[eE][-+]?\d+)?|\.\d+|inf|nan)(?![\w]))"
    r"|(?P<word>None|null|True|true|False|false|NaN|NA|<NA>|NaT)(?![\w])"
    r"|(?P<cut>\.\.\.)|(?P<array>array\()|(?P<dtype>dtype=[^,()\[\]]*)|(?P<mark>[\[\](){},:]))",
    re.DOTALL,
)
_WORDS = {"True": True, "true": True, "False": False, "false": False}
_CLOSING = {"[": "]", "(": ")", "{": "}"}
# Deeper ones are nobody's captions; Python's own limit is not far off.
_DEEPEST = 40


class BrokenLiteral(ValueError):  # noqa: N818  # read as "except BrokenLiteral"
    """A cell that is a list or struct by its beginning, and can't be read as one."""


def printed(text: str) -> Any:
    """What a cell's text says: the list or struct that it prints, or the text itself.

    Args:
        text: The cell.

    Raises:
        BrokenLiteral: When it is plainly a list, a struct or another object of a program, but cut short or broken.
    """
    text = text.strip()
    first, _, last = text.rpartition("\n")
    if (first and _LAST_OF_SERIES.fullmatch(last)) or (not text.startswith("array(") and _OBJECT.fullmatch(text)):
        raise BrokenLiteral("the name of a program's object")
    if not _STARTS.match(text):
        return text
    try:
        found = json.loads(text)
    except (ValueError, RecursionError):
        pass
    else:
        return found if isinstance(found, list | dict) else text
    if not text.endswith(_ENDS):
        if _SURE.match(text):
            raise BrokenLiteral("a list that is cut short")
        return text
    try:
        return _Parser(text).whole()
    except _CutError as error:
        raise BrokenLiteral("a list that is cut short (...)") from error
    except (ValueError, SyntaxError) as error:
        if _SURE.match(text):
            raise BrokenLiteral("a list or struct that can't be read") from error
        return text


class _CutError(ValueError):
    pass


class _Parser:
    """One printed value, read from left to right."""

    def __init__(self, text: str) -> None:
        self._text, self._at = text, 0

    def whole(self) -> Any:
        value = self._value(0)
        if self._text[self._at :].strip():
            raise ValueError("more than one value")
        return value

    def _next(self) -> re.Match[str]:
        found = _TOKEN.match(self._text, self._at)
        if found is None:
            raise ValueError("no value")
        self._at = found.end()
        return found

    def _follows(self, mark: str) -> bool:
        """Take a mark if it comes next."""
        found = _TOKEN.match(self._text, self._at)
        if found is None or found["mark"] != mark:
            return False
        self._at = found.end()
        return True

    def _value(self, depth: int) -> Any:
        if depth > _DEEPEST:
            raise ValueError("too deep")
        token = self._next()
        if token["text"]:
            return ast.literal_eval(token["text"])
        if token["number"]:
            return float(token["number"]) if not re.fullmatch(r"[-+]?\d+", token["number"]) else int(token["number"])
        if token["word"]:
            return _WORDS.get(token["word"])
        if token["cut"]:
            raise _CutError
        if token["array"]:
            return self._array(depth)
        if (opening := token["mark"]) not in _CLOSING:
            raise ValueError("no value")
        return self._struct(depth) if opening == "{" else self._items(_CLOSING[opening], depth)

    def _array(self, depth: int) -> Any:
        """``array([...], dtype=object)``."""
        value = self._value(depth + 1)
        while self._follows(","):
            if not self._next()["dtype"]:
                raise ValueError("no dtype")
        if not self._follows(")"):
            raise ValueError("no end")
        return value

    def _items(self, closing: str, depth: int) -> list[Any]:
        """Values with commas or, as NumPy prints them, blanks between them."""
        found: list[Any] = []
        commas = 0
        while not self._follows(closing):
            found.append(self._value(depth + 1))
            commas += self._follows(",")
        if closing == ")" and found and not commas:
            raise ValueError("no tuple")
        return found

    def _struct(self, depth: int) -> Any:
        """``{key: value, ...}``; a set is a list."""
        if self._follows("}"):
            return {}
        first = self._value(depth + 1)
        if not self._follows(":"):
            self._follows(",")
            return [first, *self._items("}", depth)]
        found = {str(first): self._value(depth + 1)}
        while not self._follows("}"):
            if not self._follows(","):
                raise ValueError("no comma")
            if self._follows("}"):
                break
            key = self._value(depth + 1)
            if not self._follows(":"):
                raise ValueError("no colon")
            found[str(key)] = self._value(depth + 1)
        return found
