"""What a cell of a table means: lists, numbers of classes, nothing, names of images."""

from __future__ import annotations

import base64
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from tests.corpus.readers.tables import examples, written
from wordsight.corpus.example import Example, Rejected
from wordsight.corpus.readers.table import Table
from wordsight.errors import InputError


def test_a_list_as_numpy_prints_it_is_several(tmp_path: Path) -> None:
    captions = np.array(["A man's dog runs.", 'A "brown" dog plays.', "Two dogs " + "x" * 90], dtype=object)
    table = Table(written(tmp_path / "t.csv", [{"image": "a.jpg", "caption": captions, "label": np.array(["a", "b"])}]))
    assert "\n" in str(captions)
    (example,) = examples(table)
    assert (example.captions, example.labels) == (tuple(captions), ("a", "b"))


@pytest.mark.parametrize(
    ("cell", "captions"),
    [
        ({"raw": "a dog runs", "tokens": ["a", "dog"], "imgid": 1}, ("a dog runs",)),
        ([{"text": "a dog"}, {"caption": "a cat"}], ("a dog", "a cat")),
        ({"raw": ["a dog", "a cat"]}, ("a dog", "a cat")),
        ([{"from": "human", "value": "<image>\nWhat?"}, {"from": "gpt", "value": "A dog."}], ("A dog.",)),
        (str({"raw": "a dog's life"}), ("a dog's life",)),
        (str([{"raw": "a dog", "tokens": np.array(["a"])}]), ("a dog",)),
    ],
)
def test_the_text_of_a_struct_is_the_caption(cell: Any, captions: tuple[str, ...], tmp_path: Path) -> None:
    assert examples(Table(written(tmp_path / "t.jsonl", [{"image": "a.jpg", "caption": cell}])))[0].captions == captions


@pytest.mark.parametrize(
    ("cell", "what"),
    [
        ({"tokens": ["a"], "imgid": 3}, "row 1: a struct of tokens, imgid"),
        (17, "row 1: int 17"),
        ([True], "row 1: bool True"),
        ("['a dog' 'a cat' ... 'a cow' 'a hen']", "row 1: a list that is cut short (...): ['a dog' 'a cat' ..."),
        ("['a dog', 'a c", "row 1: a list that is cut short: ['a dog', 'a c"),
        ("<PIL.Image.Image image mode=RGB size=3x3 at 0x7F12>", "row 1: the name of a program's object"),
        ([{"from": "human", "value": "What?"}], "row 1: a conversation without an answer"),
    ],
)
def test_what_is_no_text_is_a_reject_with_its_reason(cell: Any, what: str, tmp_path: Path) -> None:
    found = list(Table(written(tmp_path / "t.jsonl", [{"image": "a.jpg", "caption": cell}])))
    (rejected,) = [each for each in found if isinstance(each, Rejected)]
    assert (rejected.kind, rejected.reason) == ("caption", "caption is not text")
    assert rejected.detail.startswith(what)
    assert [each.captions for each in found if isinstance(each, Example)] == [()]


@pytest.mark.parametrize("cell", ["nan", "NaN", "None", "null", "<NA>", " nan "])
def test_what_programs_print_for_nothing_is_an_empty_cell(cell: str, tmp_path: Path) -> None:
    rows = [{"image": "a.jpg", "caption": cell, "label": cell}, {"image": "b.jpg", "caption": "a dog runs"}]
    first, second = examples(Table(written(tmp_path / "t.jsonl", rows)))
    assert (first.captions, second.captions) == (("",), ("a dog runs",))
    # A class may be called None.
    assert first.labels == ((cell,) if cell in ("None", "null") else ())


def test_captions_may_stand_in_several_columns(tmp_path: Path) -> None:
    row: dict[str, Any] = {"image": "a.jpg", **{f"caption_{k}": f"dog {k}" for k in (0, 1, 10, 2)}}
    path = written(tmp_path / "t.jsonl", [row, {**row, "image": "b.jpg", "caption_1": ""}])
    assert [each.captions for each in examples(Table(path))] == [
        ("dog 0", "dog 1", "dog 2", "dog 10"),
        ("dog 0", "dog 2", "dog 10"),
    ]
    assert examples(Table(path, caption="caption_10, caption_0"))[0].captions == ("dog 10", "dog 0")
    with pytest.raises(InputError, match="unknown caption column 'caption_3'"):
        list(Table(path, caption="caption_1,caption_3"))


@pytest.mark.parametrize(
    ("feature", "cell", "labels"),
    [
        ({"names": ["cat", "dog"], "_type": "ClassLabel"}, 1, ("dog",)),
        ({"num_classes": 2, "names": ["cat", "dog"], "names_file": None, "id": None, "_type": "ClassLabel"}, -1, ()),
        ({"feature": {"names": ["cat", "dog"], "_type": "ClassLabel"}, "_type": "Sequence"}, [1, 0], ("dog", "cat")),
        ({"feature": {"names": ["cat", "dog"], "_type": "ClassLabel"}, "_type": "List"}, [1], ("dog",)),
        ([{"names": ["cat", "dog"], "_type": "ClassLabel"}], [0], ("cat",)),
        ({"dtype": {"class_label": {"names": {"0": "cat", "1": "dog"}}}}, 1, ("dog",)),
    ],
)
def test_numbers_are_the_classes_that_the_file_declares(feature: Any, cell: Any, labels: Any, tmp_path: Path) -> None:
    table = pa.Table.from_pylist([{"image": "a.jpg", "label": cell}])
    info = {"info": {"features": {"image": {"_type": "Image"}, "label": feature}}}
    pq.write_table(table.replace_schema_metadata({"huggingface": json.dumps(info)}), tmp_path / "t.parquet")
    reader = Table(tmp_path / "t.parquet")
    assert examples(reader)[0].labels == labels
    assert reader.label_names() == ["cat", "dog"]


def test_a_class_that_is_not_declared_is_a_reject(tmp_path: Path) -> None:
    info = {"info": {"features": {"label": {"names": ["cat"], "_type": "ClassLabel"}}}}
    table = pa.Table.from_pylist([{"image": "a.jpg", "label": 3}])
    pq.write_table(table.replace_schema_metadata({"huggingface": json.dumps(info)}), tmp_path / "t.parquet")
    assert list(Table(tmp_path / "t.parquet")) == [
        Rejected("a.jpg", "label", "label is not text", "row 1: class 3 of 1"),
        Example("a.jpg", tmp_path / "a.jpg"),
    ]


def test_folder_and_name_may_stand_in_two_columns(photo: Callable[..., Path], tmp_path: Path) -> None:
    rows = [
        {"filepath": f"{split}2014", "filename": f"{k}.jpg", "raw": "a dog"} for k, split in enumerate(("train", "val"))
    ]
    path = written(tmp_path / "t.parquet", rows)
    for k, split in enumerate(("train", "val")):
        photo(tmp_path / f"{split}2014" / f"{k}.jpg", k)
    wanted = [tmp_path / "train2014/0.jpg", tmp_path / "val2014/1.jpg"]
    for table in (Table(path), Table(path, image="filename"), Table(path, image="filename", folder="filepath")):
        assert [each.image for each in examples(table)] == wanted
    # A name's own folder is never left out: that file is another picture.
    photo(tmp_path / "0.jpg")
    alone = Table(written(tmp_path / "own.csv", [{"image": "lost/0.jpg", "caption": "a dog"}]))
    assert examples(alone)[0].image == tmp_path / "lost/0.jpg"
    # A guessed folder that is not there is none.
    photo(tmp_path / "flat" / "0.jpg")
    assert examples(Table(path, images=tmp_path / "flat"))[0].image == tmp_path / "flat/0.jpg"


def test_names_without_endings_and_numbers_find_their_images(photo: Callable[..., Path], tmp_path: Path) -> None:
    photo(tmp_path / "images" / "ROCO_00001.jpg")
    photo(tmp_path / "images" / "000000000139.jpg")
    (tmp_path / "t.csv").write_text("ID,Caption\nROCO_00001, Axial scan of the abdomen.\n")
    (example,) = examples(Table(tmp_path / "t.csv", image="ID", images=tmp_path / "images"))
    assert (example.id, example.image) == ("ROCO_00001", tmp_path / "images/ROCO_00001.jpg")
    path = written(tmp_path / "t.parquet", [{"image_id": 139, "caption": "a dog"}])
    assert examples(Table(path, images=tmp_path / "images"))[0].image == tmp_path / "images/000000000139.jpg"


def test_images_may_stand_in_cells(encoded: Callable[..., bytes], tmp_path: Path) -> None:
    image = encoded(1)
    packed = base64.b64encode(image).decode()
    cells: list[Any] = [
        packed,
        f"data:image/jpeg;base64,{packed}",
        packed.rstrip("="),
        str(image),
        str({"bytes": image}),
    ]
    rows = [{"image": cell, "caption": "a dog runs"} for cell in (*cells, {"bytes": packed, "path": "a.jpg"})]
    assert [each.image for each in examples(Table(written(tmp_path / "t.jsonl", rows)))] == [image] * 6
    rows = [{"image": cell, "caption": "a dog runs"} for cell in cells]
    assert [each.image for each in examples(Table(written(tmp_path / "t.csv", rows)))] == [image] * 5
    for name in ("a" * 80, "AAAA" * 40 + ".jpg", "<PIL.Image.Image at 0x7>"):
        found = list(Table(written(tmp_path / "t.csv", [{"image": name, "caption": "a dog runs"}])))
        assert all(isinstance(each, Rejected) or isinstance(each.image, Path) for each in found)


def test_two_columns_of_one_name_are_refused(tmp_path: Path) -> None:
    (tmp_path / "t.csv").write_text("image,caption,caption\na.jpg,a dog,a cat\n")
    with pytest.raises(InputError, match="2 columns are called 'caption'"):
        list(Table(tmp_path / "t.csv"))


def test_a_wide_table_is_no_long_message(tmp_path: Path) -> None:
    path = written(tmp_path / "t.jsonl", [{f"column {k}": "x" for k in range(5_000)}])
    with pytest.raises(InputError) as error:
        list(Table(path))
    assert len(str(error.value)) < 600


def test_a_column_may_go_on_with_a_field_in_it(tmp_path: Path) -> None:
    row = {"image": "a.jpg", "text": [{"en": "a dog"}, {"en": "a cat"}], "objects": {"category": [1, 0], "box": [1.0]}}
    feature = {"names": ["cat", "dog"], "_type": "ClassLabel"}
    for objects in (
        {"category": {"feature": feature, "_type": "Sequence"}},
        {"feature": {"category": feature}, "_type": "Sequence"},
        [{"category": feature}],
    ):
        info = json.dumps({"info": {"features": {"objects": objects}}})
        table = pa.Table.from_pylist([row]).replace_schema_metadata({"huggingface": info})
        pq.write_table(table, tmp_path / "t.parquet")
        (example,) = examples(Table(tmp_path / "t.parquet", caption="text.en", label="objects.category"))
        assert (example.captions, example.labels) == (("a dog", "a cat"), ("dog", "cat"))
    for kind in ("jsonl", "csv"):
        table = Table(written(tmp_path / f"t.{kind}", [row]), caption="text.en", label="objects.category")
        assert examples(table)[0].labels == ("1", "0")
        assert examples(table)[0].captions == ("a dog", "a cat")
    with pytest.raises(InputError, match="unknown caption column 'text.fr'"):
        list(Table(tmp_path / "t.csv", caption="text.fr"))
