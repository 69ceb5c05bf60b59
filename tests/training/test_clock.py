"""A training's clock goes on where it was stopped, and says when a checkpoint is due."""

from __future__ import annotations

import pytest

from wordsight.training.clock import Clock


def test_time_goes_on_and_a_checkpoint_is_due_a_while_after_the_last(monkeypatch: pytest.MonkeyPatch) -> None:
    now = [1000.0]
    monkeypatch.setattr("time.monotonic", lambda: now[0])
    clock = Clock(50.0, checkpoint_minutes=2.0)
    assert (clock.seconds, clock.due) == (50, False)
    now[0] += 121
    assert (clock.seconds, clock.due) == (171, True)
    clock.saved()
    assert (clock.seconds, clock.due) == (171, False)
