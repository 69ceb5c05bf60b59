"""Captions are counted in tokens, cleaned of line breaks, kept once, and refused with a reason."""

from __future__ import annotations

import pytest

from wordsight.corpus.captions import check_captions, count_tokens
from wordsight.corpus.example import Spoken


def unsaid(*captions: str) -> Spoken:
    """Captions whose language nobody says."""
    return tuple((caption, "") for caption in captions)


@pytest.mark.parametrize(
    ("caption", "tokens"),
    [
        ("a dog runs", 3),
        ("A dog runs .", 4),
        ("A dog, running!", 5),
        ("", 0),
        ("Der Mann trägt eine orange Wollmütze.", 7),
        ("一只狗在跑", 5),
        ("犬 is a dog", 4),
        ("the dog's ball", 5),
    ],
)
def test_words_and_marks_are_counted_as_bert_splits_them(caption: str, tokens: int) -> None:
    assert count_tokens(caption) == tokens


def test_captions_of_3_to_25_tokens_are_kept() -> None:
    of = {n: " ".join(f"w{k}" for k in range(n)) for n in (2, 3, 25, 26)}
    kept, rejected = check_captions("x", unsaid(*of.values()), 3, 25)
    assert kept == (unsaid(of[3], of[25]))
    assert [each.reason for each in rejected] == ["caption too short", "caption too long"]
    assert all(each.id == "x" and each.kind == "caption" for each in rejected)


def test_a_repeated_caption_is_kept_once() -> None:
    kept, rejected = check_captions("x", unsaid("a dog runs", "a  dog runs ", "a cat sits"), 3, 25)
    assert kept == unsaid("a dog runs", "a cat sits")
    assert [each.reason for each in rejected] == ["repeated caption"]


def test_empty_captions_are_counted_as_empty() -> None:
    kept, rejected = check_captions("x", unsaid("", " \t\n"), 3, 25)
    assert kept == ()
    assert [each.reason for each in rejected] == ["empty caption", "empty caption"]


def test_line_breaks_and_tabs_become_blanks() -> None:
    assert check_captions("x", unsaid("a dog\nruns\tfast"), 3, 25)[0] == unsaid("a dog runs fast")


def test_the_same_words_in_two_languages_are_two_captions() -> None:
    spoken = (("Hand in Hand", "de"), ("Hand in Hand", "en"), ("Hand  in Hand", "de"), ("in Hand", "en"))
    kept, rejected = check_captions("x", spoken, 3, 25)
    assert kept == spoken[:2]
    assert [each.reason for each in rejected] == ["repeated caption", "caption too short"]
