from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from wordsight.corpus.example import Example
from wordsight.corpus.readers.voc import Voc
from wordsight.errors import InputError


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
