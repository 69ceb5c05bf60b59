"""A message is one line and stays short; the nearest name is suggested."""

from __future__ import annotations

import pickle
from pathlib import Path

import pytest

from wordsight.errors import InputError, listed, setting, settings_as_flags, unknown


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


def both(error: InputError) -> tuple[str, str]:
    """The message as a person in Python and one at the command line read it."""
    with settings_as_flags():
        at_the_command_line = str(error)
    return str(error), at_the_command_line


def test_a_setting_is_named_as_whoever_reads_it_writes_it() -> None:
    error = InputError("no word is left", mend=f"lower {setting('min_count')}, or give {setting('max_share', 0.5)}")
    assert both(error) == (
        "no word is left; lower `min_count`, or give max_share=0.5",
        "no word is left; lower --min-count, or give --max-share 0.5",
    )


@pytest.mark.parametrize(
    ("value", "argument", "flag"),
    [
        (True, "a=True", "--a true"),
        (12, "a=12", "--a 12"),
        (1e-05, "a=1e-05", "--a 1e-05"),
        ("", "a=''", "--a ''"),
        ("two words", "a='two words'", "--a 'two words'"),
        (Path("runs/a b"), "a='runs/a b'", "--a 'runs/a b'"),
    ],
)
def test_a_value_is_written_as_it_can_be_given(value: object, argument: str, flag: str) -> None:
    assert both(InputError(f"give {setting('a', value)}")) == (f"give {argument}", f"give {flag}")


def test_the_setting_at_fault_stands_first_unless_the_message_names_it() -> None:
    error = InputError("no CUDA device found", setting="optimizer.clip_norm")
    assert error.setting == "optimizer.clip_norm"
    assert both(error) == (
        "optimizer.clip_norm: no CUDA device found",
        "--optimizer.clip-norm: no CUDA device found",
    )
    said_already = InputError(f"{setting('batch_size')} is 0", setting="batch_size")
    assert both(said_already) == ("batch_size is 0", "--batch-size is 0")


def test_what_goes_on_from_its_place_has_no_colon_before_it() -> None:
    assert str(InputError("is not a run", where="runs/a")) == "runs/a is not a run"
    assert both(InputError("is empty", setting="test_share")) == ("test_share is empty", "--test-share is empty")
    assert str(InputError("no such file", where="a.csv")) == "a.csv: no such file"
    assert str(InputError("island", where="a.csv")) == "a.csv: island"


def test_a_file_has_its_own_names_for_settings() -> None:
    error = InputError(f"{setting('batch_size')} is 0", where="a.yaml", setting="batch_size")
    assert both(error) == ("a.yaml: batch_size is 0",) * 2


def test_settings_within_another_take_its_name_and_others_keep_theirs() -> None:
    mend = (f"give {setting('size', 8)} or less", f"another {setting('corpus')}", f"raise {setting('size_limit')}")
    error = InputError("too many", setting="size", mend=mend).within("concepts.en", {"size", "stop"})
    assert error.setting == "concepts.en.size"
    assert both(error) == (
        "concepts.en.size: too many; give concepts.en.size=8 or less, or another `corpus`, or raise `size_limit`",
        "--concepts.en.size: too many; give --concepts.en.size 8 or less, or another --corpus, or raise --size-limit",
    )


def test_settings_within_several_others_are_called_by_the_whole_way_to_them() -> None:
    short = InputError(f"{setting('view.blur')} is 3", setting="view.blur", mend=f"give {setting('view.size', 8)}")
    error = short.within("objective_settings.views.view", {"blur", "size"})
    assert str(error) == "objective_settings.views.view.blur is 3; give objective_settings.views.view.size=8"
    other = InputError("found none", setting="language.size").within("objective_settings", {"width"})
    assert str(other) == "language.size: found none"


def test_ways_out_by_settings_that_are_not_there_can_be_left_out() -> None:
    error = InputError("is not UTF-8", where="a.csv", mend=("save it as UTF-8", f"give its {setting('encoding')}"))
    assert str(error.without(["encoding"])) == "a.csv is not UTF-8; save it as UTF-8"
    assert str(error.without(["quotes"])) == str(error)
    valued = InputError("a quote is open", mend=("close it", f"give {setting('quotes', False)}"))
    assert str(valued.without(["encoding", "quotes"])) == "a quote is open; close it"


def test_an_error_comes_whole_out_of_another_process() -> None:
    error = InputError("w", where=Path("a"), expected="e", mend=("m", f"n {setting('x', 1)}"), setting="s")
    assert both(pickle.loads(pickle.dumps(error))) == both(error)


def test_no_mark_of_a_setting_is_left_in_a_message_that_was_cut() -> None:
    line = str(InputError("x" * 223 + setting("a", 1) + "y" * 400))
    assert line.isprintable()
