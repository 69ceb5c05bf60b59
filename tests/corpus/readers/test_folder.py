"""Folders of images: class folders, split folders, and files of captions beside images."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from wordsight.corpus import left_out
from wordsight.corpus.build import build_corpus
from wordsight.corpus.example import Example, Rejected
from wordsight.corpus.readers.folder import Folder
from wordsight.corpus.show import describe
from wordsight.errors import InputError

Photo = Callable[..., Path]


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


def test_a_pipe_beside_an_image_is_not_waited_for(photo: Callable[..., Path], tmp_path: Path) -> None:
    photo(tmp_path / "a.jpg")
    os.mkfifo(tmp_path / "a.txt")
    assert Rejected("a.jpg", "caption", "unreadable", "a.txt: is a pipe") in list(Folder(tmp_path))


def test_linked_folders_are_followed_but_not_in_circles(photo: Callable[..., Path], tmp_path: Path) -> None:
    photo(tmp_path / "elsewhere" / "1.jpg")
    (tmp_path / "data" / "train").mkdir(parents=True)
    (tmp_path / "data" / "train" / "dog").symlink_to(tmp_path / "elsewhere")
    (tmp_path / "data" / "train" / "round").symlink_to(tmp_path / "data")
    assert [each.id for each in Folder(tmp_path / "data")] == ["train/dog/1.jpg"]


def test_an_absent_folder_is_named(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="none: no such folder; expected a folder of images"):
        list(Folder(tmp_path / "none"))


def written(path: Path, text: str = "a picture of a red barn") -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")
    return path


def captions(reader: Folder) -> dict[str, tuple[str, ...]]:
    return {each.id: each.captions for each in reader if isinstance(each, Example)}


def test_jpegs_of_any_ending_are_read_and_what_is_not_is_counted(photo: Photo, tmp_path: Path) -> None:
    for name in ("a.jpg", "b.jfif", "c.jpe", "d.JPEG"):
        photo(tmp_path / "in" / name, ord(name[0]))
        written(tmp_path / "in" / f"{name[0]}.txt")
    for name in ("e.txt", "cat/readme.md", "cat/list.JSON", "cat/plan.json", "LICENSE", ".hidden", "__MACOSX/a.jpg"):
        written(tmp_path / "in" / name)
    reader = Folder(tmp_path / "in")
    assert [each.id for each in reader if isinstance(each, Example)] == ["a.jpg", "b.jfif", "c.jpe", "d.JPEG"]
    assert reader.unread() == {".txt": 1, ".md": 1, ".json": 2, "no ending": 1}
    said = describe(build_corpus(reader, tmp_path / "corpus")).counted()
    assert said.endswith(
        "left out: nothing; not read: .json (2 files), .md (1 file), .txt (1 file), no ending (1 file)"
    )


def test_images_that_nothing_installed_reads_are_named_with_the_package(
    photo: Photo, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(left_out, "decoder_packages", lambda: {".rare": "pillow-rare"})
    photo(tmp_path / "in" / "a.jpg")
    for name in ("b.rare", "c.rare", "a.csv"):
        written(tmp_path / "in" / name)
    said = describe(build_corpus(Folder(tmp_path / "in"), tmp_path / "corpus")).counted()
    assert said.endswith("not read: .rare (2 files, pip install pillow-rare to read them), .csv (1 file)")
    (tmp_path / "in" / "a.jpg").unlink()
    with pytest.raises(InputError, match=r"no example was found; not read: \.rare \(2 files, pip install pillow-rare"):
        build_corpus(Folder(tmp_path / "in"), tmp_path / "other")


def test_caption_files_may_end_in_caption(photo: Photo, tmp_path: Path) -> None:
    for name in ("a.jpg", "b.jpg", "c.d.jpg"):
        photo(tmp_path / name)
    written(tmp_path / "a.caption", "a white boat\na small boat\n")
    written(tmp_path / "b.caption", "a white boat")
    written(tmp_path / "b.txt", "boat, white")
    written(tmp_path / "c.d.caption", "a red barn")
    assert captions(Folder(tmp_path)) == {
        "a.jpg": ("a white boat", "a small boat"),
        "b.jpg": ("boat, white", "a white boat"),
        "c.d.jpg": ("a red barn",),
    }
    assert Folder(tmp_path).unread() == {}


def test_captions_may_stand_in_a_tree_beside_that_of_the_images(photo: Photo, tmp_path: Path) -> None:
    for name in ("train/cat/a.jpg", "test/dog/b.png"):
        photo(tmp_path / "images" / name)
    written(tmp_path / "texts" / "train" / "cat" / "a.txt", "a cat on a mat")
    written(tmp_path / "texts" / "test" / "dog" / "b.caption", "a dog in the fog")
    written(tmp_path / "texts" / "test" / "dog" / "c.txt")
    written(tmp_path / "images" / "train" / "cat" / "a.txt", "not this one")
    reader = Folder(tmp_path / "images", caption_files=tmp_path / "texts")
    assert captions(reader) == {"train/cat/a.jpg": ("a cat on a mat",), "test/dog/b.png": ("a dog in the fog",)}
    assert reader.label_names() == ["cat", "dog"]
    assert reader.unread() == {".txt": 2}


def test_the_folder_of_captions_may_lie_among_the_classes(photo: Photo, tmp_path: Path) -> None:
    photo(tmp_path / "cat" / "a.jpg")
    written(tmp_path / "texts" / "cat" / "a.txt", "a cat on a mat")
    reader = Folder(tmp_path, caption_files=tmp_path / "texts")
    assert captions(reader) == {"cat/a.jpg": ("a cat on a mat",)}
    assert (reader.label_names(), reader.unread()) == (["cat"], {})


def test_a_folder_of_captions_of_other_images_is_refused_with_one_of_each(photo: Photo, tmp_path: Path) -> None:
    photo(tmp_path / "images" / "cat" / "a.jpg")
    written(tmp_path / "texts" / "b.txt")
    with pytest.raises(InputError, match=r"no captions of any image .*it has b.txt.*expected cat/a.txt for cat/a.jpg"):
        list(Folder(tmp_path / "images", caption_files=tmp_path / "texts"))
    with pytest.raises(InputError, match="nowhere: no such folder; expected the folder of the captions"):
        list(Folder(tmp_path / "images", caption_files=tmp_path / "nowhere"))


def test_the_numbered_folders_of_a_downloader_are_no_classes(photo: Photo, tmp_path: Path) -> None:
    for name in ("00000/000000000", "00000/000000001", "00001/000010000"):
        photo(tmp_path / f"{name}.jpg")
        written(tmp_path / f"{name}.txt", "a photo of a boat")
        written(tmp_path / f"{name}.json", "{}")
    written(tmp_path / "00000_stats.json", "{}")
    reader = Folder(tmp_path)
    found = [each for each in reader if isinstance(each, Example)]
    assert [each.labels for each in found] == [(), (), ()]
    assert [each.captions for each in found] == [("a photo of a boat",)] * 3
    assert (reader.label_names(), reader.unread()) == ([], {".json": 4})


@pytest.mark.parametrize(
    ("names", "classes"),
    [
        (["00000/000000000", "00000/000000001", "00001/000000002"], []),  # numbered on, whatever the folder
        (["00000/000001", "00001/000001"], ["00000", "00001"]),  # numbered anew in each class
        (["00000/00001", "00001/00002"], ["00000", "00001"]),
        (["00000/000000000", "00001/cat"], ["00000", "00001"]),
        (["train/000000/0000000001", "train/000001/0000010001"], []),
    ],
)
def test_numbered_folders_are_all_classes_or_none(
    photo: Photo, tmp_path: Path, names: list[str], classes: list[str]
) -> None:
    for name in names:
        photo(tmp_path / f"{name}.jpg")
    assert Folder(tmp_path).label_names() == classes
    found = {label for each in Folder(tmp_path) if isinstance(each, Example) for label in each.labels}
    assert sorted(found) == classes


def test_classes_that_are_numbers_are_classes(photo: Photo, tmp_path: Path) -> None:
    for name in ("0/00.png", "7/123.png", "00014/00014_00001.ppm", "00015/7.ppm"):
        photo(tmp_path / "train" / name, kind="PNG")
    assert Folder(tmp_path).label_names() == ["0", "00014", "00015", "7"]
    assert {each.labels for each in Folder(tmp_path) if isinstance(each, Example)} == {
        ("0",), ("7",), ("00014",), ("00015",),
    }  # fmt: skip


def test_captions_are_read_by_the_rule_of_all_text_files(photo: Callable[..., Path], tmp_path: Path) -> None:
    photo(tmp_path / "a.jpg")
    (tmp_path / "a.txt").write_bytes("un caf\u00e9\u2028chaud\rdeux".encode("utf-16"))
    (example,) = [each for each in Folder(tmp_path) if isinstance(each, Example)]
    assert example.captions == ("un caf\u00e9\u2028chaud", "deux")
