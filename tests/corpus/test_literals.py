"""Lists as Python and NumPy print them are read back, and nothing is evaluated."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from wordsight.corpus.literals import BrokenLiteral, printed

TEXTS = ["A man's dog.", 'a "big" dog', "both ' and \"", "caf\u00e9 \\ tab\t", "x" * 80, "plain"]


@pytest.mark.parametrize("value", [TEXTS, TEXTS[:1], [{"raw": "a", "tokens": ["b"]}, {"raw": None}], [True, 2, -1.5]])
def test_what_python_and_numpy_print_is_read_back(value: list[Any]) -> None:
    assert printed(repr(value)) == value
    assert printed(str(np.array(value, dtype=object))) == value
    assert printed(repr(np.array(value, dtype=object))) == value


def test_arrays_within_arrays_are_read_back() -> None:
    inner = np.empty(2, dtype=object)
    inner[:] = [{"raw": "a dog", "tokens": np.array(["a", "dog"], dtype=object)}, {"raw": "b", "tokens": np.array([])}]
    assert printed(str(inner)) == [{"raw": "a dog", "tokens": ["a", "dog"]}, {"raw": "b", "tokens": []}]


def test_json_is_read_as_json() -> None:
    assert printed('["caf\\u00e9", "\\ud83d\\ude00", null]') == ["caf\u00e9", "\U0001f600", None]


@pytest.mark.parametrize("text", ["", "[a dog] runs [here]", "[1990] a dog", "(a dog)", "(1990)", "{dog}", "a", "nan"])
def test_other_text_is_what_it_is(text: str) -> None:
    assert printed(text) == text


@pytest.mark.parametrize(
    "text",
    [
        "['a' 'b' ... 'y' 'z']",
        "['a dog', 'a c",
        '["a" "b',
        "['a' : 'b']",
        "<PIL.JpegImagePlugin.JpegImageFile image mode=RGB size=1x1 at 0x7FA0>",
        "<StringArray>\n['a', 'b']\nLength: 2, dtype: string",
        "0    a dog\n1    a cat\nName: caption, dtype: object",
        "Index(['a'], dtype='object')",
        "tensor([1, 2])",
    ],
)
def test_the_print_of_a_programs_object_is_never_a_text(text: str) -> None:
    with pytest.raises(BrokenLiteral):
        printed(text)


def test_nothing_is_evaluated_and_nothing_is_too_deep() -> None:
    assert printed("[__import__('os')]") == "[__import__('os')]"
    with pytest.raises(BrokenLiteral):
        printed("[" * 5_000 + "]" * 5_000)
    assert len(printed(str(["a dog"] * 20_000))) == 20_000
