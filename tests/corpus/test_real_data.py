"""The readers on real photographs: a few hundred of each source, so that the tests stay quick."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from wordsight.corpus.build import BuildSettings, build_corpus
from wordsight.corpus.readers.coco import Coco
from wordsight.corpus.readers.folder import Folder
from wordsight.corpus.readers.table import Table
from wordsight.corpus.readers.voc import Voc


def first_images(source: Path, to: Path, count: int) -> Path:
    """A COCO captions file of the first images of another."""
    content = json.loads((source / "captions.json").read_text(encoding="utf-8"))
    images = content["images"][:count]
    ids = {image["id"] for image in images}
    annotations = [each for each in content["annotations"] if each["image_id"] in ids]
    to.write_text(json.dumps({"images": images, "annotations": annotations}), encoding="utf-8")
    return to


def test_flickr8k_keeps_its_splits_and_five_captions(shared_data: Path, tmp_path: Path) -> None:
    source = shared_data / "flickr8k"
    captions = first_images(source, tmp_path / "captions.json", 300)
    corpus = build_corpus(Coco(captions, source / "images"), tmp_path / "corpus")
    assert len(corpus) == 300
    assert sum(corpus.splits.values()) == 300
    assert set(corpus.splits) == {"train", "val", "test", "unsplit"}
    assert 4.9 < corpus.info["counts"]["captions"] / 300 <= 5
    assert corpus.captions(0)[1] == "A girl going into a wooden building ."
    assert bytes(corpus.image_bytes(0)) == (source / "images" / corpus.id(0)).read_bytes()


def test_flickr8k_speaks_english_and_german(shared_data: Path, tmp_path: Path) -> None:
    source = shared_data / "flickr8k"
    captions = first_images(source, tmp_path / "captions.json", 300)
    german = source / "captions_de.json"
    corpus = build_corpus(Coco(captions, source / "images", "en", (f"de={german}",)), tmp_path / "corpus")
    assert corpus.language_names["en"] + corpus.language_names["de"] == corpus.info["counts"]["captions"]
    content = json.loads(german.read_text(encoding="utf-8"))
    names = {image["id"]: image["file_name"] for image in content["images"]}
    said: dict[str, set[str]] = {}
    for each in content["annotations"]:
        said.setdefault(names[each["image_id"]], set()).add(" ".join(each["caption"].split()))
    assert corpus.info["counts"]["rejected"]["image not in the main file"] == len(said) - sum(
        corpus.id(i) in said for i in range(300)
    )
    found = list(corpus.caption_iter(corpus.indices(), "de"))
    assert len(found) == corpus.language_names["de"] > 1200
    assert all(text in said[corpus.id(i)] and corpus.captions(i)[number] == text for i, number, text in found)
    english = build_corpus(Coco(captions, source / "images"), tmp_path / "english")
    for i in range(0, 300, 7):
        assert [text for _, _, text in corpus.caption_iter([i], "en")] == english.captions(i)


def test_uneven_coco_photos_keep_their_shape(shared_data: Path, tmp_path: Path) -> None:
    source = shared_data / "coco_part"
    captions = first_images(source, tmp_path / "captions.json", 200)
    settings = BuildSettings(shorter_side=64)
    corpus = build_corpus(Coco(captions, source / "images"), tmp_path / "corpus", settings)
    entries = {each["file_name"]: each for each in json.loads(captions.read_text())["images"]}
    for i in range(0, len(corpus), 17):
        width, height = corpus.image_size(i)
        entry = entries[corpus.id(i)]
        assert min(width, height) == 64
        assert width / height == pytest.approx(entry["width"] / entry["height"], rel=0.02)


def test_the_captions_of_an_aerial_photo_repeat_and_are_kept_once(shared_data: Path, tmp_path: Path) -> None:
    source = shared_data / "ucm"
    captions = first_images(source, tmp_path / "captions.json", 300)
    corpus = build_corpus(Coco(captions, source / "images"), tmp_path / "corpus")
    rejected = corpus.info["counts"]["rejected"]
    assert rejected.keys() <= {"repeated caption", "caption too long", "caption too short", "duplicate"}
    assert rejected["repeated caption"] > 20
    assert all(len(set(corpus.captions(i))) == len(corpus.captions(i)) for i in range(len(corpus)))


def some(source: Path, to: Path, each: int) -> Path:
    """The first files of every class folder of every split."""
    for folder in sorted(source.glob("*/*/")):
        for file in sorted(folder.iterdir())[:each]:
            place = to / file.relative_to(source)
            place.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(file, place)
    return to


@pytest.mark.parametrize(("name", "other"), [("imagenette", "val"), ("cifar10", "test")])
def test_class_folders_and_their_table_give_the_same_corpus(
    name: str, other: str, shared_data: Path, tmp_path: Path
) -> None:
    source = some(shared_data / name, tmp_path / name, 6)
    corpus = build_corpus(Folder(source), tmp_path / "corpus")
    assert corpus.splits == {"train": 60, other: 60}
    assert len(corpus.label_names) == 10
    assert {corpus.labels(i)[0] for i in range(120)} == set(corpus.label_names)
    lines = (shared_data / name / "labels.csv").read_text().splitlines()
    rows = [line for line in lines[1:] if (source / line.split(",")[0]).is_file()]
    rows.sort(key=lambda line: line.split(",")[0])
    (source / "labels.csv").write_text("\n".join([lines[0], *rows]))
    again = build_corpus(Table(source / "labels.csv"), tmp_path / "again")
    assert {again.id(i): again.labels(i) for i in range(120)} == {corpus.id(i): corpus.labels(i) for i in range(120)}


def test_voc_animals_have_one_or_more_labels_and_three_splits(shared_data: Path, tmp_path: Path) -> None:
    lists = tmp_path / "voc" / "ImageSets" / "Main"
    lists.mkdir(parents=True)
    (tmp_path / "voc" / "JPEGImages").symlink_to(shared_data / "voc_animals" / "JPEGImages")
    for file in (shared_data / "voc_animals" / "ImageSets" / "Main").glob("*.txt"):
        lines = file.read_text().splitlines()
        (lists / file.name).write_text("\n".join(lines[::5]))
    corpus = build_corpus(Voc(tmp_path / "voc"), tmp_path / "corpus")
    assert set(corpus.splits) >= {"train", "val", "test"}
    assert corpus.splits["test"] == 361
    assert corpus.label_names == ["cat", "cow", "dog", "horse", "sheep"]
    assert 0 < sum(len(corpus.labels(i)) > 1 for i in range(len(corpus))) < 60
    positive = {line.split()[0] for line in (lists / "cow_test.txt").read_text().splitlines() if line.endswith(" 1")}
    assert {corpus.id(i) for i in corpus.indices("test").tolist() if "cow" in corpus.labels(i)} == positive
