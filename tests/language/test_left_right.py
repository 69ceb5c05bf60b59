"""Left and right change places in the caption of a mirrored picture, and nothing else does."""

from __future__ import annotations

import pytest

from wordsight.language.left_right import says_left_or_right, swap_left_right


@pytest.mark.parametrize(
    ("caption", "mirrored"),
    [
        ("a dog left of a cat", "a dog right of a cat"),
        ("Left: a man. RIGHT: his left hand.", "Right: a man. LEFT: his right hand."),
        ("the leftmost of three right-handed men", "the rightmost of three left-handed men"),
        ("from left to right", "from right to left"),
    ],
)
def test_sides_are_exchanged_in_their_own_case(caption: str, mirrored: str) -> None:
    assert swap_left_right(caption) == mirrored
    assert swap_left_right(mirrored) == caption and says_left_or_right(caption)


@pytest.mark.parametrize("caption", ["a bright clefted rock", "a righteous lefty", "an upright piano", ""])
def test_words_that_only_hold_the_letters_stay(caption: str) -> None:
    assert swap_left_right(caption) == caption and not says_left_or_right(caption)
