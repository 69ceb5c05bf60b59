"""A table in several files and folders, which may name splits."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from tests.corpus.readers.tables import ROWS, examples, written
from wordsight.corpus.example import Example
from wordsight.corpus.readers.table import Table
from wordsight.errors import InputError


def test_several_files_are_one_table_and_their_names_mean_splits(encoded: Callable[..., bytes], tmp_path: Path) -> None:
    data = tmp_path / "data"
    data.mkdir()
    for k, name in enumerate(["train-00000-of-00002", "train-00001-of-00002", "test-00000-of-00001"]):
        written(data / f"{name}.parquet", [{"image": {"bytes": encoded(k), "path": "x.jpg"}, "text": f"picture {k}"}])
    wanted = {"train-00000-of-00002/row 1": "train", "train-00001-of-00002/row 1": "train"}
    for path in (data, data / "train*.parquet", tuple(sorted(data.glob("tr*")))):
        found = {each.id: each.split for each in examples(Table(path))}
        assert {name: split for name, split in found.items() if name in wanted} == wanted
        assert len(found) == (3 if path == data else 2)
    assert found == wanted
    with pytest.raises(InputError, match=r"x\*: no file has such a name"):
        list(Table(data / "x*"))
    (tmp_path / "empty").mkdir()
    with pytest.raises(InputError, match="holds no table"):
        list(Table(tmp_path / "empty"))
    written(data / "other.csv", ROWS)
    with pytest.raises(InputError, match=r"holds tables of several kinds: other.csv, test-.*give a pattern"):
        list(Table(data))


def test_folders_of_files_mean_splits_and_hold_their_own_images(tmp_path: Path) -> None:
    for split in ("train", "val"):
        (tmp_path / split).mkdir()
        written(tmp_path / split / "t.csv", [{"image": "a.jpg", "caption": f"a {split}"}])
    assert examples(Table(tmp_path)) == [
        Example(f"{split}/a.jpg", tmp_path / split / "a.jpg", (f"a {split}",), split=split)
        for split in ("train", "val")
    ]
    (tmp_path / "val" / "t.csv").write_text("image,text\na.jpg,a dog\n")
    with pytest.raises(InputError, match=r"val/t.csv has no column 'caption' for the caption, which t.csv has"):
        list(Table(tmp_path))


def test_a_folder_that_all_files_are_in_means_no_split(encoded: Callable[..., bytes], tmp_path: Path) -> None:
    for home in ("dev", "prod"):
        (tmp_path / home).mkdir()
        written(tmp_path / home / "photos.parquet", [{"image": {"bytes": encoded(0)}, "text": "a picture"}])
    alone = tmp_path / "dev" / "photos.parquet"
    for path in (alone, tmp_path / "dev" / "*.parquet"):
        assert [each.split for each in examples(Table(path))] == [""]
    both = examples(Table((alone, tmp_path / "prod" / "photos.parquet")))
    assert [each.split for each in both] == ["dev", ""]


def test_files_may_be_named_from_here_and_from_the_top(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("here", "there"):
        (tmp_path / name).mkdir()
        written(tmp_path / name / "t.jsonl", [{"image": "a.jpg", "caption": f"dog {name}"}])
    monkeypatch.chdir(tmp_path / "here")
    for there in (tmp_path / "there" / "t.jsonl", Path("../there/t.jsonl")):
        found = examples(Table((Path("t.jsonl"), there)))
        assert [(each.id, each.image) for each in found] == [
            ("here/a.jpg", Path("a.jpg")),
            ("there/a.jpg", there.parent / "a.jpg"),
        ]


def test_rows_of_an_image_are_joined_across_files(tmp_path: Path) -> None:
    for name in ("one", "two"):
        written(tmp_path / f"{name}.jsonl", [{"image": "a.jpg", "caption": f"dog {name}"}])
    assert examples(Table((tmp_path / "one.jsonl", tmp_path / "two.jsonl")))[0].captions == ("dog one", "dog two")


@pytest.mark.parametrize("ending", ["arrow", "parquet"])
def test_text_that_is_not_utf8_is_one_line(ending: str, tmp_path: Path) -> None:
    text = pa.array([b"a dog", b"a \xff\xfe dog"], pa.binary()).view(pa.string())
    table = pa.table({"image": ["a.jpg", "b.jpg"], "caption": text})
    file = tmp_path / f"t.{ending}"
    if ending == "parquet":
        pq.write_table(table, file)
    else:
        with pa.ipc.new_file(str(file), table.schema) as writer:
            writer.write_table(table)
    with pytest.raises(InputError, match=rf"t.{ending} can't be read \(.*UTF8"):
        list(Table(file))
