"""Texts wait in a queue, first in, first out; the nearest is neither an image's own nor one that reads like it."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch.nn import functional

from wordsight.objectives.text_queue import TextQueue


def unit(*rows: Sequence[float]) -> torch.Tensor:
    return functional.normalize(torch.tensor(rows, dtype=torch.float32), dim=1)


def filled() -> TextQueue:
    """Four places: texts 1 and 2 of example 7, text 3 of example 8; one place is empty."""
    queue = TextQueue(4, 2)
    queue.push(unit([1, 0], [0.9, 0.1], [0, 1]), torch.tensor([7, 7, 8]), torch.tensor([1, 2, 3]))
    return queue


def test_the_oldest_leave_first() -> None:
    queue = filled()
    assert queue.text_Q.tolist() == [1, 2, 3, -1] and queue.example_Q.tolist() == [7, 7, 8, -1]
    queue.push(unit([1, 1], [1, 2], [1, 3]), torch.tensor([4, 5, 6]), torch.tensor([4, 5, 6]))
    assert queue.text_Q.tolist() == [5, 6, 3, 4] and int(queue.next) == 2
    torch.testing.assert_close(queue.vectors_QZ[0], unit([1, 2])[0])
    queue.push(unit(*[[1, number] for number in range(1, 7)]), torch.arange(6), torch.arange(10, 16))
    assert sorted(queue.text_Q.tolist()) == [12, 13, 14, 15]


def test_the_nearest_text_is_neither_the_image_s_own_nor_one_that_reads_like_it() -> None:
    queue = filled()
    # Image 0 is a new example; image 1 is example 7; image 2 has a caption that reads as text 1.
    found = queue.nearest(
        unit([1, 0.02], [1, 0], [1, 0]),
        torch.tensor([0, 1, 2]),
        torch.tensor([5, 7, 6]),
        torch.tensor([[20, 21], [1, -1], [22, 1]]),
    )
    assert found.place_T.tolist() == [0, 2, 1] and found.found_T.all()
    assert found.negative_BT.tolist() == [[True, True, True], [False, True, False], [False, True, True]]


def test_a_text_has_no_nearest_where_the_queue_holds_none_of_another_image() -> None:
    empty = TextQueue(3, 2).nearest(unit([1, 0]), torch.tensor([0]), torch.tensor([5]), torch.tensor([[1]]))
    assert not empty.found_T.any()
    own = filled().nearest(unit([1, 0]), torch.tensor([0]), torch.tensor([7]), torch.tensor([[3]]))
    assert not own.found_T.any()
