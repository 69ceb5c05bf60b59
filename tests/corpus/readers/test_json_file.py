"""Lists of images in JSON: layouts told without a flag, nested ones by their paths."""

from __future__ import annotations

import gzip
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from wordsight.corpus.build import build_corpus
from wordsight.corpus.example import Example, Rejected
from wordsight.corpus.readers.json_file import Json
from wordsight.corpus.readers.table import Table
from wordsight.errors import InputError

A, B = "a dog on a beach", "a red kite above a hill"
IMAGES = ("a.jpg", "b.jpg", "c.jpg")
PAIRS = (("a.jpg", A), ("b.jpg", B))


@pytest.fixture
def read(tmp_path: Path) -> Callable[..., list[Example | Rejected]]:
    """``read(content, **how)``: what the reader makes of a file with that content beside the images a, b, c."""
    (tmp_path / "images").mkdir()
    for name in IMAGES:
        (tmp_path / "images" / name).write_bytes(b"")

    def of(content: Any, name: str = "x.json", **how: Any) -> list[Example | Rejected]:
        (tmp_path / name).write_text(content if isinstance(content, str) else json.dumps(content))
        found = list(Json(tmp_path / name, tmp_path / "images", **how))
        for each in found:
            if isinstance(each, Example):
                assert isinstance(each.image, Path)
                assert each.image.parent == tmp_path / "images"
                assert each.image.is_file()
        return found

    return of


Read = Callable[..., list[Example | Rejected]]


def said(found: list[Example | Rejected]) -> list[tuple[str, tuple[str, ...], tuple[str, ...], str]]:
    assert not [each for each in found if isinstance(each, Rejected)]
    return [(each.image.name, each.captions, each.labels, each.split) for each in found]  # type: ignore[union-attr]


@pytest.mark.parametrize(
    "content",
    [
        # BLIP: one record a caption; records of an image are joined.
        [{"caption": A, "image": "a.jpg", "image_id": "c1"}, {"caption": B, "image": "b.jpg", "image_id": "c2"}],
        # RSTPReid and CUHK-PEDES: the id is the person's, and other texts stand beside the captions.
        [{"id": 7, "img_path": "a.jpg", "captions": [A]}, {"id": 7, "img_path": "b.jpg", "captions": [B]}],
        [{"id": 7, "file_path": f, "captions": [c], "processed_tokens": [c.split()]} for f, c in PAIRS],
        # Captions by file: a text, a list, a record.
        {"a.jpg": A, "b.jpg": B},
        {"a.jpg": [A], "b.jpg": [B]},
        {"a.jpg": {"caption": A, "width": 640}, "b.jpg": {"caption": B, "width": 640}},
        {"a.jpg": [{"raw": A, "imgid": 1}], "b.jpg": [{"raw": B, "imgid": 2}]},
        # By an id without an ending, and records by numbers of their own.
        {"a": A, "b": B},
        {"0": {"image": "a.jpg", "caption": A}, "1": {"image": "b.jpg", "caption": B}},
        # RedCaps: annotations without a list of images, names without endings.
        {"info": {"url": "x"}, "annotations": [{"image_id": "a", "caption": A, "raw_caption": "x", "url": "http://x/a.jpg",
                                                "subreddit": "pics"}, {"image_id": "b", "caption": B}]},
        {"info": {}, "licenses": [{"id": 1, "name": "x"}], "data": [{"file_name": "a.jpg", "text": A},
                                                                    {"file_name": "b.jpg", "text": B}]},
        # Karpathy's.
        {"dataset": "x", "images": [{"filename": f, "imgid": 0, "sentences": [{"raw": c, "tokens": ["a"], "imgid": 0}]}
                                    for f, c in PAIRS]},
        # A conversation about an image.
        [{"id": "x", "image": f, "conversations": [{"from": "human", "value": "What?"}, {"from": "gpt", "value": c}]}
         for f, c in PAIRS],
        # Nested.
        [{"image": {"file_name": "a.jpg", "id": 3}, "texts": {"caption": A}},
         {"image": {"file_name": "b.jpg", "id": 4}, "texts": {"caption": B}}],
        [{"photo": {"info": 3, "file_name": "a.jpg"}, "said": [{"caption": A}]},
         {"photo": {"info": 3, "file_name": "b.jpg"}, "said": [{"caption": B}]}],
    ],
)  # fmt: skip
def test_layouts_are_read_without_a_flag(content: Any, read: Read) -> None:
    assert said(read(content)) == [("a.jpg", (A,), (), ""), ("b.jpg", (B,), (), "")]


def test_localized_narratives_are_lines_of_images_without_endings(tmp_path: Path, read: Read) -> None:
    (tmp_path / "images" / "000000000139.jpg").write_bytes(b"")
    lines = [
        {"dataset_id": "mscoco_val2017", "image_id": image, "annotator_id": n, "caption": caption,
         "timed_caption": [{"utterance": "In", "start_time": 0.0}], "traces": [[{"x": 0.1, "y": 0.2, "t": 0.0}]]}
        for n, (image, caption) in enumerate((("139", A), ("b", B), ("139", B)))
    ]  # fmt: skip
    found = read("\n".join(map(json.dumps, lines)) + "\n", "x.jsonl")
    assert said(found) == [("b.jpg", (B,), (), ""), ("000000000139.jpg", (A, B), (), "")]


def test_nwpus_classes_are_labels_and_its_five_captions_are_all_read(read: Read) -> None:
    content = {
        "bridge": [{"filename": "a.jpg", "split": "train", "raw": A, "raw_1": B, "raw_4": A + " again", "imgid": 0}],
        "beach": [{"filename": "b.jpg", "split": "test", "raw": B, "imgid": 1}],
    }
    assert said(read(content)) == [
        ("a.jpg", (A, B, A + " again"), ("bridge",), "train"),
        ("b.jpg", (B,), ("beach",), "test"),
    ]
    alone = {"bridge": content["bridge"]}
    assert said(read(alone, caption="raw_1,raw")) == [("a.jpg", (B, A), ("bridge",), "train")]


def test_a_class_of_its_own_is_no_name_of_a_list(read: Read) -> None:
    content = {"x": [{"image": "a.jpg", "caption": A, "label": "dog"}], "y": [{"image": "b.jpg", "caption": B}]}
    assert said(read(content)) == [("a.jpg", (A,), ("dog",), ""), ("b.jpg", (B,), (), "")]


@pytest.mark.parametrize(
    "content",
    [
        {"train": [{"image": "a.jpg", "caption": A}], "val": [{"image": "b.jpg", "caption": B}]},
        {"train": {"a.jpg": A}, "val": {"b.jpg": B}},
    ],
)
def test_keys_that_are_splits_are_splits(content: Any, read: Read) -> None:
    assert said(read(content)) == [("a.jpg", (A,), (), "train"), ("b.jpg", (B,), (), "val")]


def test_records_below_two_keys_are_found_with_their_split(read: Read) -> None:
    image = "a.jpg"
    assert said(read({"data": {"items": [{"image": image, "caption": A}]}})) == [(image, (A,), (), "")]
    nested = {"info": {"year": 2014}, "data": {"items": [{"photo": {"name": image}, "meta": {"alt": A}}]}}
    assert said(read(nested, image="photo.name", caption="meta.alt")) == [(image, (A,), (), "")]
    parts = {
        "train": {"items": [{"image": image, "caption": A}]},
        "test": {"items": [{"image": "b.jpg", "caption": B}]},
    }
    assert said(read(parts)) == [(image, (A,), (), "train"), ("b.jpg", (B,), (), "test")]


def test_fields_are_named_by_flags_nested_ones_with_dots(read: Read) -> None:
    content = {
        "out": {
            "list": [{"pic": {"at": "a"}, "words": [{"says": A}, {"says": B}], "of": {"kind": "dog"}, "part": "dev"}]
        }
    }
    how = {"image": "pic.at", "caption": "words.says", "label": "of.kind", "split": "part", "records": "out.list"}
    assert said(read(content, **how)) == [("a.jpg", (A, B), ("dog",), "dev")]
    with pytest.raises(InputError, match=r"x.json: unknown caption column 'words.say'; .*did you mean 'words.says'"):
        read(content, **how | {"caption": "words.say"})
    with pytest.raises(
        InputError, match=r"x.json has none at 'out.lists' .`records`.; its keys: out; expected records such"
    ):
        read(content, **how | {"records": "out.lists"})


def test_fields_that_are_not_plain_are_asked_for(read: Read) -> None:
    with pytest.raises(
        InputError, match=r"no column is plainly the image; its columns: pic, caption; name it with `image`"
    ):
        read([{"pic": "a.jpg", "caption": A}])
    with pytest.raises(InputError, match=r"no column is plainly the caption or the label; its columns: image, words"):
        read([{"image": "a.jpg", "words": A}])


def test_what_is_no_record_or_no_text_is_said(read: Read) -> None:
    found = read(
        [{"image": "a.jpg", "caption": 5}, "b.jpg", {"image": None, "caption": B}, {"image": "c.jpg", "caption": B}]
    )
    assert [(each.kind, each.reason) for each in found if isinstance(each, Rejected)] == [
        ("caption", "caption is not text"),
        ("example", "broken record"),
        ("example", "no file name"),
    ]
    broken = read('{"image": "a.jpg", "caption": "x y z"}\n{"image": "b.jpg", \n{"image": "c.jpg", "caption": "x"}\n')
    assert [each.id for each in broken if isinstance(each, Rejected)] == ["line 2"]


@pytest.mark.parametrize(
    ("content", "what"),
    [
        ("{broken", "can't be read"),
        ("[{broken", "broken JSON after 0 entries"),
        ("", "can't be read"),
        ("[]", "holds no records; expected records such as"),
        ("[1, 2]", "holds no records"),
        ("7", "holds int"),
        ({}, "has the keys none"),
        ({f"k{n}": n for n in range(5_000)}, r"has the keys k0, .*, k11, ... \(5,000 in all\); expected records"),
        (
            {"images": [{"id": 1, "file_name": "a.jpg"}], "annotations": [{"image_id": 1, "caption": A}]},
            "has COCO's layout, .*read it by: wordsight corpus build coco .*x.json IMAGES",
        ),
    ],
)
def test_another_layout_is_one_line(content: Any, what: str, read: Read) -> None:
    with pytest.raises(InputError, match=what) as caught:
        read(content)
    assert "\n" not in str(caught.value)
    assert len(str(caught.value)) < 1_000


def test_a_packed_file_is_read_whatever_it_is_called(tmp_path: Path, read: Read) -> None:
    plain = read([{"image": "a.jpg", "caption": A}])
    for name in ("x.json.gz", "packed"):
        (tmp_path / name).write_bytes(gzip.compress((tmp_path / "x.json").read_bytes()))
        assert list(Json(tmp_path / name, tmp_path / "images")) == plain


def test_several_files_are_read_together_and_their_names_are_splits(tmp_path: Path, read: Read) -> None:
    folder = tmp_path / "annotations"
    folder.mkdir()
    for name, image in (("coco_train.json", "a.jpg"), ("coco_val.json", "b.jpg")):
        (folder / name).write_text(json.dumps([{"image": image, "caption": A}]))
    for given in (folder, folder / "*.json", folder / "coco_{train,val}.json"):
        assert said(list(Json(given, tmp_path / "images"))) == [
            ("a.jpg", (A,), (), "train"),
            ("b.jpg", (A,), (), "val"),
        ]
    with pytest.raises(InputError, match="no such file"):
        list(Json(folder / "none.json", tmp_path / "images"))


def test_images_of_a_class_may_lie_in_its_folder(photo: Callable[..., Path], tmp_path: Path) -> None:
    photo(tmp_path / "images" / "airport" / "airport_001.jpg", 1)
    content = {"airport": [{"filename": "airport_001.jpg", "raw": "planes at an airport", "split": "train"}]}
    (tmp_path / "x.json").write_text(json.dumps(content))
    corpus = build_corpus(Json(tmp_path / "x.json", tmp_path / "images"), tmp_path / "corpus")
    assert (corpus.captions(0), corpus.labels(0)) == (["planes at an airport"], ["airport"])


def test_a_table_that_is_json_is_told_its_reader(tmp_path: Path) -> None:
    (tmp_path / "x.json").write_text("[]")
    with pytest.raises(InputError, match="wordsight corpus build json .*x.json IMAGES"):
        list(Table(tmp_path / "x.json"))
