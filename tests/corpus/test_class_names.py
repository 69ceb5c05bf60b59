"""What classes are called: tables in several shapes, and names of folders made words."""

from __future__ import annotations

import gzip
from pathlib import Path

import pytest

from wordsight.corpus.class_names import as_words, descriptions_of_classes, names_of_classes, unreadable
from wordsight.errors import InputError

NUMBERS = ["n01440764", "n02102040"]


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("French_horn", "French horn"),
        ("AnnualCrop", "Annual Crop"),
        ("n01440764", "n01440764"),
        ("gas  pump", "gas pump"),
        ("T-shirt", "T-shirt"),
    ],
)
def test_names_of_folders_become_words(name: str, words: str) -> None:
    assert as_words(name) == words


@pytest.mark.parametrize(
    ("file", "content"),
    [
        ("two.csv", "id,name\nn01440764,tench\nn02102040,English springer\n"),
        ("bare.csv", "n01440764,tench\nn02102040,English springer\n"),
        ("more.csv", "file,split,label,name\na.jpg,train,n01440764,tench\nb.jpg,val,n02102040,English springer\n"),
        ("tabs.tsv", "name\twnid\ntench\tn01440764\nEnglish springer\tn02102040\n"),
        ("names.json", '{"n01440764": "tench", "n02102040": ["English springer"]}'),
        ("index.json", '{"0": ["n01440764", "tench"], "1": ["n02102040", "English springer"]}'),
        ("blanks.txt", "n01440764 tench\nn00000000 something else\n\nn02102040 English springer\n"),
        ("commas.txt", "n01440764,tench\nn02102040, English springer\n"),
    ],
)
def test_tables_of_names_are_read_in_any_shape(file: str, content: str, tmp_path: Path) -> None:
    (tmp_path / file).write_text(content)
    found = names_of_classes(NUMBERS, tmp_path / file)
    assert found.names == [("tench",), ("English springer",)]
    assert found.source.endswith(file)


def test_several_names_of_a_class_are_told_apart(tmp_path: Path) -> None:
    (tmp_path / "names.csv").write_text('id,name\nn01440764,"tench, Tinca tinca"\n')
    found = names_of_classes(NUMBERS, tmp_path / "names.csv")
    assert found.names == [("tench", "Tinca tinca"), ("n02102040",)]
    assert unreadable(name for names in found.names for name in names) == ["n02102040"]


def test_a_class_of_two_words_is_told_from_its_name_by_a_tab_or_a_comma(tmp_path: Path) -> None:
    (tmp_path / "names.txt").write_text("gas pump\tpetrol pump\nchurch,chapel\n", "utf-8")
    assert names_of_classes(["gas pump", "church"], tmp_path / "names.txt").names == [("petrol pump",), ("chapel",)]


def test_a_description_is_one_text_commas_and_all(tmp_path: Path) -> None:
    (tmp_path / "d.csv").write_text('class,description\napple,"red, round"\napple,a fruit\n')
    assert descriptions_of_classes(["apple", "plum"], tmp_path / "d.csv") == {"apple": ("red, round", "a fruit")}


def test_a_table_beside_the_images_counts_only_where_it_has_all_classes(tmp_path: Path) -> None:
    table = tmp_path / "labels.csv"
    table.write_text("id,name\nn01440764,tench\n")
    assert names_of_classes(NUMBERS, beside=tmp_path).source == "the task's own"
    table.write_text("file,label\na.jpg,n01440764\nb.jpg,n02102040\n")
    assert names_of_classes(NUMBERS, beside=tmp_path).source == "the task's own"
    table.write_text("id,name\nn01440764,tench\nn02102040,spaniel\n")
    assert names_of_classes(NUMBERS, beside=tmp_path).names == [("tench",), ("spaniel",)]


@pytest.mark.parametrize(
    ("file", "content", "said"),
    [
        (
            "x.csv",
            "id,name\nfoo,bar\n",
            "has none of the classes; expected n01440764, n02102040, ... and beside each what it is",
        ),
        (
            "x.csv",
            "id,a,b\nn01440764,1,2\n",
            "no column is plainly the text of the classes; expected a column called",
        ),
        ("x.json", "[1, 2]", "is not a JSON object"),
        ("x.json", "{", "can't be read as JSON"),
        ("x.docx", "", "unknown kind of table"),
    ],
)
def test_tables_that_can_t_be_used_are_refused(file: str, content: str, said: str, tmp_path: Path) -> None:
    (tmp_path / file).write_text(content)
    with pytest.raises(InputError, match=said):
        names_of_classes(NUMBERS, tmp_path / file)


def test_a_column_that_is_called_class_is_that_of_the_classes(tmp_path: Path) -> None:
    (tmp_path / "d.csv").write_text("class,description\nx,dog\ny,barks\n")
    with pytest.raises(InputError, match="has none of the classes"):
        descriptions_of_classes(["dog", "cat"], tmp_path / "d.csv")


@pytest.mark.parametrize(
    ("file", "content", "said"),
    [
        ("commas.csv", "id,name\nn01440764,tench, Tinca tinca\nn02102040,springer\n", "row 2 is broken"),
        ("lines.csv", 'id,name\nn01440764,"tench\nn02102040,springer"\n', "row 2 is broken .a quote opens in line 2"),
        ("breaks.csv", 'id,name\nn01440764,"tench\nTinca"\nn02102040,springer\n', "runs over the line's end"),
        ("struct.jsonl", '{"id": "n01440764", "name": {"a": 1}}', "row 1: name is not text .a struct of a"),
        ("null.json", '{"n01440764": null, "n02102040": "springer"}', "'n01440764' stands for no text"),
        ("nested.json", '{"n01440764": {"a": 1}}', "'n01440764' stands for no text"),
    ],
)
def test_nothing_is_passed_over(file: str, content: str, said: str, tmp_path: Path) -> None:
    (tmp_path / file).write_text(content)
    with pytest.raises(InputError, match=said):
        names_of_classes(NUMBERS, tmp_path / file)


def test_names_are_read_by_the_rule_of_all_tables(tmp_path: Path) -> None:
    (tmp_path / "n.tsv").write_bytes('id\tname\nn01440764\t"tench\nn02102040\tspringer"\n'.encode("utf-16"))
    assert names_of_classes(NUMBERS[:2], tmp_path / "n.tsv").names == [('"tench',), ('springer"',)]
    (tmp_path / "n.txt.gz").write_bytes(gzip.compress(b"n01440764 tench\r\nn02102040 springer\r\n"))
    assert names_of_classes(NUMBERS[:2], tmp_path / "n.txt.gz").names == [("tench",), ("springer",)]
    (tmp_path / "n.jsonl").write_text(
        '{"id": "n01440764", "name": ["tench", "Tinca"]}\n{"id": "n02102040", "name": "x"}'
    )
    assert names_of_classes(NUMBERS[:2], tmp_path / "n.jsonl").names == [("tench", "Tinca"), ("x",)]
