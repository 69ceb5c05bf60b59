"""Visual Genome: phrases are captions, their boxes fractions of the upright image."""

from __future__ import annotations

import csv
import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from wordsight.corpus.build import BuildSettings, build_corpus
from wordsight.corpus.example import Box, Example, Rejected
from wordsight.corpus.readers.visual_genome import VisualGenome
from wordsight.errors import InputError

Photo = Callable[..., Path]


def region(phrase: Any, x: Any, y: Any, width: Any, height: Any, image: int = 1) -> dict[str, Any]:
    return {
        "region_id": 7, "image_id": image, "phrase": phrase, "x": x, "y": y, "width": width, "height": height,
    }  # fmt: skip


def regions(path: Path, entries: Sequence[Any]) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    (path / "region_descriptions.json" if path.is_dir() else path).write_text(json.dumps(entries))
    return path


def whole(photo: Photo, folder: Path, images: Sequence[int]) -> VisualGenome:
    """Photos of 48 by 36 pixels, in two folders as they are published, each with two regions."""
    for image in images:
        photo(folder / ("VG_100K_2" if image % 2 else "VG_100K") / f"{image}.jpg", image)
    entries = [
        {
            "regions": [
                region(f"the clock number {image}", 12, 9, 24, 9, image),
                region("a red car parked", 0, 0, 48, 36, image),
            ],
            "id": image,
        }
        for image in images
    ]
    return VisualGenome(regions(folder / "regions.json", entries), folder)


def test_phrases_are_captions_and_their_boxes_are_kept_in_fractions(photo: Photo, tmp_path: Path) -> None:
    corpus = build_corpus(whole(photo, tmp_path / "vg", range(1, 7)), tmp_path / "corpus")
    assert [corpus.id(i) for i in range(6)] == ["1", "2", "3", "4", "5", "6"]
    assert corpus.captions(3) == ["the clock number 4", "a red car parked"]
    assert corpus.boxes(3) == [
        Box("the clock number 4", 0.25, 0.25, 0.5, 0.25),
        Box("a red car parked", 0.0, 0.0, 1.0, 1.0),
    ]
    assert corpus.info["counts"]["boxes"] == 12
    assert corpus.splits == {}


def test_images_may_lie_in_the_folder_itself(photo: Photo, tmp_path: Path) -> None:
    reader = whole(photo, tmp_path, [2, 4])
    assert len(build_corpus(VisualGenome(reader.regions, tmp_path / "VG_100K"), tmp_path / "corpus")) == 2


def test_stated_sizes_count_and_headers_do_where_none_is_stated(photo: Photo, tmp_path: Path) -> None:
    reader = whole(photo, tmp_path, [1, 2])
    stated = tmp_path / "sizes.json"
    stated.write_text(json.dumps([{"image_id": 1, "width": 96, "height": 72, "url": "", "flickr_id": None}]))
    first, second = VisualGenome(reader.regions, tmp_path, image_data=stated)
    assert isinstance(first, Example) and isinstance(second, Example)
    assert first.boxes[1] == Box("a red car parked", 0.0, 0.0, 0.5, 0.5)
    assert second.boxes[1] == Box("a red car parked", 0.0, 0.0, 1.0, 1.0)
    stated.rename(tmp_path / "image_data.json")
    assert list(reader) == [first, second]
    assert str(tmp_path / "image_data.json") in reader.sources()


@pytest.mark.parametrize(("stated", "x"), [(None, 0.75), ((48, 36), 0.75), ((36, 48), 0.0)])
def test_regions_of_a_turned_photo_are_where_their_sizes_say(
    stated: tuple[int, int] | None, x: float, photo: Photo, tmp_path: Path
) -> None:
    exif = Image.Exif()
    exif[0x0112] = 6
    photo(tmp_path / "vg" / "1.jpg", 1, exif=exif)
    width, height = stated or (48, 36)
    entries = [{"id": 1, "regions": [region("a red stripe left", 0, 0, width / 4, height / 4)]}]
    reader = VisualGenome(regions(tmp_path / "regions.json", entries), tmp_path / "vg")
    if stated:
        (tmp_path / "image_data.json").write_text(json.dumps([{"image_id": 1, "width": width, "height": height}]))
    corpus = build_corpus(reader, tmp_path / "corpus")
    assert corpus.image_size(0) == (36, 48)
    assert corpus.boxes(0) == [Box("a red stripe left", x, 0.0, 0.25, 0.25)]


def test_regions_are_clipped_to_the_image_and_those_without_area_are_counted(photo: Photo, tmp_path: Path) -> None:
    photo(tmp_path / "1.jpg", 1)
    found = [
        region("half of it outside", -12, 18, 24, 36),
        region("all of it outside", 50, 0, 20, 20),
        region("above the image", 0, -30, 20, 20),
        region("without any area", 5, 5, 0, 20),
        region("no number at all", None, 5, 10, 20),
        region("not even a number", float("1e400"), 5, 10, 20),
        region(None, 0, 0, 12, 9),
        "no region",
    ]
    text = json.dumps([{"regions": found, "id": 1}]).replace("Infinity", '"wide"')
    (tmp_path / "r.json").write_text(text)
    corpus = build_corpus(VisualGenome(tmp_path / "r.json", tmp_path), tmp_path / "corpus")
    assert corpus.boxes(0) == [Box("half of it outside", 0.0, 0.5, 0.25, 0.5), Box("", 0.0, 0.0, 0.25, 0.25)]
    assert len(corpus.captions(0)) == 6
    with (corpus.path / "rejected.csv").open(newline="") as file:
        rejected = [(line["kind"], line["reason"]) for line in csv.DictReader(file)]
    assert rejected == [
        ("box", "box outside the image"),
        ("box", "box outside the image"),
        ("box", "box without area"),
        ("box", "box without numbers"),
        ("box", "box without numbers"),
        ("caption", "caption is not text"),
        ("caption", "caption is not text"),
        ("box", "box without numbers"),
    ]
    assert corpus.info["counts"]["bad"] == 0


def test_an_absent_or_broken_image_is_left_out(photo: Photo, tmp_path: Path) -> None:
    reader = whole(photo, tmp_path, range(1, 5))
    (tmp_path / "VG_100K" / "2.jpg").unlink()
    (tmp_path / "VG_100K_2" / "3.jpg").write_bytes(b"no image")
    corpus = build_corpus(reader, tmp_path / "corpus", BuildSettings(max_rejected_share=0.5))
    assert [corpus.id(i) for i in range(len(corpus))] == ["1", "4"]
    assert corpus.info["counts"]["rejected"] == {"absent": 1, "unreadable": 1}
    with pytest.raises(InputError, match=r"can't be used: 1 absent \(such as 2: no file .*2.jpg\)"):
        build_corpus(reader, tmp_path / "again")


def test_the_validation_split_is_drawn_once_and_for_all(photo: Photo, tmp_path: Path) -> None:
    reader = whole(photo, tmp_path, range(1, 41))

    def drawn(regions: Path, seed: int, count: int = 5) -> list[str]:
        read = VisualGenome(regions, tmp_path, val_images=count, seed=seed)
        return [each.id for each in read if isinstance(each, Example) and each.split == "val"]

    assert drawn(reader.regions, 0) == ["13", "16", "17", "31", "32"]
    assert len(drawn(reader.regions, 0, 6)) == 6 and set(drawn(reader.regions, 0)) < set(drawn(reader.regions, 0, 6))
    assert drawn(reader.regions, 1) != drawn(reader.regions, 0)
    backwards = regions(tmp_path / "back.json", json.loads(reader.regions.read_text())[::-1])
    assert sorted(drawn(backwards, 0)) == drawn(reader.regions, 0)
    corpus = build_corpus(VisualGenome(reader.regions, tmp_path, val_images=5), tmp_path / "corpus")
    assert corpus.splits == {"train": 35, "val": 5}
    with pytest.raises(InputError, match="val_images is 40; expected 0 to 39"):
        drawn(reader.regions, 0, 40)
    with pytest.raises(InputError, match="val_images is -1; expected a number from 0"):
        drawn(reader.regions, 0, -1)


def test_broken_json_in_the_middle_is_found_before_anything_is_built(photo: Photo, tmp_path: Path) -> None:
    reader = whole(photo, tmp_path / "vg", range(1, 9))
    text = reader.regions.read_text()
    middle = text.index('{"regions"', len(text) // 2)
    reader.regions.write_text(text[:middle] + "}" + text[middle:])
    what = rf"regions.json: broken JSON after {text[:middle].count('regions')} entries \(.*\); download it again"
    with pytest.raises(InputError, match=what) as caught:
        build_corpus(reader, tmp_path / "corpus")
    assert "\n" not in str(caught.value)
    assert sorted(each.name for each in tmp_path.iterdir()) == ["vg"]


@pytest.mark.parametrize(
    ("content", "what"),
    [
        ([{"image": 1}], "its first entry tells of no image; expected region_descriptions.json"),
        ({"images": []}, "is not a JSON list; expected region_descriptions.json"),
        ([], "no example was found"),
    ],
)
def test_another_layout_is_one_line(content: Any, what: str, tmp_path: Path) -> None:
    (tmp_path / "r.json").write_text(json.dumps(content))
    with pytest.raises(InputError, match=what):
        build_corpus(VisualGenome(tmp_path / "r.json", tmp_path), tmp_path / "corpus")


def test_an_entry_of_no_image_among_others_is_left_out(photo: Photo, tmp_path: Path) -> None:
    photo(tmp_path / "1.jpg", 1)
    entries = [{"regions": [region("a red car", 0, 0, 9, 9)], "id": 1}, {"id": 2}, {"regions": [], "id": "x"}]
    reader = VisualGenome(regions(tmp_path / "r.json", entries), tmp_path)
    assert [each.reason for each in reader if isinstance(each, Rejected)] == ["no image id", "no image id"]


def test_absent_files_and_wrong_sizes_are_named(photo: Photo, tmp_path: Path) -> None:
    reader = whole(photo, tmp_path, [1])
    with pytest.raises(InputError, match="none: no such folder; expected the folder of the images"):
        build_corpus(VisualGenome(reader.regions, tmp_path / "none"), tmp_path / "corpus")
    with pytest.raises(InputError, match="none.json: no such file"):
        list(VisualGenome(reader.regions, tmp_path, image_data=tmp_path / "none.json"))
    (tmp_path / "sizes.json").write_text('[{"image_id": 1, "width": 0, "height": 3}]')
    with pytest.raises(InputError, match=r"sizes.json: entry 1 is .*; expected image_data.json"):
        list(VisualGenome(reader.regions, tmp_path, image_data=tmp_path / "sizes.json"))


def test_ids_that_are_texts_are_the_numbers_they_mean(photo: Photo, tmp_path: Path) -> None:
    photo(tmp_path / "1.jpg", 1, size=(48, 36))
    one = region("a red stripe", 0, 0, 24, 36) | {"image_id": "1"}
    file = regions(tmp_path / "r.json", [{"regions": [one], "id": "1"}])
    (tmp_path / "image_data.json").write_text(json.dumps([{"image_id": 1.0, "width": 96, "height": 72}]))
    (found,) = VisualGenome(file, tmp_path)
    assert isinstance(found, Example)
    assert found.boxes == (Box("a red stripe", 0.0, 0.0, 0.25, 0.5),)


def test_sizes_of_other_images_stop_the_build(photo: Photo, tmp_path: Path) -> None:
    reader = whole(photo, tmp_path, range(1, 4))
    (tmp_path / "image_data.json").write_text(json.dumps([{"image_id": "101", "width": 9, "height": 9}]))
    with pytest.raises(InputError, match="none of its 1 images is in .*: one here is 101, one there 1"):
        list(VisualGenome(reader.regions, tmp_path, image_data=tmp_path / "image_data.json"))
