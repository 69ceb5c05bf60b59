"""Which file a name in a list means, where endings, folders or zeros are missing."""

from __future__ import annotations

from pathlib import Path

import pytest

from wordsight.corpus.example import Rejected
from wordsight.corpus.image_files import ImageFiles


def files(top: Path, *names: str) -> ImageFiles:
    for name in names:
        (top / name).parent.mkdir(parents=True, exist_ok=True)
        (top / name).write_bytes(b"")
    return ImageFiles(top)


def test_a_name_without_an_ending_finds_its_file(tmp_path: Path) -> None:
    found = files(tmp_path, "ROCO_00001.jpg", "ROCO_00002.PNG", "v1.5.jpeg", "in/x.jpg", "notes.txt")
    assert found.find("ROCO_00001") == tmp_path / "ROCO_00001.jpg"
    assert found.find("ROCO_00002") == tmp_path / "ROCO_00002.PNG"
    assert found.find("v1.5") == tmp_path / "v1.5.jpeg"
    assert found.find("in/x") == tmp_path / "in/x.jpg"
    assert found.find("notes") == tmp_path / "notes"


def test_a_file_of_exactly_that_name_counts_first(tmp_path: Path) -> None:
    found = files(tmp_path, "a", "a.jpg", "b.jpg", "in/b.jpg")
    assert found.find("a") == tmp_path / "a"
    assert found.find("b.jpg") == tmp_path / "b.jpg"
    assert found.find("b") == tmp_path / "b.jpg"


def test_numbers_find_the_files_that_are_named_by_them_with_zeros(tmp_path: Path) -> None:
    found = files(tmp_path, "000000000139.jpg", "COCO_val2014_000000000285.jpg", "1000092795.jpg", "a7.jpg")
    assert found.find("139") == tmp_path / "000000000139.jpg"
    assert found.find("285") == tmp_path / "COCO_val2014_000000000285.jpg"
    assert found.find("1000092795") == tmp_path / "1000092795.jpg"
    assert found.find("7") == tmp_path / "7"


def test_a_name_without_a_folder_is_found_in_the_folders_below(tmp_path: Path) -> None:
    found = files(tmp_path, "airport/airport_001.jpg", "birds/x1.png")
    assert found.find("airport_001.jpg") == tmp_path / "airport/airport_001.jpg"
    assert found.find("x1") == tmp_path / "birds/x1.png"
    # A name with a folder says where the file is: another one's is another picture.
    assert found.find("train/airport_001.jpg") == tmp_path / "train/airport_001.jpg"


def test_several_files_of_a_name_are_never_guessed_between(tmp_path: Path) -> None:
    found = files(tmp_path, "train/1.jpg", "test/1.jpg", "a.jpg", "a.png")
    assert found.find("1.jpg") == Rejected("1.jpg", "image", "several files of that name", "test/1.jpg, train/1.jpg")
    assert found.find("a") == Rejected("a", "image", "several files of that name", "a.jpg, a.png")
    assert found.find("test/1") == tmp_path / "test/1.jpg"


def test_a_list_may_name_the_folder_that_was_given(tmp_path: Path) -> None:
    found = files(tmp_path / "images", "a.jpg", "images/b.jpg")
    assert found.find("images/b.jpg") == tmp_path / "images/images/b.jpg"
    assert files(tmp_path / "photos", "a.jpg").find("photos/a.jpg") == tmp_path / "photos/a.jpg"


@pytest.mark.parametrize("name", ["../a.jpg", "/etc/passwd", "a/../../b", "..\\b", "C:\\b.jpg", "", "a\0b"])
def test_names_that_lead_out_of_the_folder_are_left_out(name: str, tmp_path: Path) -> None:
    found = files(tmp_path / "images", "a.jpg").find(name)
    assert isinstance(found, Rejected)
    assert (found.kind, found.reason) == ("image", "outside the folder")


def test_a_name_too_long_for_a_file_is_no_file(tmp_path: Path) -> None:
    assert files(tmp_path, "a.jpg").find("x" * 5_000) == tmp_path / ("x" * 5_000)


def test_links_in_circles_end(tmp_path: Path) -> None:
    found = files(tmp_path, "in/a.jpg")
    (tmp_path / "in" / "again").symlink_to(tmp_path)
    assert found.find("a") == tmp_path / "in/a.jpg"
