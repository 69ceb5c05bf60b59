"""Left and right in English captions, for views that are mirrored. Captions of other languages are left alone."""

from __future__ import annotations

import re

import numpy as np
from numpy.typing import NDArray

from wordsight.corpus.store import Corpus

# "left", "right" and their compounds (leftmost, right-hand, rightwards); "lefty" and "righteous" are other words.
_SIDE = re.compile(r"\b(left|right)(?=(?:most|hand|handed|wards?|side)?\b)", re.IGNORECASE)
_OTHER = {"left": "right", "right": "left"}


def swap_left_right(caption: str) -> str:
    """A caption of the mirrored picture: left for right and right for left, in the case that they are written in.

    >>> swap_left_right("A dog to the left of a man with a ball in his RIGHT hand")
    'A dog to the right of a man with a ball in his LEFT hand'

    Whole words are exchanged, whatever they mean: that a train has left, or the right of way, is not told from the
    sides: of either the mirrored picture shows the same.

    Args:
        caption: An English caption.
    """
    return _SIDE.sub(lambda found: _as_written(_OTHER[found[0].lower()], found[0]), caption)


def says_left_or_right(caption: str) -> bool:
    """Whether an English caption has a word that :func:`swap_left_right` exchanges.

    Args:
        caption: The caption.
    """
    # Looking for letters is several times quicker than the pattern, and few captions have these.
    small = caption.lower()
    return ("left" in small or "right" in small) and _SIDE.search(caption) is not None


def may_be_english(language: str) -> bool:
    """Whether captions that are said to be in a language may be English: it is, or it is not said.

    >>> [may_be_english(language) for language in ("", "en", "en-GB", "English", "de")]
    [True, True, True, True, False]

    Args:
        language: The language, as a corpus says it.
    """
    return language.lower() in ("", "eng", "english") or re.match(r"en\b|en_", language.lower()) is not None


def sided_examples(corpus: Corpus, examples: NDArray[np.int64]) -> NDArray[np.bool_]:
    """Which examples of a corpus have an English caption that says left or right, ``[len(corpus)]``.

    Args:
        corpus: The captions.
        examples: Those to look at; of others it is False.
    """
    sided_N = np.zeros(len(corpus), bool)
    for example, number, caption in corpus.caption_iter(examples):
        if says_left_or_right(caption) and may_be_english(corpus.languages(example)[number]):
            sided_N[example] = True
    return sided_N


def _as_written(word: str, example: str) -> str:
    if example.isupper():
        return word.upper()
    return word.capitalize() if example[0].isupper() else word
