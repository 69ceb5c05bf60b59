"""Pascal VOC: lists and XML files give labels, boxes, splits, and what to ignore."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from PIL import Image

from wordsight.corpus.build import build_corpus
from wordsight.corpus.example import Box, Example, Rejected
from wordsight.corpus.readers.voc import Voc
from wordsight.errors import InputError

Photo = Callable[..., Path]


def voc(path: Path, lists: dict[str, str]) -> Voc:
    (path / "JPEGImages").mkdir(parents=True)
    (path / "ImageSets" / "Main").mkdir(parents=True)
    for name, text in lists.items():
        (path / "ImageSets" / "Main" / f"{name}.txt").write_text(text)
    return Voc(path)


def test_lists_give_labels_splits_and_what_to_ignore(photo: Callable[..., Path], tmp_path: Path) -> None:
    lists = {
        "cat_train": "01 -1\n02  1\n",
        "cat_trainval": "01 -1\n02  1\n03 0\n",
        "cat_val": "03 0\n",
        "cat_test": "04  1\n",
        "potted_plant_train": "01  0\n02  1\n",
        "potted_plant_val": "03 -1\n",
        "potted_plant_test": "04 -1\n",
        "train": "01\n02\n",
    }
    reader = voc(tmp_path, lists)
    photo(tmp_path / "JPEGImages" / "01.jpg")
    photo(tmp_path / "JPEGImages" / "04.png")
    images = tmp_path / "JPEGImages"
    assert list(reader) == [
        Example("01", images / "01.jpg", ignored_labels=("potted_plant",), split="train"),
        Example("02", images / "02.jpg", labels=("cat", "potted_plant"), split="train"),
        Example("03", images / "03.jpg", ignored_labels=("cat",), split="val"),
        Example("04", images / "04.png", labels=("cat",), split="test"),
    ]
    assert reader.label_names() == ["cat", "potted_plant"]


def test_trainval_is_a_split_where_train_and_val_are_not_told_apart(tmp_path: Path) -> None:
    found = list(voc(tmp_path, {"cat_trainval": "01 1\n", "cat_test": "02 1\n"}))
    assert [each.split for each in found if isinstance(each, Example)] == ["trainval", "test"]


def test_a_strange_line_is_shown(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"cat_test.txt: line 2 is '02 yes'; expected an image's name and 1, 0 or -1"):
        list(voc(tmp_path, {"cat_test": "01 1\n02 yes\n"}))


def test_what_is_no_voc_folder_is_one_line(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no folder JPEGImages"):
        list(Voc(tmp_path))
    with pytest.raises(InputError, match="no lists of a class"):
        list(voc(tmp_path / "voc", {"train": "01\n"}))


def an_object(name: str, box: tuple[float, ...] | None = None, difficult: str = "0") -> str:
    edges = zip(("xmin", "ymin", "xmax", "ymax"), box or (), strict=False)
    inner = f"<bndbox>{''.join(f'<{edge}>{value}</{edge}>' for edge, value in edges)}</bndbox>" if box else ""
    return f"<object><name>{name}</name><difficult>{difficult}</difficult>{inner}</object>"


def xml(path: Path, *objects: str, filename: str = "", size: tuple[int, int] | None = (48, 36), more: str = "") -> Path:
    sides = f"<size><width>{size[0]}</width><height>{size[1]}</height></size>" if size else ""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(f"<annotation>{more}<filename>{filename}</filename>{sides}{''.join(objects)}</annotation>")
    return path


def examples(path: Path) -> dict[str, Example]:
    return {each.id: each for each in Voc(path) if isinstance(each, Example)}


def test_xml_files_alone_give_classes_what_to_ignore_and_boxes(photo: Photo, tmp_path: Path) -> None:
    for name in ("1", "2", "3"):
        photo(tmp_path / "JPEGImages" / f"{name}.jpg", int(name))
    cow = an_object("cow", (12, 9, 36, 18))
    xml(tmp_path / "Annotations" / "1.xml", cow, an_object("cow", difficult="1"), an_object("dog", difficult="1"))
    xml(tmp_path / "Annotations" / "2.xml")
    found = examples(tmp_path)
    assert sorted(found) == ["1", "2"]
    assert (found["1"].labels, found["1"].ignored_labels) == (("cow",), ("dog",))
    assert found["1"].boxes == (Box("cow", 0.25, 0.25, 0.5, 0.25),)
    assert (found["2"].labels, found["2"].boxes, found["2"].split) == ((), (), "")
    assert Voc(tmp_path).label_names() == ["cow", "dog"]
    assert Voc(tmp_path).unread() == {"images without XML": 1}


def test_lists_of_images_alone_split_what_the_xml_files_say(photo: Photo, tmp_path: Path) -> None:
    lists = {"train": "000001\n000002.jpg\n", "trainval": "000001\n000002\n000003\n", "test": "000004\n000005\n"}
    voc(tmp_path, lists)
    for k in range(1, 7):
        photo(tmp_path / "JPEGImages" / f"00000{k}.jpg", k)
    for k in (1, 3, 4):
        xml(tmp_path / "Annotations" / f"00000{k}.xml", an_object("cow"))
    read = list(Voc(tmp_path))
    assert {each.id: (each.split, each.labels) for each in read if isinstance(each, Example)} == {
        "000001": ("train", ("cow",)),
        "000003": ("trainval", ("cow",)),
        "000004": ("test", ("cow",)),
    }
    lost = [(each.id, each.kind, each.reason) for each in read if isinstance(each, Rejected)]
    assert lost == [("000002", "example", "no XML file"), ("000005", "example", "no XML file")]
    assert Voc(tmp_path).unread() == {"images in no list": 1}


def test_a_test_set_whose_xml_files_are_kept_from_the_world_stays_without_labels(photo: Photo, tmp_path: Path) -> None:
    voc(tmp_path, {"train": "1\n", "test": "2\n"})
    photo(tmp_path / "JPEGImages" / "1.jpg", 1)
    photo(tmp_path / "JPEGImages" / "2.jpg", 2)
    xml(tmp_path / "Annotations" / "1.xml", an_object("cow"))
    found = examples(tmp_path)
    assert {name: (each.split, each.labels) for name, each in found.items()} == {
        "1": ("train", ("cow",)),
        "2": ("test", ()),
    }


@pytest.mark.parametrize("called", ["photo 7", "photo 7.png", r"C:\me\set\photo 7.png", "/home/me/photo 7.png", ""])
def test_images_are_found_as_labelling_tools_call_them(called: str, photo: Photo, tmp_path: Path) -> None:
    photo(tmp_path / "photo 7.png", kind="PNG")
    xml(tmp_path / ("a.xml" if called else "photo 7.xml"), an_object("cow"), filename=called)
    (found,) = examples(tmp_path).values()
    assert (found.id, found.image, found.labels) == ("photo 7", tmp_path / "photo 7.png", ("cow",))


def test_splits_may_be_folders_with_images_and_xml_files_side_by_side(photo: Photo, tmp_path: Path) -> None:
    for name in ("train/a", "valid/a", "test/b"):
        photo(tmp_path / f"{name}.jpg")
        xml(tmp_path / f"{name}.xml", an_object(name.replace("/", " ")), filename="stale.jpg")
    found = examples(tmp_path)
    assert {name: (each.split, each.labels) for name, each in found.items()} == {
        "train/a": ("train", ("train a",)),
        "valid/a": ("valid", ("valid a",)),
        "test/b": ("test", ("test b",)),
    }


def test_a_list_of_no_split_names_the_images(photo: Photo, tmp_path: Path) -> None:
    voc(tmp_path, {"default": "1\n2\n", "labels_of_colours": "red\nblue\n"})
    for name in ("1", "2", "3"):
        photo(tmp_path / "JPEGImages" / f"{name}.jpg", int(name))
        xml(tmp_path / "Annotations" / f"{name}.xml", an_object("cow"))
    assert {name: each.split for name, each in examples(tmp_path).items()} == {"1": "", "2": ""}


def test_a_class_may_be_called_as_a_split_is(tmp_path: Path) -> None:
    reader = voc(tmp_path, {"train_val": "1 1\n", "train_train": "2 1\n", "val": "1\n", "train": "2\n"})
    assert [(each.labels, each.split) for each in reader if isinstance(each, Example)] == [
        (("train",), "val"),
        (("train",), "train"),
    ]


def test_lists_of_a_class_go_before_xml_files_which_give_the_boxes(photo: Photo, tmp_path: Path) -> None:
    voc(tmp_path, {"cow_train": "1 0\n2 1\n"})
    photo(tmp_path / "JPEGImages" / "1.jpg", 1)
    photo(tmp_path / "JPEGImages" / "2.jpg", 2)
    own = "<source><annotation>PASCAL VOC2007</annotation></source>"
    xml(tmp_path / "Annotations" / "1.xml", an_object("cow", (13, 10, 36, 18)), more=own)
    (tmp_path / "Annotations" / "2.xml").write_text("<annotation><object>")
    read = list(Voc(tmp_path))
    first = next(each for each in read if isinstance(each, Example))
    assert (first.ignored_labels, first.boxes) == (("cow",), (Box("cow", 0.25, 0.25, 0.5, 0.25),))
    assert [(each.id, each.kind, each.reason) for each in read if isinstance(each, Rejected)] == [
        ("2", "box", "broken XML")
    ]


def test_what_an_xml_file_lacks_is_left_out_and_said(photo: Photo, tmp_path: Path) -> None:
    for name in ("1", "2", "3"):
        photo(tmp_path / f"{name}.jpg", int(name))
    nonsense = "<object><name>dog</name><bndbox><xmin>a</xmin></bndbox></object>"
    xml(tmp_path / "1.xml", an_object("", (1, 1, 2, 2)), an_object("cow", (60, 5, 70, 9)), nonsense)
    xml(tmp_path / "2.xml", an_object("cow", (12, 9, 36, 18)), size=(0, 0))
    (tmp_path / "3.xml").write_text("<html></html>")
    read = list(Voc(tmp_path))
    assert [(each.id, each.kind, each.reason) for each in read if isinstance(each, Rejected)] == [
        ("1", "box", "object without a name"),
        ("1", "box", "box without numbers"),
        ("1", "box", "box outside the image"),
        ("3", "example", "broken XML"),
    ]
    found = {each.id: each for each in read if isinstance(each, Example)}
    assert (found["1"].labels, found["1"].boxes) == (("cow", "dog"), ())
    assert found["2"].boxes == (Box("cow", 0.25, 0.25, 0.5, 0.25),)


def test_boxes_of_a_turned_photo_stand_where_the_object_is(photo: Photo, tmp_path: Path) -> None:
    exif = Image.Exif()
    exif[0x0112] = 6
    for name, size in (("stored", (48, 36)), ("upright", (36, 48))):
        photo(tmp_path / "in" / f"{name}.jpg", 5 + len(name), exif=exif)
        xml(tmp_path / "in" / f"{name}.xml", an_object("cow", (0, 0, size[0] / 4, size[1] / 4)), size=size)
    corpus = build_corpus(Voc(tmp_path / "in"), tmp_path / "corpus")
    assert {corpus.id(i): corpus.boxes(i)[0].x for i in range(2)} == {"stored": 0.75, "upright": 0.0}
