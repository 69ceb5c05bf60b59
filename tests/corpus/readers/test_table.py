"""Tables of captions: rows of one image are joined, columns are named or guessed."""

from __future__ import annotations

import gzip
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.corpus.readers.tables import ROWS, examples, written
from wordsight.corpus.build import build_corpus
from wordsight.corpus.example import Example, Rejected
from wordsight.corpus.readers.table import Table
from wordsight.errors import InputError


@pytest.mark.parametrize("kind", ["csv", "tsv", "jsonl", "parquet"])
def test_rows_of_an_image_are_joined_in_every_format(kind: str, tmp_path: Path) -> None:
    found = examples(Table(written(tmp_path / f"t.{kind}", ROWS)))
    assert sorted(found, key=lambda each: each.id) == [
        Example("a.jpg", tmp_path / "a.jpg", ("a dog runs", "two dogs run"), ("dog", "beach"), split="train"),
        Example("b.jpg", tmp_path / "b.jpg", ('a "big", red cat',), ("cat",), split="test"),
    ]


def test_rows_are_held_only_until_their_image_is_complete(tmp_path: Path) -> None:
    rows = [{"image": name, "caption": f"row {k}"} for k, name in enumerate("aabbcacd")]
    assert [each.id for each in examples(Table(written(tmp_path / "t.csv", rows)))] == ["b", "a", "c", "d"]


@pytest.mark.parametrize("cell", ['["one dog", "two dogs"]', "['one dog', 'two dogs']"])
def test_a_cell_may_hold_a_list_of_captions(cell: str, tmp_path: Path) -> None:
    table = Table(written(tmp_path / "t.csv", [{"image": "a.jpg", "caption": cell}]))
    assert examples(table)[0].captions == ("one dog", "two dogs")
    for kind in ("jsonl", "parquet"):
        table = Table(written(tmp_path / f"t.{kind}", [{"image": "a.jpg", "caption": ["one dog", "two dogs"]}]))
        assert examples(table)[0].captions == ("one dog", "two dogs")


def test_a_cell_in_brackets_that_is_no_list_is_a_caption(tmp_path: Path) -> None:
    table = Table(written(tmp_path / "t.csv", [{"image": "a.jpg", "caption": "[a dog] runs [here]"}]))
    assert examples(table)[0].captions == ("[a dog] runs [here]",)


@pytest.mark.parametrize("empty", ["", None])
def test_an_empty_cell_is_an_empty_caption(empty: str | None, tmp_path: Path) -> None:
    rows: list[dict[str, Any]] = [{"image": "a.jpg", "caption": empty}, {"image": "b.jpg", "caption": "a dog"}]
    table = Table(written(tmp_path / "t.jsonl", rows))
    assert examples(table)[0].captions == ("",)


def test_columns_are_those_that_are_named(tmp_path: Path) -> None:
    rows = [{"sku": 12, "front": "a.jpg", "back": "b.jpg", "name": "red shoe", "kind": "shoe", "part": "x"}]
    path = written(tmp_path / "t.parquet", rows)
    table = Table(path, image="back", caption="name", label="kind", id="sku", split="part")
    assert examples(table) == [Example("12", tmp_path / "b.jpg", ("red shoe",), ("shoe",), split="x")]


@pytest.mark.parametrize(
    ("columns", "roles"),
    [
        (["file_name", "text"], {"image": "file_name", "caption": "text"}),
        (["Image", "path", "Caption", "title"], {"image": "Image", "caption": "Caption"}),
        (["img", "class", "split"], {"image": "img", "label": "class", "split": "split"}),
    ],
)
def test_plain_column_names_are_guessed(columns: list[str], roles: dict[str, str], tmp_path: Path) -> None:
    assert Table(written(tmp_path / "t.csv", [dict.fromkeys(columns, "x")])).columns == roles


@pytest.mark.parametrize(
    ("columns", "what"),
    [
        (["a", "caption"], "no column is plainly the image; its columns: a, caption; name it with `image`"),
        (
            ["image", "b"],
            "no column is plainly the caption or the label; its columns: image, b; name it with `caption`",
        ),
        (
            ["image", "text", "title"],
            "the columns text and title could each be the caption; name one with `caption`",
        ),
        (["path", "file", "text"], "the columns file and path could each be the image; name one with `image`"),
    ],
)
def test_columns_that_cannot_be_told_are_asked_for(columns: list[str], what: str, tmp_path: Path) -> None:
    path = written(tmp_path / "t.csv", [dict.fromkeys(columns, "x")])
    with pytest.raises(InputError, match=what):
        list(Table(path))


def test_a_missing_column_is_named_with_the_nearest(tmp_path: Path) -> None:
    path = written(tmp_path / "t.csv", ROWS)
    with pytest.raises(InputError, match=r"unknown caption column 'captoin'; .*did you mean 'caption'"):
        list(Table(path, caption="captoin"))


def test_images_are_sought_in_their_folder(tmp_path: Path) -> None:
    (tmp_path / "photos").mkdir()
    table = Table(written(tmp_path / "t.csv", ROWS), images=tmp_path / "photos")
    assert examples(table)[0].image == tmp_path / "photos" / "b.jpg"
    with pytest.raises(InputError, match="none: no such folder"):
        list(Table(table.path, images=tmp_path / "none"))


def test_a_table_may_name_whole_paths_only_where_no_folder_was_given(tmp_path: Path) -> None:
    path = written(tmp_path / "t.csv", [{"image": str(tmp_path / "a.jpg"), "caption": "a dog runs"}])
    assert examples(Table(path))[0].image == tmp_path / "a.jpg"
    found = list(Table(path, images=tmp_path))
    assert [each.reason for each in found if isinstance(each, Rejected)] == ["outside the folder"]


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("../a.jpg", "outside the folder"),
        ("/x/../etc/a.jpg", "outside the folder"),
        ("https://example.org/a.jpg", "web address"),
        ("", "no file name"),
    ],
)
def test_names_that_cannot_be_followed_are_left_out(name: str, reason: str, tmp_path: Path) -> None:
    found = list(Table(written(tmp_path / "t.csv", [{"image": name, "caption": "a dog runs"}])))
    assert [each.reason for each in found if isinstance(each, Rejected)] == [reason]
    assert len(found) == 1


def test_a_table_that_is_not_utf8_says_in_which_line(tmp_path: Path) -> None:
    path = tmp_path / "t.csv"
    path.write_bytes("image,caption\na.jpg,a dog runs\nb.jpg,un café chaud\n".encode("latin-1"))
    with pytest.raises(
        InputError, match=r"t.csv: line 3: byte 0xe9 is not UTF-8; save it as UTF-8, or give its `encoding`"
    ):
        list(Table(path))
    assert examples(Table(path, encoding="latin-1"))[1].captions == ("un café chaud",)
    with pytest.raises(InputError, match="unknown encoding 'latin-99'"):
        list(Table(path, encoding="latin-99"))


def test_bad_bytes_deep_inside_a_table_are_found_before_anything_is_built(tmp_path: Path) -> None:
    lines = [b"image,caption", *(b"%d.jpg,a dog with the number %d" % (i, i) for i in range(20_000)), b"x.jpg,caf\xe9"]
    (tmp_path / "t.csv").write_bytes(b"\n".join(lines))
    with pytest.raises(InputError, match="line 20002: byte 0xe9"):
        next(iter(Table(tmp_path / "t.csv")))


def test_excels_byte_order_mark_and_semicolons_are_understood(tmp_path: Path) -> None:
    path = tmp_path / "t.csv"
    path.write_text("image;caption\r\na.jpg;a dog, running\r\n", encoding="utf-8-sig")
    assert examples(Table(path))[0].captions == ("a dog, running",)


def test_broken_rows_are_left_out_with_their_number(tmp_path: Path) -> None:
    (tmp_path / "t.csv").write_text("image,caption\na.jpg,a dog runs\nb.jpg\n\nc.jpg,a cat,sits\n")
    assert list(Table(tmp_path / "t.csv"))[1:] == [
        Rejected("row 3", "example", "broken row", "1 cells, the first line has 2"),
        Rejected("row 5", "example", "broken row", "3 cells, the first line has 2"),
    ]
    (tmp_path / "t.jsonl").write_text('{"image": "a.jpg", "caption": "a dog runs"}\n{"image": \n[1]\n')
    assert [each.id for each in Table(tmp_path / "t.jsonl")] == ["a.jpg", "row 2", "row 3"]


def test_quotes_between_tabs_are_characters(tmp_path: Path) -> None:
    path = tmp_path / "t.tsv"
    captions = ['"no smoking" says the sign', 'a 5" pipe', '"Café sign over a door', 'a board of size 12"']
    path.write_text("image\tcaption\n" + "".join(f"{k}.jpg\t{text}\n" for k, text in enumerate(captions)))
    assert [each.captions[0] for each in examples(Table(path))] == captions


def test_quotes_hold_cells_together_where_a_person_or_the_first_line_says_so(tmp_path: Path) -> None:
    path = tmp_path / "t.tsv"
    path.write_text('image\tcaption\na.jpg\t"a ""red"" dog"\n')
    assert examples(Table(path, quotes=True))[0].captions == ('a "red" dog',)
    path.write_text('"image"\t"caption"\n"a.jpg"\t"a ""red"" dog"\n')
    assert examples(Table(path))[0].captions == ('a "red" dog',)
    assert Table(path, quotes=False, image='"image"', caption='"caption"').columns["image"] == '"image"'
    path = tmp_path / "t.csv"
    path.write_text('image,caption\na.jpg,"no smoking" says the sign\n')
    assert examples(Table(path, quotes=False))[0].captions == ('"no smoking" says the sign',)


def test_a_packed_table_is_unpacked_on_the_way(tmp_path: Path) -> None:
    packed = tmp_path / "t.csv.gz"
    packed.write_bytes(gzip.compress(written(tmp_path / "t.csv", ROWS).read_bytes()))
    assert list(Table(packed)) == list(Table(tmp_path / "t.csv"))
    packed.write_bytes(packed.read_bytes()[:-20])
    with pytest.raises(InputError, match="can't be read"):
        list(Table(packed))


def test_parquet_may_hold_the_images_themselves(encoded: Callable[..., bytes], tmp_path: Path) -> None:
    rows = [{"image": {"bytes": encoded(i), "path": f"{i}.jpg"}, "text": f"the picture {i}"} for i in range(3)]
    corpus = build_corpus(Table(written(tmp_path / "t.parquet", rows)), tmp_path / "corpus")
    assert bytes(corpus.image_bytes(1)) == encoded(1)
    assert (corpus.id(1), corpus.captions(1)) == ("row 2", ["the picture 1"])
    alone = [{"picture": encoded(i), "text": f"the picture {i}", "key": f"k{i}"} for i in range(3)]
    assert [each.id for each in Table(written(tmp_path / "a.parquet", alone), id="key")] == ["k0", "k1", "k2"]


@pytest.mark.parametrize(
    ("name", "content", "what"),
    [
        ("none.csv", None, "no such file"),
        ("t.xlsx", b"x", "unknown kind of table; expected a name ending in .csv, .tsv, .jsonl"),
        ("t.csv", b"", "is empty"),
        ("t.jsonl", b"no json\n", "no line is a JSON object"),
        ("t.parquet", b"no parquet", "can't be read"),
    ],
)
def test_what_is_no_table_is_one_line(name: str, content: bytes | None, what: str, tmp_path: Path) -> None:
    if content is not None:
        (tmp_path / name).write_bytes(content)
    with pytest.raises(InputError, match=what):
        list(Table(tmp_path / name))


def test_a_table_builds_a_corpus(photo: Callable[..., Path], tmp_path: Path) -> None:
    photo(tmp_path / "a.jpg", 1)
    photo(tmp_path / "b.jpg", 2)
    corpus = build_corpus(Table(written(tmp_path / "t.tsv", ROWS)), tmp_path / "corpus")
    assert corpus.splits == {"test": 1, "train": 1}
    assert corpus.label_names == ["beach", "cat", "dog"]


def test_a_column_says_the_languages_of_the_captions(tmp_path: Path) -> None:
    rows = [
        {"image": "a.jpg", "caption": "a dog", "language": "en"},
        {"image": "a.jpg", "caption": "ein Hund", "language": " de "},
        {"image": "b.jpg", "caption": "a cat", "language": ""},
    ]
    found = examples(Table(written(tmp_path / "t.csv", rows)))
    assert [each.spoken for each in found] == [(("a dog", "en"), ("ein Hund", "de")), (("a cat", ""),)]
    assert found[1].languages == ()
    renamed = [{"image": row["image"], "caption": row["caption"], "spoken": row["language"]} for row in rows]
    assert examples(Table(written(tmp_path / "t.csv", renamed), language="spoken")) == found


def test_a_list_of_captions_has_one_language_or_one_for_each(tmp_path: Path) -> None:
    captions = ["a dog", "a hound"]
    rows: list[dict[str, Any]] = [
        {"image": "a.jpg", "caption": captions, "lang": "en"},
        {"image": "b.jpg", "caption": ["ein Hund", "a dog"], "lang": ["de", "en"]},
        {"image": "c.jpg", "caption": captions, "lang": ["de", "en", "fr"]},
        {"image": "c.jpg", "caption": "a cat", "lang": "en"},
    ]
    found = list(Table(written(tmp_path / "t.jsonl", rows)))
    assert [each.languages for each in found if isinstance(each, Example)] == [("en", "en"), ("de", "en"), ("en",)]
    assert [each for each in found if isinstance(each, Rejected)] == [
        Rejected("c.jpg", "caption", "languages don't fit", "row 3: 2 captions, 3 languages")
    ]


def test_an_image_in_two_splits_is_in_none(tmp_path: Path) -> None:
    table = tmp_path / "rows.csv"
    table.write_text("file,caption,split\na.jpg,one,train\na.jpg,two,test\nb.jpg,three,train\n")
    found = list(Table(table))
    assert [item.id for item in found if isinstance(item, Example)] == ["b.jpg"]
    (rejected,) = [item for item in found if isinstance(item, Rejected)]
    assert (rejected.id, rejected.reason, rejected.detail) == ("a.jpg", "in several splits", "train, test")
