"""Nearest words across two languages against a dictionary, on directions small enough to see."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from wordsight.errors import InputError
from wordsight.explain.words import word_space
from wordsight.explain.words.translation import translate
from wordsight.explain.words.word_space import WordSpace


def space(name: str, words: list[str], degrees: list[float], **more: Any) -> WordSpace:
    """Words in a plane, each in its direction."""
    turns = np.deg2rad(degrees)
    unit = np.stack([np.cos(turns), np.sin(turns)], axis=1).astype(np.float32)
    given: dict[str, Any] = {"head": name, "language": name, "common": True} | more
    return WordSpace(name, words=words, unit_KD=unit, images_K=np.arange(len(words)), **given)


EN = space("en", ["dog", "cat", "tree"], [0, 40, 90])
DE = space("de", ["hund", "baum", "katze", "haus"], [5, 80, 60, 50])
EN_LONG = space("long", [f"l{k}" for k in range(40)], [9.1 * k for k in range(40)])
PAIRS = [("dog", "hund"), ("cat", "katze"), ("tree", "baum"), ("tree", "wald")]


def test_precision_counts_words_with_a_translation_among_the_nearest() -> None:
    there, back = translate([EN, DE], PAIRS)
    # "haus" lies between "cat" and "katze".
    assert [(word.word, word.rank) for word in there.words] == [("dog", 1), ("cat", 2), ("tree", 1)]
    assert there.precision == {1: pytest.approx(200 / 3), 5: 100.0}
    assert (there.source, there.target, there.pairs, there.known, there.candidates) == ("en", "de", 4, 3, 4)
    assert [near.word for near in there.words[1].nearest[:2]] == ["haus", "katze"]
    assert [(word.word, word.rank) for word in back.words] == [("hund", 1), ("katze", 1), ("baum", 1)]
    assert back.candidates == 3


def test_chance_is_that_of_words_drawn_at_random() -> None:
    there, back = translate([EN, DE], PAIRS)
    assert there.chance == {1: pytest.approx(25), 5: 100.0}
    assert back.chance[1] == pytest.approx(100 / 3)
    many = space("de", [f"w{k}" for k in range(20)], list(range(20)))
    (one, _) = translate([EN, many], [("dog", "w3"), ("dog", "w7")])
    assert one.chance[1] == pytest.approx(10)
    # Of 190 pairs of 20 words, C(18, 5) of C(20, 5) draws of five hold neither.
    assert one.chance[5] == pytest.approx(100 * (1 - 8568 / 15504))


def test_any_of_several_translations_is_right() -> None:
    (there, _) = translate([EN, DE], [("cat", "katze"), ("cat", "haus")])
    assert [(word.wanted, word.rank) for word in there.words] == [(("katze", "haus"), 1)]


def test_words_that_are_near_everything_are_no_nearer_for_it() -> None:
    """CSLS by hand: with ten words in each language the one nearest tells how crowded a place is."""
    far = [170 + 2 * k for k in range(8)]
    english = space("en", ["dog", "of", *(f"e{k}" for k in range(8))], [0, 12, *far])
    # "und" is nearer to "dog" than "hund" is, but it is nearer still to another word, and "hund" to none.
    german = space("de", ["und", "hund", *(f"w{k}" for k in range(8))], [12, -15, *far])
    cos12, cos15 = np.cos(np.deg2rad([12, 15]))
    assert german.crowding(english, np.array([0, 1])) == pytest.approx([1, cos15], abs=1e-6)
    first, second = english.nearest(0, 2, german)
    assert (first.word, second.word) == ("hund", "und")
    assert (first.cosine, second.cosine) == pytest.approx((cos15, cos12), abs=1e-6)
    assert first.nearness == pytest.approx(2 * cos15 - cos15 - cos12, abs=1e-6)
    assert second.nearness == pytest.approx(2 * cos12 - 1 - cos12, abs=1e-6)
    assert not space("de", ["hund"], [5]).crowding(EN).any(), "too few words to tell"


def test_a_word_is_no_neighbour_of_itself() -> None:
    words = space("en", [f"e{k}" for k in range(10)], [3 * k * k for k in range(10)])
    assert words.crowding(words)[:2] == pytest.approx(np.cos(np.deg2rad([3, 3])), abs=1e-6)
    assert {near.word for near in words.nearest(0, 20)} == {f"e{k}" for k in range(1, 10)}


def test_equal_cosines_count_against_the_run() -> None:
    flat = space("de", ["hund", "katze", "baum"], [20, 20, 20])
    (there, _) = translate([EN, flat], [("dog", "baum")])
    assert there.words[0].rank == 3


def test_a_heading_of_languages_is_no_pair_and_languages_find_their_columns() -> None:
    (there, _) = translate([DE, EN], [("en", "de"), *PAIRS])
    assert (there.source, there.pairs) == ("en", 4)


def test_a_joint_vocabulary_without_languages_is_parted_by_the_dictionary() -> None:
    joint = space("words", ["dog", "hund", "cat", "katze", "sky"], [0, 5, 60, 65, 2], language="")
    there, back = translate([joint], PAIRS)
    # "sky" is nearer to "dog" than "hund" is, but in no column of the dictionary.
    assert there.precision[1] == back.precision[1] == 100
    assert there.candidates == 2
    assert (there.source, there.target) == ("words (first column)", "words (second column)")


def test_heads_with_hidden_layers_of_their_own_are_not_compared() -> None:
    apart = space("de", list(DE.words), [5, 80, 60, 50], common=False)
    with pytest.raises(InputError, match="hidden layers of their own"):
        translate([EN, apart], PAIRS)
    one_head = space("de", list(DE.words), [5, 80, 60, 50], common=False, head="en")
    assert translate([EN, one_head], PAIRS)[0].precision[5] == 100


def test_a_dictionary_of_unknown_words_is_refused_with_what_is_known() -> None:
    with pytest.raises(InputError, match=r"knows 1 of its first words \(en\) and 0 of its second"):
        translate([EN, DE], [("dog", "chien"), ("chat", "gato")])


def test_a_word_that_both_languages_spell_alike_is_no_pair_of_a_joint_vocabulary() -> None:
    joint = space("words", ["dog", "hund", "ball"], [0, 5, 60], language="")
    there, back = translate([joint], [("dog", "hund"), ("ball", "ball")])
    assert (there.known, back.known, there.pairs) == (1, 1, 2)
    assert [word.word for word in there.words] == ["dog"]
    assert translate([EN, space("de", ["hund", "dog"], [5, 80])], [("dog", "dog")])[0].known == 1


def test_a_word_in_both_columns_of_one_vocabulary_is_no_answer_to_itself() -> None:
    joint = space("words", ["ball", "kugel", "dance", "dog", "hund"], [0, 20, 80, 160, 165], language="")
    pairs = [("ball", "kugel"), ("dog", "hund"), ("dance", "ball"), ("ball", "ball")]
    there, _ = translate([joint], pairs)
    (ball,) = (word for word in there.words if word.word == "ball")
    assert (ball.rank, [near.word for near in ball.nearest]) == (1, ["kugel", "hund"])
    # Of three candidates "ball" is none to itself: one of two is right.
    (alone, _) = translate([joint], [("ball", "kugel"), ("dance", "ball")])
    assert alone.chance[1] == pytest.approx(100 * (1 / 1 + 1 / 2) / 2)
    first = space("a", ["ball", *(f"a{k}" for k in range(9))], [10 * k for k in range(10)], head="h")
    second = space("b", ["ball", *(f"b{k}" for k in range(9))], [10 * k + 5 for k in range(10)], head="h")
    own = replace(second, unit_KD=np.concatenate([first.unit_KD[:1], second.unit_KD[1:]]))
    assert first.crowding(own, np.array([0])) == pytest.approx([np.cos(np.deg2rad(15))], abs=1e-6)


def test_how_crowded_a_place_is_does_not_depend_on_blocks(monkeypatch: pytest.MonkeyPatch) -> None:
    words = space("en", [f"e{k}" for k in range(50)], [1.7 * k * k for k in range(50)])
    whole = words.crowding(EN_LONG)
    monkeypatch.setattr(word_space, "_BLOCK", 7)
    np.testing.assert_array_equal(words.crowding(EN_LONG), whole)


def test_the_list_and_the_place_agree_beyond_the_words_of_the_largest_cosines(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(word_space, "_CANDIDATES", 1)
    english = space("en", [f"e{k}" for k in range(30)], [12 * k for k in range(30)])
    german = space("de", [f"d{k}" for k in range(30)], [12 * k + (k % 5) for k in range(30)])
    for words in translate([english, german], [(f"e{k}", f"d{k}") for k in range(30)], most=30):
        for word in words.words:
            assert word.nearest[word.rank - 1].word == word.wanted[0]


def test_without_csls_the_largest_cosine_is_the_nearest() -> None:
    far = [170 + 2 * k for k in range(8)]
    english = space("en", ["dog", "of", *(f"e{k}" for k in range(8))], [0, 12, *far])
    german = space("de", ["und", "hund", *(f"w{k}" for k in range(8))], [12, -15, *far])
    assert [translate([english, german], [("dog", "hund")], csls=csls)[0].words[0].rank for csls in (True, False)] == [
        1,
        2,
    ]


def test_a_run_of_one_language_is_told_that_it_has_no_other() -> None:
    with pytest.raises(InputError, match=r"words of one language alone: en \(en\)"):
        translate([EN], PAIRS)
