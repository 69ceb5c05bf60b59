"""A message is one line and stays short; the nearest name is suggested."""

from __future__ import annotations

from wordsight.errors import InputError, listed, unknown


def test_a_message_names_a_dozen_keys_at_most() -> None:
    assert listed(["a", "b"]) == "a, b"
    assert listed([]) == ""
    assert listed(map(str, range(12))) == "0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11"
    assert listed(range(12_000)) == "0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, ... (12,000 in all)"


def test_a_message_stays_short_however_long_the_keys_are() -> None:
    assert len(listed(["x" * 5_000])) < 150
    assert len(listed(["x" * 5_000] * 5_000)) < 450
    assert len(str(unknown("column", "y", ["x" * 5_000] * 5_000))) < 600


def test_a_message_stays_short_whatever_value_or_path_it_holds() -> None:
    long = "dog " * 20_000
    line = str(InputError(f"found {long!r} where", where=long, expected=long, mend=long))
    assert len(line) < 2_000
    assert line.count(" ... ") == 4
    assert str(InputError(f"found {long!r} at the end")).endswith("at the end")
    assert str(InputError("x" * 400, where="y" * 400)) == f"{'y' * 400}: {'x' * 400}"


def test_the_nearest_name_is_suggested_wherever_it_stands() -> None:
    names = [f"column {k}" for k in range(100)] + ["caption"]
    line = str(unknown("column", "captoin", names))
    assert "did you mean 'caption'?" in line
    assert "column 11, ... (101 in all)" in line
    assert "column 12," not in line
