"""Two words of a caption change places: the same words, another text; drawn from the seed and the caption alone."""

from __future__ import annotations

import pytest

from wordsight.language.tagger import installed_packages
from wordsight.language.word_swaps import PARTS, swapped

pytestmark = pytest.mark.skipif(not installed_packages(), reason="the extra 'offline' is not installed")


def texts_of(caption: str, most: int = 50, seed: int = 0) -> list[str]:
    return [swap.text for swap in next(swapped([caption], most, seed))]


def test_nouns_adjectives_and_verbs_change_places_among_themselves() -> None:
    found = next(swapped(["A black dog chases a white cat."], 50))
    assert {(swap.text, swap.part) for swap in found} == {
        ("A black cat chases a white dog.", "noun"),
        ("A white dog chases a black cat.", "adjective"),
    }
    assert {swap.part for swap in found} <= set(PARTS)


def test_what_gives_no_other_text_is_no_choice() -> None:
    assert texts_of("A dog on it .") == []
    assert texts_of("A dog and a dog .") == [], "the same word twice"
    # Each other text once, and none that is the caption in other letters.
    some = texts_of("Dog dog cat and a bird")
    assert len({text.lower() for text in some}) == len(some)


def test_a_word_takes_the_capital_of_its_place() -> None:
    assert texts_of("Dogs bite men.") == ["Men bite dogs."]


def test_more_than_are_wanted_are_drawn_by_seed_and_caption_whatever_stands_beside_it() -> None:
    caption = "A man, a woman, a dog and a horse near a house"
    everything, some = texts_of(caption), texts_of(caption, 2)
    assert len(everything) > 4 and len(some) == 2 and set(some) < set(everything)
    assert [swap.text for swap in list(swapped(["a cat on a mat", caption], 2))[1]] == some
    assert len({tuple(texts_of(caption, 2, seed)) for seed in range(8)}) > 1
