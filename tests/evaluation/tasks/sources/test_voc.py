"""VOC's official lists against what the VOC 2007 development kit's documentation says of them (its Table 1)."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from tests.evaluation.conftest import picture
from wordsight.errors import InputError
from wordsight.evaluation import open_task
from wordsight.evaluation.tasks.sources.voc import VocTask
from wordsight.evaluation.tasks.task import LabelledImages, build_task

# Images with an object of the class that is not "difficult": in trainval, in test.
PUBLISHED = {
    "aeroplane": (238, 204), "bicycle": (243, 239), "bird": (330, 282), "boat": (181, 172), "bottle": (244, 212),
    "bus": (186, 174), "car": (713, 721), "cat": (337, 322), "chair": (445, 417), "cow": (141, 127),
    "diningtable": (200, 190), "dog": (421, 418), "horse": (287, 274), "motorbike": (245, 222), "person": (2008, 2007),
    "pottedplant": (245, 224), "sheep": (96, 97), "sofa": (229, 223), "train": (261, 259), "tvmonitor": (256, 229),
}  # fmt: skip


@pytest.fixture(scope="module")
def voc2007(shared_data: Path, tmp_path_factory: pytest.TempPathFactory) -> LabelledImages:
    """The official lists beside an empty folder of images."""
    folder = tmp_path_factory.mktemp("VOCdevkit") / "VOC2007"
    (folder / "JPEGImages").mkdir(parents=True)
    (folder / "ImageSets").symlink_to(shared_data / "voc2007_labels" / "VOC2007" / "ImageSets")
    return VocTask(folder).read()


def test_the_official_lists_have_5011_and_4952_images(voc2007: LabelledImages) -> None:
    learned = sum(split in ("train", "val") for split in voc2007.splits)
    assert (learned, voc2007.splits.count("test"), len(voc2007.ids)) == (5011, 4952, 9963)
    assert (voc2007.splits.count("train"), voc2007.splits.count("val")) == (2501, 2510)


def test_val_is_known_where_both_are_learned_from(voc2007: LabelledImages) -> None:
    images = [name.encode() for name in voc2007.ids]
    task = build_task("voc", "voc:VOC2007", replace(voc2007, images=images))
    assert task.train.validation is not None
    assert (len(task.train), int(task.train.validation.sum())) == (5011, 2510)
    assert task.test.validation is None


def test_positives_of_each_class_are_the_published_ones(voc2007: LabelledImages) -> None:
    assert list(voc2007.class_names) == sorted(PUBLISHED)
    found = {name: [0, 0] for name in PUBLISHED}
    for labels, split in zip(voc2007.labels, voc2007.splits, strict=True):
        for label in labels:
            found[label][split == "test"] += 1
    assert {name: tuple(counts) for name, counts in found.items()} == PUBLISHED


def test_an_image_with_difficult_objects_alone_is_ignored_for_that_class(voc2007: LabelledImages) -> None:
    assert sum(map(len, voc2007.ignored)) > 0
    assert not any(set(labels) & set(ignored) for labels, ignored in zip(voc2007.labels, voc2007.ignored, strict=True))


def _voc(folder: Path, lists: dict[str, str], images: int = 8) -> Path:
    (folder / "JPEGImages").mkdir(parents=True)
    (folder / "ImageSets" / "Main").mkdir(parents=True)
    for i in range(images):
        picture((9 * i, 90, 90), noise=i).save(folder / "JPEGImages" / f"{i}.jpg")
    for name, rows in lists.items():
        (folder / "ImageSets" / "Main" / f"{name}.txt").write_text(rows, "utf-8")
    return folder


LISTS = {
    "train": "0\n1\n2\n3\n",
    "val": "4\n5\n6\n7\n",
    "trainval": "0\n1\n2\n3\n4\n5\n6\n7\n",
    "cat_train": "0  1\n1 -1\n2  0\n3 -1\n",
    "cat_val": "4  1\n5 -1\n6  0\n7 -1\n",
    "cat_trainval": "0  1\n1 -1\n2  0\n3 -1\n4  1\n5 -1\n6  0\n7 -1\n",
}


def test_voc_2012_is_learned_from_train_and_tested_on_val_though_its_test_images_are_listed(tmp_path: Path) -> None:
    # The images of the official test are another download, and have no labels.
    folder = _voc(tmp_path / "VOC2012", {**LISTS, "test": "2012_000001\n2012_000002\n"})
    task = open_task(f"voc:{folder}")
    assert (task.train.ids, task.test.ids) == (["0", "1", "2", "3"], ["4", "5", "6", "7"])
    assert task.test.targets[:, 0].tolist() == [1, 0, -1, 0]
    assert task.split_rule == "train, val as test"


def test_the_folder_above_the_years_will_do_where_one_year_is_in_it(tmp_path: Path) -> None:
    _voc(tmp_path / "VOCdevkit" / "VOC2012", LISTS)
    for folder in (tmp_path, tmp_path / "VOCdevkit"):
        assert open_task(f"voc:{folder}").name == "VOC2012"
    _voc(tmp_path / "VOCdevkit" / "VOC2007", LISTS)
    with pytest.raises(InputError, match=r"holds VOC2007, VOC2012; say which: voc:.*VOC2007"):
        open_task(f"voc:{tmp_path / 'VOCdevkit'}")
