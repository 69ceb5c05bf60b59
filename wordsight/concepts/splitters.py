"""Words of a caption in any language: what `words` and `ngrams` count, and where each stands.

A new splitter is a function here and a line in ``SPLITTERS``.
"""

from __future__ import annotations

import logging
import re
import unicodedata
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from functools import cache
from importlib.metadata import version
from importlib.util import find_spec
from itertools import accumulate
from typing import Any, Literal

import regex

from wordsight.errors import InputError, setting, unknown

_PACKAGES = ("jieba", "janome")
Places = tuple[list[str], list[int], list[int]]
SplitterName = Literal["unicode", "characters", "jieba", "janome"]

# A word is letters, the marks that belong to them, and digits. Of what follows an apostrophe only English contractions
# ("don't", "they're") stay with the word; a genitive's "'s" is left out, also where it stands apart because captions
# were tokenised before, and "l'homme" is two words.
_CONTRACTED = r"{apostrophe}(?i:t|re|ve|ll|d|m)(?!{more})"
_APART = r"(?<={apostrophe})(?i:t|re|ve|ll|d|m|s)(?!{more})"
_WORD = rf"(?<!{{more}})(?!{_APART}){{first}}{{more}}*(?:{_CONTRACTED})?"
_GENITIVE = r"(?:{apostrophe}(?i:s)(?!{more}))?"
# Scripts that set no blanks between words (Chinese, Japanese kana, Thai, Lao, Khmer, Burmese): each letter counts.
_UNSPACED = r"\p{Han}\u3040-\u30ff\u31f0-\u31ff\p{Thai}\p{Lao}\p{Khmer}\p{Myanmar}"
_SPACED = {
    "first": rf"[[\p{{L}}\p{{N}}]--[{_UNSPACED}]]",
    # Indic scripts and Persian join letters with two signs of no width.
    "more": rf"[[\p{{L}}\p{{M}}\p{{N}}\u200c\u200d]--[{_UNSPACED}]]",
    "apostrophe": "['’]",
}
_ASCII = {"first": "[A-Za-z0-9]", "more": "[A-Za-z0-9]", "apostrophe": "'"}
_GRAPHEME = r"[\p{L}\p{N}]\p{M}*"
_EACH = rf"(?V1)[[\p{{L}}\p{{N}}]&&[{_UNSPACED}]]\p{{M}}*"

_plain = re.compile("([A-Za-z0-9]+)")
_ascii = re.compile(f"({_WORD.format(**_ASCII)}){_GENITIVE.format(**_ASCII)}")
_unicode = regex.compile(f"({_EACH}|{_WORD.format(**_SPACED)}){_GENITIVE.format(**_SPACED)}")
_grapheme = regex.compile(f"({_GRAPHEME})")


@dataclass(frozen=True)
class Splitter:
    """How a text is cut into words.

    Args:
        words: The words of a text, as they are written.
        places: The same, with the first character of each, and one past its last.
    """

    words: Callable[[str], list[str]]
    places: Callable[[str], Places]


def normal(word: str) -> str:
    """A word as concepts are named: lower case, accents composed (NFC), one kind of apostrophe.

    Examples:
        >>> normal("Stra\u00dfe")
        'straße'
    """
    return unicodedata.normalize("NFC", word.lower()).replace("’", "'")


def splitter(name: str) -> Splitter:
    """The splitter of a name in ``SPLITTERS``.

    Raises:
        InputError: When there is none of this name, or its package is not installed.

    Examples:
        >>> splitter("unicode").words("A dog's ball, and two cats.")
        ['A', 'dog', 'ball', 'and', 'two', 'cats']
    """
    if name not in SPLITTERS:
        raise unknown("splitter", name, SPLITTERS)
    return SPLITTERS[name]()


def splitter_version(name: str) -> str:
    """The version of the package that a splitter reads its dictionary from; "" for one that needs none.

    Raises:
        InputError: When the package is not installed.
    """
    if name not in _PACKAGES:
        return ""
    _require(name)
    return f"{name} {version(name)}"


@cache
def _unicode_words() -> Splitter:
    def words(text: str) -> list[str]:
        # Python's own expressions are several times as fast, and know the letters of ASCII texts.
        if not text.isascii():
            return list(_unicode.findall(text))
        return (_ascii if "'" in text else _plain).findall(text)

    def places(text: str) -> Places:
        if not text.isascii():
            return _places(_unicode, text)
        if "'" in text:
            return _places(_ascii, text)
        # Blank, word, blank, word, ..., blank: the ends of one are the starts of the next.
        parts = _plain.split(text)
        ends = list(accumulate(map(len, parts)))
        return parts[1::2], ends[:-1:2], ends[1::2]

    return Splitter(words, places)


@cache
def _characters() -> Splitter:
    return Splitter(_grapheme.findall, lambda text: _places(_grapheme, text))


def _places(pattern: Any, text: str) -> Places:
    """The words of a pattern with one group, and where they stand."""
    found = [(one[1], *one.span(1)) for one in pattern.finditer(text)]
    return [word for word, _, _ in found], [start for _, start, _ in found], [end for _, _, end in found]


@cache
def _jieba() -> Splitter:
    """Chinese words, by a dictionary and a hidden Markov model."""
    _require("jieba")
    import jieba

    jieba.setLogLevel(logging.WARNING)
    cut = jieba.Tokenizer()
    return _of_package(cut.tokenize)


@cache
def _janome() -> Splitter:
    """Japanese words, by a dictionary."""
    _require("janome")
    from janome.tokenizer import Tokenizer

    cut = Tokenizer(wakati=True)

    def placed(text: str) -> Iterator[tuple[str, int, int]]:
        end = 0
        for word in cut.tokenize(text):
            start = text.index(word, end)
            end = start + len(word)
            yield word, start, end

    return _of_package(placed)


def _of_package(placed: Callable[[str], Iterable[tuple[str, int, int]]]) -> Splitter:
    """A splitter of a package: its words, without punctuation and blanks."""

    def places(text: str) -> Places:
        found = [(word, start, end) for word, start, end in placed(text) if any(map(str.isalnum, word))]
        return [word for word, _, _ in found], [start for _, start, _ in found], [end for _, _, end in found]

    return Splitter(lambda text: places(text)[0], places)


def _require(package: str) -> None:
    if find_spec(package) is None:
        raise InputError(
            f"the package {package} is not installed",
            where=setting("splitter", package),
            mend=f"pip install 'wordsight[splitters]', or give {setting('splitter', 'unicode')}",
        )


SPLITTERS: dict[str, Callable[[], Splitter]] = {
    "unicode": _unicode_words,
    "characters": _characters,
    "jieba": _jieba,
    "janome": _janome,
}
