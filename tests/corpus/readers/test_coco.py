"""COCO's layout and Karpathy's: images meet their captions; what does not fit is left out and counted."""

from __future__ import annotations

import gzip
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from wordsight.concepts.labels import LabelsSettings, build_labels
from wordsight.corpus.build import build_corpus
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
        "caption is not text",
        "b.jpg",
    ]


@pytest.mark.parametrize(
    ("content", "what"),
    [
        ("{broken", "can't be read"),
        ("[1, 2]", "is not a JSON object; expected COCO captions"),
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


@pytest.mark.parametrize("wrong", [str, float, "{}.0".format, "{:012d}".format])
def test_ids_of_a_file_are_compared_as_what_they_mean(wrong: Callable[[int], Any], tmp_path: Path) -> None:
    names = ["a.jpg", "b.jpg", "c.jpg"]
    content = {
        "images": [{"id": k, "file_name": name} for k, name in enumerate(names)],
        "annotations": [{"image_id": wrong(k), "caption": f"of {name}"} for k, name in enumerate(names)],
    }
    read = [each for each in reader(tmp_path, content) if isinstance(each, Example)]
    assert [each.captions for each in read] == [("of a.jpg",), ("of b.jpg",), ("of c.jpg",)]
    assert not [each for each in reader(tmp_path, content) if isinstance(each, Rejected)]


def test_captions_of_other_images_stop_the_build_with_an_id_of_each(tmp_path: Path) -> None:
    ids = [*(f"{k}.jpg" for k in range(30)), 1]
    content = {
        "images": [{"id": k, "file_name": f"{k}.jpg"} for k in range(30)],
        "annotations": [{"image_id": image_id, "caption": "a dog"} for image_id in ids],
    }
    what = "only 1 of the 31 images that its captions are of is in its list .*: one here is '0.jpg', one there 0"
    with pytest.raises(InputError, match=what):
        list(reader(tmp_path, content))


def test_a_file_of_which_some_images_were_kept_is_read(tmp_path: Path) -> None:
    content = {
        "images": [{"id": 1, "file_name": "a.jpg"}],
        "annotations": [{"image_id": k, "caption": f"of {k}"} for k in range(100)],
    }
    found = list(reader(tmp_path, content))
    assert found[0] == Example("a.jpg", tmp_path / "images" / "a.jpg", ("of 1",))
    assert {each.reason for each in found[1:] if isinstance(each, Rejected)} == {"no such image"}
    assert len(found) == 100


def test_two_images_of_one_id_are_said(tmp_path: Path) -> None:
    content = {
        "images": [{"id": 1, "file_name": "a.jpg"}, {"id": "1", "file_name": "b.jpg"}],
        "annotations": [{"image_id": 1, "caption": "whose is it"}],
    }
    assert list(reader(tmp_path, content))[1] == Rejected(
        "b.jpg", "example", "repeated id", "the id 1 is that of a.jpg"
    )


def test_images_are_found_in_the_folders_below_and_without_their_endings(tmp_path: Path) -> None:
    coco = reader(tmp_path, {"images": [{"id": 1, "file_name": "a.jpg"}, {"id": 2, "file_name": "b"}]})
    for name in ("train2017/a.jpg", "b.png"):
        (coco.images / name).parent.mkdir(exist_ok=True)
        (coco.images / name).write_bytes(b"")
    found = [each.image for each in coco if isinstance(each, Example)]
    assert found == [coco.images / "train2017" / "a.jpg", coco.images / "b.png"]


def test_a_packed_file_is_read(tmp_path: Path) -> None:
    coco = reader(tmp_path, ENGLISH)
    packed = tmp_path / "captions.json.gz"
    packed.write_bytes(gzip.compress(coco.captions.read_bytes()))
    assert list(Coco(packed, coco.images)) == list(coco)


@pytest.mark.parametrize(
    "content",
    [
        [{"image": "a.jpg", "caption": "a dog"}],
        {"a.jpg": "a dog"},
        {f"{'x' * 300}{k}.jpg": "a dog" for k in range(12_000)},
        '{"image": "a.jpg", "caption": "a dog"}\n{"image": "b.jpg", "caption": "a cat"}\n',
    ],
)
def test_a_layout_that_another_reader_reads_is_told(content: Any, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="wordsight corpus build json .*captions.json IMAGES") as caught:
        list(reader(tmp_path, content))
    assert len(str(caught.value)) < 1_000


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
        Rejected("a.jpg", "caption", "caption is not text", f"{also}: 7"),
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
    what = "de.json: none of its 2 images is in .*captions.json; .*: one here is 'a.png', one there 'a.jpg'"
    with pytest.raises(InputError, match=what):
        list(Coco(main.captions, main.images, "en", (f"de={also}",)))


@pytest.mark.parametrize("also", ["captions_de.json", "=captions_de.json", "de=", "de"])
def test_a_further_file_needs_its_language(also: str, tmp_path: Path) -> None:
    main = reader(tmp_path, ENGLISH)
    with pytest.raises(
        InputError, match="also: '.*' is not a language and a file; expected LANGUAGE=FILE, for example"
    ):
        list(Coco(main.captions, main.images, "en", (also,)))


def test_a_further_file_that_is_broken_is_named(tmp_path: Path) -> None:
    main = reader(tmp_path, ENGLISH)
    (tmp_path / "de.json").write_text('{"images": [}')
    for name, what in (("de.json", "can't be read"), ("none.json", "no such file")):
        with pytest.raises(InputError, match=f"{name}:? {what}"):
            list(Coco(main.captions, main.images, "en", (f"de={tmp_path / name}",)))


OBJECTS: dict[str, Any] = {
    "images": [{"id": 2, "file_name": "b.jpg"}, {"id": 1, "file_name": "a.jpg"}, {"id": 9, "file_name": "z.jpg"}],
    "annotations": [
        {"image_id": 1, "category_id": 18, "bbox": [0.5, 1.5, 2.5, 3.5], "iscrowd": 0},
        {"image_id": 1, "category_id": 18, "iscrowd": 0},
        {"image_id": 1, "category_id": 1, "iscrowd": 1},
        {"image_id": 9, "category_id": 44, "iscrowd": 0},
    ],
    "categories": [{"id": 1, "name": "person"}, {"id": 44, "name": "bottle"}, {"id": 18, "name": "dog"}],
}


def labelled(tmp_path: Path, objects: Any, captions: Any = ENGLISH) -> Coco:
    """English captions with an instances file beside them."""
    main = reader(tmp_path, captions)
    file = tmp_path / "instances.json"
    file.write_text(objects if isinstance(objects, str) else json.dumps(objects))
    return Coco(main.captions, main.images, labels=file)


def test_categories_of_an_instances_file_are_labels_once_in_their_order_crowds_too(tmp_path: Path) -> None:
    coco = labelled(tmp_path, OBJECTS)
    assert [each.labels for each in coco if isinstance(each, Example)] == [("person", "dog"), ()]
    assert coco.label_names() == ["person", "bottle", "dog"]
    assert coco.sources() == [str(coco.captions), str(coco.images), str(coco.labels)]
    assert Coco(coco.captions, coco.images).label_names() == []


def test_images_that_one_of_the_files_lacks_have_no_label(tmp_path: Path) -> None:
    coco = labelled(tmp_path, OBJECTS | {"images": [{"id": 9}, {"id": 1}]})
    assert [each.labels for each in coco if isinstance(each, Example)] == [("person", "dog"), ()]


def test_ids_of_an_instances_file_may_be_texts_or_floats(tmp_path: Path) -> None:
    objects: dict[str, Any] = {
        "images": [{"id": "1"}, {"id": "2"}],
        "annotations": [{"image_id": 1.0, "category_id": "18"}, {"image_id": "2", "category_id": 1}],
        "categories": [{"id": "1", "name": "person"}, {"id": 18, "name": "dog"}],
    }
    coco = labelled(tmp_path, objects)
    assert [each.labels for each in coco if isinstance(each, Example)] == [("dog",), ("person",)]


def test_karpathys_ids_are_cocos(tmp_path: Path) -> None:
    entry = {"filename": "a.jpg", "filepath": "val2014", "cocoid": 1, "imgid": 0, "sentences": [{"raw": "A dog."}]}
    found = list(labelled(tmp_path, OBJECTS, {"images": [entry]}))
    assert [(each.captions, each.labels) for each in found if isinstance(each, Example)] == [
        (("A dog.",), ("person", "dog"))
    ]


@pytest.mark.parametrize(
    ("objects", "what"),
    [
        ("{broken", "can't be read"),
        ("[1]", "is not a JSON object; expected COCO instances"),
        (ENGLISH, "has the keys images, annotations; expected COCO instances"),
        (OBJECTS | {"annotations": [{"image_id": 1}]}, "annotation 1 has the category_id None, which is no category's"),
        (OBJECTS | {"annotations": [{"image_id": 1, "category_id": [18]}]}, r"annotation 1 has the category_id \[18\]"),
        (OBJECTS | {"annotations": [{"image_id": 1, "category_id": 7}]}, "annotation 1 has the category_id 7"),
        (OBJECTS | {"annotations": [{"category_id": 18}]}, "annotation 1 has no image_id"),
        (
            OBJECTS | {"annotations": [{"image_id": 1.5, "category_id": 18}]},
            "annotation 1 has no image_id that is a",
        ),
        (OBJECTS | {"categories": [{"id": 1}]}, "the category .* has no id or name"),
        (OBJECTS | {"images": [{"file_name": "a.jpg"}]}, "image 1 has no id"),
        (OBJECTS | {"images": [{"id": 1}, {"id": 1}]}, "image 2 has the id 1 of an image before it"),
        (OBJECTS | {"images": [{"id": [1]}]}, "image 1 has no id"),
        (
            OBJECTS | {"images": [{"id": 1, "file_name": "b.jpg"}]},
            r"the image with the id 1 is b\.jpg; expected a\.jpg as in .*captions\.json; give the instances file of",
        ),
        (
            {"images": [{"id": 7}], "annotations": [], "categories": []},
            r"none of its 1 images is in .*captions\.json; expected the same names in both: one here is 7, one there 1",
        ),
    ],
)
def test_an_instances_file_that_does_not_fit_is_one_line(objects: Any, what: str, tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"instances\.json:? " + what) as caught:
        list(labelled(tmp_path, objects))
    assert "\n" not in str(caught.value)


def test_an_absent_instances_file_is_named(tmp_path: Path) -> None:
    main = reader(tmp_path, ENGLISH)
    with pytest.raises(InputError, match=r"none\.json: no such file; expected a COCO instances JSON file"):
        list(Coco(main.captions, main.images, labels=tmp_path / "none.json"))


def test_a_corpus_has_the_labels_and_names_of_an_instances_file(
    coco: Callable[..., tuple[Path, Path]], tmp_path: Path
) -> None:
    captions, images = coco(4)
    (tmp_path / "instances.json").write_text(json.dumps(OBJECTS | {"images": []}))
    corpus = build_corpus(Coco(captions, images, labels=tmp_path / "instances.json"), tmp_path / "corpus")
    assert corpus.label_names == ["bottle", "dog", "person"]
    assert [list(corpus.labels(i)) for i in range(4)] == [[], ["person", "dog"], [], []]
    concepts = build_labels(corpus, LabelsSettings(), "all")
    assert concepts.names == ["dog", "person"]
