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


def german(tmp_path: Path, captions: dict[str, list[Any]], name: str = "de.json") -> Path:
    """A captions file with its own numbers for the images."""
    images = [{"id": 100 + k, "file_name": file} for k, file in enumerate(captions)]
    annotations = [
        {"image_id": 100 + k, "caption": text} for k, texts in enumerate(captions.values()) for text in texts
    ]
    (tmp_path / name).write_text(json.dumps({"images": images, "annotations": annotations}))
    return tmp_path / name


ENGLISH = {
    "images": [{"id": 1, "file_name": "a.jpg", "split": "val"}, {"id": 2, "filename": "b.jpg", "filepath": "in"}],
    "annotations": [{"image_id": 1, "caption": "a dog runs"}, {"image_id": 2, "caption": "a cat sits"}],
}


def test_further_files_add_captions_in_their_languages(tmp_path: Path) -> None:
    main = reader(tmp_path, ENGLISH)
    also = german(tmp_path, {"in/b.jpg": ["eine Katze"], "a.jpg": ["ein Hund", "ein Hund rennt"]})
    french = german(tmp_path, {"a.jpg": ["un chien"]}, "fr.json")
    read = Coco(main.captions, main.images, "en", (f"de={also}", f" fr = {french} "))
    assert [each.spoken for each in read if isinstance(each, Example)] == [
        (("a dog runs", "en"), ("ein Hund", "de"), ("ein Hund rennt", "de"), ("un chien", "fr")),
        (("a cat sits", "en"), ("eine Katze", "de")),
    ]
    assert read.sources() == [str(main.captions), str(main.images), str(also), str(french)]
    unsaid = Coco(main.captions, main.images, also=(f"de={also}",))
    assert [each.languages for each in unsaid if isinstance(each, Example)] == [("", "de", "de"), ("", "de")]
    assert [each.languages for each in main if isinstance(each, Example)] == [(), ()]


def test_images_that_only_a_further_file_has_are_counted(tmp_path: Path) -> None:
    main = reader(tmp_path, ENGLISH)
    also = german(tmp_path, {"a.jpg": ["ein Hund", 7], "x.jpg": ["eins", "zwei"], "y.jpg": ["drei"], "z.jpg": []})
    found = [each for each in Coco(main.captions, main.images, "en", (f"de={also}",)) if isinstance(each, Rejected)]
    assert found == [
        Rejected("a.jpg", "caption", "caption is no text", f"{also}: 7"),
        Rejected("x.jpg", "caption", "image not in the main file", f"2 captions in {also}"),
        Rejected("y.jpg", "caption", "image not in the main file", f"1 captions in {also}"),
    ]


def test_what_is_wrong_with_a_further_file_costs_no_example(tmp_path: Path) -> None:
    main = reader(tmp_path, ENGLISH)
    (tmp_path / "de.json").write_text('{"images": [{"id": 1}], "annotations": [{"image_id": 7, "caption": "Hund"}]}')
    found = list(Coco(main.captions, main.images, "en", (f"de={tmp_path / 'de.json'}",)))
    assert [each.kind for each in found if isinstance(each, Rejected)] == ["caption", "caption"]
    assert [each.captions for each in found if isinstance(each, Example)] == [("a dog runs",), ("a cat sits",)]


def test_a_further_file_of_other_images_is_an_error(tmp_path: Path) -> None:
    main = reader(tmp_path, ENGLISH)
    also = german(tmp_path, {"a.png": ["ein Hund"], "b.png": ["eine Katze"]})
    what = r"de.json: none of its 2 images is in .*captions.json; expected the same file names \(its first is a.png\)"
    with pytest.raises(InputError, match=what):
        list(Coco(main.captions, main.images, "en", (f"de={also}",)))


@pytest.mark.parametrize("also", ["captions_de.json", "=captions_de.json", "de=", "de"])
def test_a_further_file_needs_its_language(also: str, tmp_path: Path) -> None:
    main = reader(tmp_path, ENGLISH)
    with pytest.raises(InputError, match="--also: '.*' is no language and file; expected LANGUAGE=FILE, for example"):
        list(Coco(main.captions, main.images, "en", (also,)))


def test_a_further_file_that_is_broken_is_named(tmp_path: Path) -> None:
    main = reader(tmp_path, ENGLISH)
    (tmp_path / "de.json").write_text('{"images": [}')
    for name, what in (("de.json", "can't be read"), ("none.json", "no such file")):
        with pytest.raises(InputError, match=f"{name}: {what}"):
            list(Coco(main.captions, main.images, "en", (f"de={tmp_path / name}",)))
