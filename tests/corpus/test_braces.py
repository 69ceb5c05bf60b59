"""Braces in names of files stand for several names, as in a shell."""

from __future__ import annotations

import shutil
import subprocess

import pytest

from wordsight.corpus.braces import expand_braces
from wordsight.errors import InputError


@pytest.mark.parametrize(
    ("text", "names"),
    [
        ("a.tar", ["a.tar"]),
        ("{000..002}.tar", ["000.tar", "001.tar", "002.tar"]),
        ("t-{8..11}", ["t-8", "t-9", "t-10", "t-11"]),
        ("t-{08..11}", ["t-08", "t-09", "t-10", "t-11"]),
        ("{3..1}", ["3", "2", "1"]),
        ("{0..6..3}", ["0", "3", "6"]),
        ("{train,val}/{0..1}.tar", ["train/0.tar", "train/1.tar", "val/0.tar", "val/1.tar"]),
        ("{a,b{1..2}}", ["a", "b1", "b2"]),
        ("{a}{}", ["{a}{}"]),
        ("{a..c}", ["{a..c}"]),
    ],
)
def test_braces_stand_for_several_names(text: str, names: list[str]) -> None:
    assert expand_braces(text) == names


@pytest.mark.skipif(shutil.which("bash") is None, reason="no bash to compare with")
@pytest.mark.parametrize("text", ["s-{000..012}.tar", "{9..11}", "{x,y}-{1..3}", "{-1..2}", "{10..0..5}", "{01..3}"])
def test_names_are_those_of_a_shell(text: str) -> None:
    shell = subprocess.run(["bash", "-c", f"echo {text}"], capture_output=True, text=True, check=True)
    assert expand_braces(text) == shell.stdout.split()


def test_a_range_without_end_is_refused() -> None:
    for text in ("{0..999999999}", "{0..9999}{0..9999}", "{a,b}" * 1_000):
        with pytest.raises(InputError, match="more than 1,000,000 names"):
            expand_braces(text)
