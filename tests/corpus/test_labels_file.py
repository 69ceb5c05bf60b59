"""Labels and splits from a table beside the images."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from wordsight import api
from wordsight.corpus.example import Example, Reader, Rejected
from wordsight.corpus.labels_file import WithLabels
from wordsight.corpus.readers.coco import Coco
from wordsight.corpus.readers.folder import Folder
from wordsight.errors import InputError
from wordsight.evaluation import open_task

Photo = Callable[..., Path]
MakeReader = Callable[..., Reader]


def table(path: Path, text: str) -> Path:
    path.write_text(text, encoding="utf-8")
    return path


def labels(reader: Reader) -> dict[str, tuple[str, ...]]:
    return {each.id: each.labels for each in reader if isinstance(each, Example)}


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("l.csv", "image,label\na.jpg,cat\nb.jpg,cat|dog\n"),
        ("l.tsv", "file_name\tclass\nin/a.jpg\tcat\nin/b.jpg\tcat\nin/b.jpg\tdog\n"),
        ("l.csv", "id,label\na,cat\nb,\"['cat', 'dog']\"\n"),
        ("l.csv", "what,thing\n./a.jpg,cat\nb.jpg,cat|dog\n"),
        ("l.jsonl", '{"image": "a.jpg", "label": ["cat"]}\n{"image": "b.jpg", "label": ["cat", "dog"]}\n'),
    ],
)
def test_labels_come_from_a_table_by_the_names_of_the_files(name: str, text: str, photo: Photo, tmp_path: Path) -> None:
    for image in ("a", "b", "c"):
        photo(tmp_path / "in" / f"{image}.jpg", ord(image))
    reader = WithLabels(Folder(tmp_path / "in"), table(tmp_path / name, text))
    assert labels(reader) == {"a.jpg": ("cat",), "b.jpg": ("cat", "dog"), "c.jpg": ()}
    assert reader.label_names() == ["cat", "dog"]
    assert reader.unread() == {f"images not in {name}": 1}


def test_they_take_the_place_of_the_sources_own_and_may_give_splits(photo: Photo, tmp_path: Path) -> None:
    for k in range(6):
        photo(tmp_path / "in" / "misc" / f"{k}.jpg", k)
    rows = "".join(f"misc/{k}.jpg,{'cat' if k % 2 else 'dog'},{'test' if k > 3 else 'train'}\n" for k in range(6))
    file = table(tmp_path / "labels.csv", "image,label,split\n" + rows)
    corpus = api.build_corpus(Folder(tmp_path / "in"), out=tmp_path / "corpus", labels=file)
    assert corpus.label_names == ["cat", "dog"]
    assert corpus.splits == {"train": 4, "test": 2}
    task = open_task(f"corpus:{tmp_path / 'corpus'}")
    assert (task.class_names, len(task.train), len(task.test)) == (["cat", "dog"], 4, 2)


def test_with_drawn_splits_a_persons_own_images_have_held_out_numbers(photo: Photo, tmp_path: Path) -> None:
    for k in range(20):
        photo(tmp_path / "in" / f"{k}.jpg", k)
    rows = "".join(f"{k}.jpg,{'cat' if k % 2 else 'dog'}\n" for k in range(20))
    file = table(tmp_path / "labels.csv", "image,label\n" + rows)
    settings = api.BuildSettings(test_share=0.4)
    api.build_corpus(Folder(tmp_path / "in"), out=tmp_path / "corpus", labels=file, settings=settings)
    task = open_task(f"corpus:{tmp_path / 'corpus'}")
    assert (len(task.train), len(task.test), task.split_rule) == (12, 8, "as the source splits it")


def test_an_image_of_the_same_name_in_another_folder_is_another(photo: Photo, tmp_path: Path) -> None:
    photo(tmp_path / "in" / "a" / "1.jpg", 1)
    photo(tmp_path / "in" / "b" / "1.jpg", 2)
    file = table(tmp_path / "l.csv", "image,label\nb/1.jpg,dog\n")
    assert labels(WithLabels(Folder(tmp_path / "in"), file)) == {"a/1.jpg": (), "b/1.jpg": ("dog",)}
    file = table(tmp_path / "l.csv", "image,label\n1.jpg,dog\n")
    with pytest.raises(InputError, match="1.jpg may be a/1.jpg or b/1.jpg; expected names with their folders"):
        list(WithLabels(Folder(tmp_path / "in"), file))


def test_rows_of_no_image_are_counted_and_a_table_of_others_stops(listed: MakeReader, tmp_path: Path) -> None:
    reader = listed(Example("a.jpg", b""), Example("b.jpg", b""))
    file = table(tmp_path / "l.csv", "image,label\na.jpg,cat\nz.jpg,dog\n")
    rejected = [each for each in WithLabels(reader, file) if isinstance(each, Rejected)]
    assert [(each.id, each.kind, each.reason) for each in rejected] == [("z.jpg", "label", "no such image")]
    file = table(tmp_path / "l.csv", "image,label\nz.jpg,dog\n")
    with pytest.raises(InputError, match=r"none of its 1 images is in .*z.jpg.*expected names such as a.jpg"):
        list(WithLabels(reader, file))


@pytest.mark.parametrize(
    ("text", "what"),
    [
        ("a.jpg,cat\nb.jpg,dog\n", "its first line names no columns"),
        ("image,width,height\na.jpg,1,2\n", "has the columns image, width, height; expected columns named image"),
        ("image,label\n,cat\n", "row 2 names no image"),
        ("image,label,split\na.jpg,x,train\na.jpg,y,test\n", "a.jpg has rows of the splits train and test"),
    ],
)
def test_a_table_that_can_not_be_read_is_one_line(text: str, what: str, listed: MakeReader, tmp_path: Path) -> None:
    with pytest.raises(InputError, match=what):
        list(WithLabels(listed(Example("a.jpg", b"")), table(tmp_path / "l.csv", text)))


def test_cocos_labels_may_be_a_table(photo: Photo, tmp_path: Path) -> None:
    photo(tmp_path / "images" / "a.jpg", 1)
    content = {"images": [{"id": 1, "file_name": "a.jpg"}], "annotations": [{"image_id": 1, "caption": "a big dog"}]}
    (tmp_path / "c.json").write_text(json.dumps(content))
    file = table(tmp_path / "labels.csv", "image,label\na.jpg,dog\n")
    reader = Coco(tmp_path / "c.json", tmp_path / "images", labels=file)
    assert api.build_corpus(reader, out=tmp_path / "corpus").labels(0) == ["dog"]
