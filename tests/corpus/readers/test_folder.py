from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from wordsight.corpus.example import Example, Rejected
from wordsight.corpus.readers.folder import Folder
from wordsight.errors import InputError


def test_class_folders_are_labels_and_top_folders_splits(photo: Callable[..., Path], tmp_path: Path) -> None:
    for name in ("train/dog/1.jpg", "train/cat/old/2.PNG", "test/dog/3.jpeg", "train/dog/notes.csv", "test/.x.jpg"):
        photo(tmp_path / name)
    (tmp_path / "test" / "zebra").mkdir()
    found = [each for each in Folder(tmp_path) if isinstance(each, Example)]
    assert [(each.id, each.split, each.labels) for each in found] == [
        ("test/dog/3.jpeg", "test", ("dog",)),
        ("train/cat/old/2.PNG", "train", ("cat",)),
        ("train/dog/1.jpg", "train", ("dog",)),
    ]
    assert Folder(tmp_path).label_names() == ["cat", "dog", "zebra"]


def test_a_text_file_of_the_same_name_holds_captions_one_a_line(photo: Callable[..., Path], tmp_path: Path) -> None:
    for name in ("a.jpg", "b.jpg", "c.jpg", "d.jpg"):
        photo(tmp_path / name)
    (tmp_path / "a.txt").write_text("a dog runs\r\n\r\na dog sits\n", encoding="utf-8-sig")
    (tmp_path / "b.txt").write_text("")
    (tmp_path / "d.txt").write_bytes(b"un caf\xe9 chaud")
    found = list(Folder(tmp_path))
    assert [each.captions for each in found if isinstance(each, Example)] == [
        ("a dog runs", "a dog sits"),
        ("",),
        (),
        (),
    ]
    assert Rejected("d.jpg", "caption", "not UTF-8", "d.txt: byte 6") in found
    assert Folder(tmp_path).label_names() == []


def test_linked_folders_are_followed_but_not_in_circles(photo: Callable[..., Path], tmp_path: Path) -> None:
    photo(tmp_path / "elsewhere" / "1.jpg")
    (tmp_path / "data" / "train").mkdir(parents=True)
    (tmp_path / "data" / "train" / "dog").symlink_to(tmp_path / "elsewhere")
    (tmp_path / "data" / "train" / "round").symlink_to(tmp_path / "data")
    assert [each.id for each in Folder(tmp_path / "data")] == ["train/dog/1.jpg"]


def test_an_absent_folder_is_named(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="none: no such folder; expected a folder of images"):
        list(Folder(tmp_path / "none"))
