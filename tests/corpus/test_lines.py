"""Text files: where lines end, which encoding they are in, packed or not."""

from __future__ import annotations

import gzip
from pathlib import Path

import pytest

from wordsight.corpus.lines import ending_of, read_lines, read_text
from wordsight.errors import InputError


def test_lines_end_where_files_end_them_and_nowhere_else(tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_bytes("a\u2028b\x0bc\r\nd\re\n\nf".encode())
    assert list(read_lines(tmp_path / "a.txt")) == ["a\u2028b\x0bc", "d", "e", "", "f"]
    assert read_text(tmp_path / "a.txt") == "a\u2028b\x0bc\r\nd\re\n\nf"


def test_a_mark_goes_before_the_encoding_that_was_named(tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_bytes("caf\u00e9".encode("utf-8-sig"))
    assert list(read_lines(tmp_path / "a.txt", "latin-1")) == ["caf\u00e9"]
    (tmp_path / "a.txt").write_bytes("caf\u00e9".encode("latin-1"))
    assert list(read_lines(tmp_path / "a.txt", "latin-1")) == ["caf\u00e9"]


@pytest.mark.parametrize("name", ["a.txt.gz", "a.txt"])
def test_packed_files_are_unpacked_whatever_they_are_called(name: str, tmp_path: Path) -> None:
    (tmp_path / name).write_bytes(gzip.compress(b"one\ntwo\n"))
    assert list(read_lines(tmp_path / name)) == ["one", "two"]
    assert ending_of(tmp_path / name) == ".txt"


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ("one\ncaf\u00e9\n".encode("latin-1"), "line 2: byte 0xe9 is not UTF-8; save it as UTF-8"),
        ("one\ncaf\u00e9".encode("latin-1"), "line 2: byte 0xe9 is not UTF-8"),
        ("one\ntwo".encode("utf-16")[:-1], "line 2: its end is not UTF-16"),
        (gzip.compress(b"one\n" * 99)[:-9], "can't be read"),
        (b"\x1f\x8bno gzip", "can't be read"),
        (None, "no such file; expected a list"),
    ],
)
def test_what_is_no_text_is_one_line(content: bytes | None, said: str, tmp_path: Path) -> None:
    if content is not None:
        (tmp_path / "a.txt").write_bytes(content)
    with pytest.raises(InputError, match=said):
        list(read_lines(tmp_path / "a.txt", what="a list"))
