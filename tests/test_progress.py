"""A log gets a line a minute in place of a bar."""

from __future__ import annotations

import io

import pytest
from rich.console import Console

from wordsight import progress


class Clock:
    """Seconds that pass when they are told to."""

    def __init__(self) -> None:
        self.now = 1000.0

    def monotonic(self) -> float:
        return self.now


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    found = Clock()
    monkeypatch.setattr(progress, "time", found)
    monkeypatch.setattr(progress, "_pace", progress._Pace())
    return found


@pytest.fixture
def log(monkeypatch: pytest.MonkeyPatch) -> io.StringIO:
    found = io.StringIO()
    monkeypatch.setattr(progress, "console", Console(file=found, force_terminal=False, highlight=False, width=40))
    return found


def test_a_line_a_minute_says_how_far_it_is_how_fast_and_how_long_it_takes(clock: Clock, log: io.StringIO) -> None:
    with progress.progress_bar() as bar:
        task = bar.add_task("training", total=1200, completed=200, note="")
        for step in range(200, 900):
            clock.now += 1
            bar.update(task, advance=1, note=f"loss {step / 1000:.3f}")
    lines = log.getvalue().splitlines()
    assert len(lines) == 700 // 60
    assert lines[0] == "training: 260 of 1,200 (22 %), 1.0/s, 0:01:00 so far, 0:15:40 left, loss 0.259"


def test_what_takes_less_than_a_minute_says_nothing(clock: Clock, log: io.StringIO) -> None:
    for item in progress.track(range(50), "reading"):
        clock.now += 1
        assert item >= 0
    assert log.getvalue() == ""


def test_many_short_things_one_after_another_have_a_line_a_minute(clock: Clock, log: io.StringIO) -> None:
    for layer in range(20):
        for _ in progress.track(range(50), f"layer {layer}"):
            clock.now += 1
    assert len(log.getvalue().splitlines()) == 1000 // 60
    clock.now += 1000
    log.truncate(0)
    for _ in progress.track(range(50), "after a while"):
        clock.now += 1
    assert log.getvalue() == ""


def test_what_advances_once_in_ten_minutes_is_told_each_time(clock: Clock, log: io.StringIO) -> None:
    for _ in progress.track(range(3), "tasks"):
        clock.now += 600
    assert len(log.getvalue().splitlines()) == 3


def test_of_something_without_an_end_the_count_is_said(clock: Clock, log: io.StringIO) -> None:
    for _ in progress.track(iter(range(100)), "reading [a] shard"):
        clock.now += 30
    assert log.getvalue().splitlines()[0] == "reading [a] shard: 2, 2.0/min, 0:01:00 so far"


def test_a_log_holds_no_codes_of_a_terminal(clock: Clock, log: io.StringIO) -> None:
    for _ in progress.track(range(10), "reading"):
        clock.now += 600
    assert "\x1b" not in log.getvalue() and "\r" not in log.getvalue() and log.getvalue()


def test_a_terminal_has_a_bar_and_no_lines(monkeypatch: pytest.MonkeyPatch, clock: Clock) -> None:
    shown = io.StringIO()
    monkeypatch.setattr(progress, "console", Console(file=shown, force_terminal=True, width=120))
    for _ in progress.track(range(10), "reading"):
        clock.now += 600
    assert "so far" not in shown.getvalue() and "\x1b" in shown.getvalue()
