"""Small problems are solved on one thread, large ones on all."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
import torch

from wordsight.evaluation.solvers.threads import threads_for


@pytest.fixture(autouse=True)
def _two_threads() -> Iterator[None]:
    before = torch.get_num_threads()
    torch.set_num_threads(2)
    yield
    torch.set_num_threads(before)


def test_small_problems_take_one_thread_and_give_the_others_back() -> None:
    with threads_for(200, 512, 50):
        assert torch.get_num_threads() == 1
    assert torch.get_num_threads() == 2
    with pytest.raises(ValueError, match="half way"), threads_for(200, 512, 50):
        raise ValueError("half way")
    assert torch.get_num_threads() == 2


def test_large_problems_take_all() -> None:
    with threads_for(5011, 2048, 220):
        assert torch.get_num_threads() == 2
