"""Images with captions and an article each, from tables, JSON and files of text."""

from __future__ import annotations

import csv
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from wordsight.corpus.build import build_corpus
from wordsight.corpus.example import Example, Rejected
from wordsight.corpus.readers.articles import Articles
from wordsight.corpus.readers.table import Table
from wordsight.corpus.show import describe
from wordsight.errors import InputError

ROWS: list[dict[str, Any]] = [
    {"image": "a.jpg", "caption": "a dog on a beach", "article": "Dogs.\n\nThe dog is a domesticated wolf."},
    {"image": "b.jpg", "caption": "the tower at night", "article": ""},
    {"image": "c.jpg", "caption": "a map of the city", "article": "Paris is the capital of France."},
]


def written(path: Path, rows: list[dict[str, Any]]) -> Path:
    if path.suffix == ".parquet":
        pq.write_table(pa.Table.from_pylist(rows), path)
    elif path.suffix == ".jsonl":
        path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    else:
        with path.open("w", newline="") as file:
            table = csv.DictWriter(file, list(rows[0]), delimiter="\t" if path.suffix == ".tsv" else ",")
            table.writeheader()
            table.writerows(rows)
    return path


def articles(reader: Articles | Table) -> dict[str, str | None]:
    return {each.id: each.article for each in reader if isinstance(each, Example)}


@pytest.mark.parametrize("kind", ["csv", "tsv", "jsonl", "parquet"])
def test_images_come_with_their_captions_and_articles_in_every_format(kind: str, tmp_path: Path) -> None:
    # Python's csv module puts quotes around cells of several lines also between tabs, where quotes are characters.
    assert list(Articles(written(tmp_path / f"t.{kind}", ROWS), quotes=True)) == [
        Example(row["image"], tmp_path / row["image"], (row["caption"],), article=row["article"] or None)
        for row in ROWS
    ]


def test_rows_without_an_article_are_kept_counted_and_said(photo: Callable[..., Path], tmp_path: Path) -> None:
    for seed, row in enumerate(ROWS):
        photo(tmp_path / row["image"], seed)
    rows = [dict(row) for row in ROWS]
    rows[1]["article"] = None
    del rows[2]["article"]
    corpus = build_corpus(Articles(written(tmp_path / "t.jsonl", rows)), tmp_path / "corpus")
    assert [corpus.article(i) for i in range(3)] == [ROWS[0]["article"], None, None]
    assert corpus.info["counts"]["articles"] == 1
    assert "articles for 1 of 3 examples" in describe(corpus).counted()
    assert "  articles       1 of 3 examples" in str(describe(corpus)).splitlines()


@pytest.mark.parametrize("kind", ["csv", "jsonl", "parquet"])
def test_very_long_articles_are_fine(kind: str, photo: Callable[..., Path], tmp_path: Path) -> None:
    long = 'The "history", of a city;\n' * 200_000
    photo(tmp_path / "a.jpg", 1)
    rows = [{"image": "a.jpg", "caption": "a dog on a beach", "article": long}]
    corpus = build_corpus(Articles(written(tmp_path / f"t.{kind}", rows)), tmp_path / "corpus")
    assert corpus.article(0) == long


def test_columns_are_those_that_are_named_or_plain(tmp_path: Path) -> None:
    rows = [{"file_name": "a.jpg", "text": "a dog", "body": "Dogs.", "category": "animals", "wiki": "Wolves."}]
    path = written(tmp_path / "t.csv", rows)
    assert list(Articles(path)) == [
        Example("a.jpg", tmp_path / "a.jpg", ("a dog",), labels=("animals",), article="Dogs.")
    ]
    assert articles(Articles(path, article="wiki")) == {"a.jpg": "Wolves."}


@pytest.mark.parametrize(
    ("columns", "what"),
    [
        (["image", "caption", "text2"], "no column is plainly the article; its columns: .*; name it with `article`"),
        (["image", "article"], "no column is plainly the caption; its columns: .*; name it with `caption`"),
        (["caption", "article"], "no column is plainly the image; its columns: .*; name it with `image`"),
        (["image", "caption", "body", "page"], "the columns body and page could each be the article; name one"),
    ],
)
def test_a_missing_column_is_asked_for(columns: list[str], what: str, tmp_path: Path) -> None:
    path = written(tmp_path / "t.csv", [dict.fromkeys(columns, "x")])
    with pytest.raises(InputError, match=what):
        list(Articles(path))
    with pytest.raises(InputError, match=r"unknown article column 'atricle'"):
        list(Articles(path, article="atricle"))


def test_a_table_without_a_single_article_is_an_error(tmp_path: Path) -> None:
    rows = [{**row, "article": "  "} for row in ROWS]
    with pytest.raises(InputError, match="no article in any of its 3 examples; name the right column with `article`"):
        list(Articles(written(tmp_path / "t.csv", rows)))


def test_an_article_may_be_a_list_of_paragraphs(tmp_path: Path) -> None:
    rows = [{**ROWS[0], "article": ["Dogs.", "", "The dog is a wolf."]}, {**ROWS[1], "article": [""]}]
    assert articles(Articles(written(tmp_path / "t.jsonl", rows))) == {
        "a.jpg": "Dogs.\n\nThe dog is a wolf.",
        "b.jpg": None,
    }


def test_of_the_articles_of_an_image_the_first_counts(tmp_path: Path) -> None:
    rows = [{**ROWS[0], "article": text} for text in ("", "one", "two", "one")]
    found = list(Articles(written(tmp_path / "t.csv", rows)))
    assert [each for each in found if isinstance(each, Rejected)] == [
        Rejected("a.jpg", "article", "second article", "two")
    ]
    assert articles(Articles(tmp_path / "t.csv")) == {"a.jpg": "one"}


def test_articles_may_stand_in_files(tmp_path: Path) -> None:
    folder = tmp_path / "texts"
    folder.mkdir()
    (folder / "dog.txt").write_text("\ufeffThe dog is a wolf.", encoding="utf-8")
    (folder / "blank.txt").write_text(" \n")
    (folder / "latin.txt").write_bytes(b"caf\xe9")
    names = {"a": "dog.txt", "b": "none.txt", "c": "../t.csv", "d": "blank.txt", "e": "", "f": "latin.txt"}
    rows = [{"image": f"{key}.jpg", "caption": "a dog", "article": name} for key, name in names.items()]
    reader = Articles(written(tmp_path / "t.csv", rows), article_files=folder)
    assert articles(reader) == {**dict.fromkeys((f"{key}.jpg" for key in names), None), "a.jpg": "The dog is a wolf."}
    assert [(each.id, each.kind, each.reason) for each in reader if isinstance(each, Rejected)] == [
        ("b.jpg", "article", "no such article file"),
        ("c.jpg", "article", "outside the folder"),
        ("f.jpg", "article", "article is not UTF-8"),
    ]
    with pytest.raises(InputError, match="none: no such folder; expected the folder of the article files"):
        list(Articles(tmp_path / "t.csv", article_files=tmp_path / "none"))


def test_a_plain_table_takes_an_article_only_when_its_column_is_named(tmp_path: Path) -> None:
    path = written(tmp_path / "t.csv", ROWS)
    assert set(articles(Table(path)).values()) == {None}
    assert articles(Table(path, article="article")) == articles(Articles(path))


def test_an_unclosed_quote_is_named_by_the_row_that_it_begins_in(tmp_path: Path) -> None:
    (tmp_path / "t.csv").write_text('image,caption,article\na.jpg,a dog,Dogs.\nb.jpg,a cat,"Cats.\n' + "x\n" * 100_000)
    with pytest.raises(InputError, match=r"t.csv: line 3: .*close the quotes there"):
        list(Articles(tmp_path / "t.csv"))


def test_articles_may_begin_late_in_a_file(tmp_path: Path) -> None:
    rows = [{"image": f"{i}.jpg", "caption": "a dog"} | ({"article": "Dogs."} if i == 999 else {}) for i in range(1000)]
    assert articles(Articles(written(tmp_path / "t.jsonl", rows)))["999.jpg"] == "Dogs."
