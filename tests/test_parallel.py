"""Several threads give what one gives, in its order, little ahead of its use; nothing runs on after an end."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Iterator

import pytest

from wordsight.parallel import cores, ordered_map, readers


def test_results_come_in_the_order_of_the_items_however_long_each_takes() -> None:
    def slow_first(number: int) -> int:
        time.sleep(0.02 if number % 5 == 0 else 0)
        return number * number

    assert list(ordered_map(slow_first, range(40), workers=4)) == [number * number for number in range(40)]
    assert list(ordered_map(slow_first, [], workers=4)) == []


def test_items_are_read_no_further_ahead_than_allowed() -> None:
    read = []

    def items() -> Iterator[int]:
        for number in range(100):
            read.append(number)
            yield number

    found = ordered_map(lambda number: number, items(), workers=2, ahead=5)
    assert not read, "nothing is read before the first result is asked for"
    for used in range(10):
        assert next(found) == used
        assert len(read) == used + 6
    found.close()  # type: ignore[attr-defined]
    assert len(read) == 15


def test_several_items_are_at_work_at_once() -> None:
    together = threading.Barrier(3, timeout=10)
    assert len(list(ordered_map(lambda _: together.wait(), range(3), workers=3))) == 3


def test_an_error_comes_at_its_place_and_ends_the_rest() -> None:
    begun = []

    def fails_at_3(number: int) -> int:
        begun.append(number)
        if number == 3:
            raise ValueError("three")
        time.sleep(0.02 if number > 3 else 0)
        return number

    found = ordered_map(fails_at_3, range(1000), workers=1, ahead=60)
    assert [next(found) for _ in range(3)] == [0, 1, 2]
    with pytest.raises(ValueError, match="three"):
        next(found)
    count = len(begun)
    assert count < 50, "what waits is cancelled"
    time.sleep(0.05)
    assert len(begun) == count


def test_an_error_of_the_items_ends_the_threads() -> None:
    def items() -> Iterator[int]:
        yield 1
        raise OSError("gone")

    with pytest.raises(OSError, match="gone"):
        list(ordered_map(lambda number: number, items(), workers=2, name="ends-too"))
    assert not [thread for thread in threading.enumerate() if thread.name.startswith("ends-too")]


def test_running_calls_can_be_cut_short_at_the_end() -> None:
    stop = threading.Event()

    def first_alone(number: int) -> int:
        if number:
            assert stop.wait(10), "the end does not wait for what would never end"
        return number

    found = ordered_map(first_alone, range(4), workers=2, ahead=2, cut_short=stop.set)
    assert next(found) == 0
    began = time.monotonic()
    found.close()  # type: ignore[attr-defined]
    assert time.monotonic() - began < 5


def test_each_thread_is_prepared() -> None:
    own = threading.local()

    def prepare() -> None:
        own.ready = True

    assert all(ordered_map(lambda _: own.ready, range(20), workers=3, prepare=prepare))


@pytest.mark.skipif(not hasattr(os, "sched_setaffinity"), reason="the system has no affinity of processes")
def test_cores_are_those_that_the_process_may_use() -> None:
    before = os.sched_getaffinity(0)
    try:
        os.sched_setaffinity(0, {min(before)})
        assert (cores(), readers()) == (1, 5)
    finally:
        os.sched_setaffinity(0, before)
    assert cores() == len(before)
