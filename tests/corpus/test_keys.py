"""Ids of two files meet where they mean the same number or name."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from wordsight.corpus.keys import check_meeting, key_of
from wordsight.errors import InputError

HERE, THERE = Path("captions.json"), Path("instances.json")


@pytest.mark.parametrize("written", [1, 1.0, "1", " 1 ", "1.0", "1.00", "000001"])
def test_a_number_is_one_id_however_it_is_written(written: Any) -> None:
    assert key_of(written) == 1


@pytest.mark.parametrize(
    ("value", "key"),
    [
        ("a.jpg", "a.jpg"), (" a.jpg ", "a.jpg"), ("1e3", "1e3"), ("1.5", "1.5"), ("\u0661", "\u0661"),
        ("9" * 30, "9" * 30), (-7, -7), ("-7", -7), (0, 0),
        (1.5, None), (float("nan"), None), (float("inf"), None), (True, None), (None, None), ([1], None), ("", None),
    ],
)  # fmt: skip
def test_names_stay_names_and_nothing_is_no_id(value: Any, key: Any) -> None:
    assert key_of(value) == key


@pytest.mark.parametrize(
    ("here", "there"), [([], [1]), ([1], []), ([1, 2], [2, 3]), (range(1_000), [7]), ([7], range(1_000))]
)
def test_files_that_tell_of_some_of_the_same_images_meet(here: Any, there: Any) -> None:
    check_meeting(here, there, "captions", HERE, THERE)


def test_when_next_to_nothing_matches_one_of_each_is_shown() -> None:
    with pytest.raises(InputError, match="none of its 2 images is in instances.json; .*: one here is 'a', one there 1"):
        check_meeting(["a", "b"], [1, 2, 3], "images", HERE, THERE)
    what = "only 2 of the 100 images that its captions are of is in its list of images; .* here is 2, one there 200"
    with pytest.raises(InputError, match=what):
        check_meeting(range(100), [0, 1, *range(200, 300)], "captions", HERE, HERE)
