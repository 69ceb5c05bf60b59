"""Lists of words as people have them: separators, headings, further columns; and what is said of others."""

from __future__ import annotations

from pathlib import Path

import pytest

from wordsight.errors import InputError
from wordsight.explain.words.word_lists import ScoredPair, read_dictionary, read_similarity

PAIRS = [ScoredPair("dog", "puppy", 9.5), ScoredPair("car", "sky", 0.5)]


@pytest.mark.parametrize(
    "text",
    [
        "dog\tpuppy\t9.5\ncar\tsky\t0.5\n",
        "\ufeffWord 1,Word 2,Human (mean)\nDog,puppy,9.5\ncar,sky,.5\n",
        "word1\tword2\tPOS\tSimLex999\tconc\ndog\tpuppy\tN\t9.5\t4\n\ncar\tsky\tN\t0.5\t3",
        "dog puppy 9.5\ncar   sky 0.5",
        'dog;"puppy";9.5\r\ncar;sky;0.5\r\n',
    ],
)
def test_similarities_are_read_in_the_layouts_that_people_have(text: str, tmp_path: Path) -> None:
    file = tmp_path / "list.txt"
    file.write_text(text, "utf-8")
    assert read_similarity(file) == PAIRS


def test_a_dictionary_is_read_as_concepts_are_named(tmp_path: Path) -> None:
    file = tmp_path / "en-de.tsv"
    file.write_text("en\tde\ndog\tHund\nice cream\tSpeiseeis\n", "utf-8")
    assert read_dictionary(file) == [("en", "de"), ("dog", "hund"), ("ice cream", "speiseeis")]


@pytest.mark.parametrize(
    ("text", "said"),
    [("dog\tpuppy\t9\ncar\tsky\n", "line 2 is 'car sky'"), ("", "no pairs"), ("a b c\n", "no pairs")],
)
def test_a_line_that_is_no_scored_pair_is_named(text: str, said: str, tmp_path: Path) -> None:
    file = tmp_path / "list.tsv"
    file.write_text(text, "utf-8")
    with pytest.raises(InputError, match=said):
        read_similarity(file)


def test_a_line_without_a_translation_is_named(tmp_path: Path) -> None:
    file = tmp_path / "list.tsv"
    file.write_text("dog\tHund\ncat\n", "utf-8")
    with pytest.raises(InputError, match="line 2 is 'cat'"):
        read_dictionary(file)


def test_a_file_that_is_absent_or_no_text_is_named(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no such file"):
        read_dictionary(tmp_path / "absent.tsv")
    (tmp_path / "binary").write_bytes(b"\xff\xfe\x00\xd8")
    with pytest.raises(InputError, match="is not UTF-16"):
        read_similarity(tmp_path / "binary")


def test_a_lone_quote_between_tabs_is_a_character_and_utf_16_is_read(tmp_path: Path) -> None:
    file = tmp_path / "list.tsv"
    file.write_bytes('dog\tHund\n"cat\tKatze\nox"\tOchse\n'.encode("utf-16"))
    assert len(read_dictionary(file)) == 3
