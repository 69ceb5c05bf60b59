"""Left and right in English captions, for views that are mirrored."""

from __future__ import annotations

import re

# "left", "right" and their compounds (leftmost, right-hand, rightwards); "lefty" and "righteous" are other words.
_SIDE = re.compile(r"\b(left|right)(?=(?:most|hand|handed|wards?|side)?\b)", re.IGNORECASE)
_OTHER = {"left": "right", "right": "left"}


def swap_left_right(caption: str) -> str:
    """A caption of the mirrored picture: left for right and right for left, in the case that they are written in.

    >>> swap_left_right("A dog to the left of a man with a ball in his RIGHT hand")
    'A dog to the right of a man with a ball in his LEFT hand'

    Whole words are exchanged, whatever they mean: that a train has left, or the right of way, is not told from the
    sides. Where such captions matter, leave the views of them unmirrored: :func:`says_left_or_right` finds them.

    Args:
        caption: An English caption.
    """
    return _SIDE.sub(lambda found: _as_written(_OTHER[found[0].lower()], found[0]), caption)


def says_left_or_right(caption: str) -> bool:
    """Whether an English caption has a word that :func:`swap_left_right` exchanges.

    Args:
        caption: The caption.
    """
    return _SIDE.search(caption) is not None


def _as_written(word: str, example: str) -> str:
    if example.isupper():
        return word.upper()
    return word.capitalize() if example[0].isupper() else word
