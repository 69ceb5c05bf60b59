from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from wordsight.corpus.example import Example, Rejected
from wordsight.corpus.readers.coco import Coco
from wordsight.errors import InputError


def reader(tmp_path: Path, content: Any) -> Coco:
    (tmp_path / "images").mkdir(exist_ok=True)
    (tmp_path / "captions.json").write_text(content if isinstance(content, str) else json.dumps(content))
    return Coco(tmp_path / "captions.json", tmp_path / "images")


def test_images_meet_their_captions_and_splits(tmp_path: Path) -> None:
    coco = reader(
        tmp_path,
        {
            "images": [{"id": 1, "file_name": "a.jpg", "split": "val"}, {"id": "x", "file_name": "in/b.jpg"}],
            "annotations": [
                {"image_id": "x", "caption": "of b"},
                {"image_id": 1, "caption": "of a"},
                {"image_id": 1, "caption": None},
            ],
        },
    )
    assert list(coco) == [
        Example("a.jpg", tmp_path / "images" / "a.jpg", ("of a", ""), split="val"),
        Example("in/b.jpg", tmp_path / "images" / "in" / "b.jpg", ("of b",)),
    ]


def test_karpathys_layout_is_read_too(tmp_path: Path) -> None:
    entry = {"filename": "a.jpg", "filepath": "val2014", "split": "restval", "sentences": [{"raw": "A dog runs."}]}
    found = list(reader(tmp_path, {"images": [entry]}))
    assert found == [
        Example("val2014/a.jpg", tmp_path / "images" / "val2014" / "a.jpg", ("A dog runs.",), split="restval")
    ]


@pytest.mark.parametrize("name", ["../secret.jpg", "/etc/secret.jpg", "a/../../b.jpg", "..\\b.jpg", "C:\\b.jpg"])
def test_names_that_lead_out_of_the_folder_are_left_out(name: str, tmp_path: Path) -> None:
    found = list(reader(tmp_path, {"images": [{"id": 1, "file_name": name}], "annotations": []}))
    assert [(each.id, each.reason) for each in found if isinstance(each, Rejected)] == [(name, "outside the folder")]
    assert len(found) == 1


def test_captions_of_images_that_are_not_listed_are_left_out(tmp_path: Path) -> None:
    found = list(reader(tmp_path, {"images": [], "annotations": [{"image_id": 7, "caption": "of nothing"}]}))
    assert found == [Rejected("image_id 7", "caption", "no such image", "of nothing")]


def test_entries_that_make_no_sense_are_left_out(tmp_path: Path) -> None:
    content = {
        "images": [{"id": 1}, "a.jpg", {"id": 2, "file_name": "b.jpg"}],
        "annotations": [{"image_id": 2, "caption": 5}],
    }
    found = list(reader(tmp_path, content))
    assert [each.reason if isinstance(each, Rejected) else each.id for each in found] == [
        "no file name",
        "no file name",
        "caption is no text",
        "b.jpg",
    ]


@pytest.mark.parametrize(
    ("content", "what"),
    [
        ("{broken", "can't be read"),
        ("[1, 2]", "is no JSON object; expected COCO captions"),
        ({"photos": []}, "has the keys photos; expected COCO captions"),
        ({"images": [], "annotations": {}}, "'annotations' is no list"),
        ({"images": [], "annotations": [{"caption": "x"}]}, "annotation 1 has no 'image_id'"),
    ],
)
def test_another_layout_is_one_line(content: Any, what: str, tmp_path: Path) -> None:
    with pytest.raises(InputError, match=what):
        list(reader(tmp_path, content))


def test_absent_files_and_folders_are_named(tmp_path: Path) -> None:
    coco = reader(tmp_path, {"images": []})
    with pytest.raises(InputError, match=r"none.json: no such file"):
        list(Coco(tmp_path / "none.json", coco.images))
    with pytest.raises(InputError, match="none: no such folder"):
        list(Coco(coco.captions, tmp_path / "none"))
    coco.captions.write_bytes(b'{"images": [{"file_name": "caf\xe9.jpg"}]}')
    with pytest.raises(InputError, match="byte 30 is not UTF-8"):
        list(Coco(coco.captions, coco.images))
