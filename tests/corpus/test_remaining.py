"""Names that were not met yet, told by the last part of them."""

from __future__ import annotations

from wordsight.corpus.remaining import Remaining


def test_the_last_part_of_a_name_is_told_wherever_it_stands() -> None:
    names = ["a", "b", "a", "c", "b", "a"]
    remaining = Remaining(names)
    assert len(remaining) == 3
    assert [remaining.is_last(name) for name in names] == [False, False, False, True, True, True]
    assert not remaining.is_last("d")


def test_names_are_counted_once_and_can_come_by_again() -> None:
    counted = Remaining(["a", "a"])
    for _ in range(2):
        remaining = counted.again()
        assert [remaining.is_last("a"), remaining.is_last("a")] == [False, True]


def test_no_names_are_none() -> None:
    assert len(Remaining([])) == 0
    assert not Remaining([]).is_last("a")
