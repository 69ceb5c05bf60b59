"""Which images are learned from and which are tested on: by what people call their folders, and what they leave out."""

from __future__ import annotations

import struct
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from tests.evaluation.conftest import MadeReader, encoded, picture
from wordsight.corpus import Example, build_corpus
from wordsight.errors import InputError
from wordsight.evaluation import Task, open_task


def _pictures(folder: Path, counts: dict[str, int]) -> Path:
    for number, (place, count) in enumerate(counts.items()):
        for i in range(count):
            file = folder / place / f"{i}.png"
            file.parent.mkdir(parents=True, exist_ok=True)
            picture((50, 100, 150), noise=1000 * number + i).save(file)
    return folder


def _folder(folder: Path, counts: dict[str, int]) -> Task:
    return open_task(f"folder:{_pictures(folder, counts)}")


@pytest.mark.parametrize(
    ("train", "test"),
    [
        ("training_set", "test_set"),
        ("TrainData", "testing-images"),
        ("train2017", "val2017"),
        ("trn", "tst"),
        ("Training", "evaluation"),
        ("train_images", "dev"),
    ],
)
def test_folders_called_as_people_call_splits_are_splits(tmp_path: Path, train: str, test: str) -> None:
    task = _folder(tmp_path, {f"{train}/a": 3, f"{train}/b": 3, f"{test}/a": 2, f"{test}/b": 2})
    assert (task.class_names, len(task.train), len(task.test)) == (["a", "b"], 6, 4)


def test_classes_with_names_like_splits_are_classes(tmp_path: Path) -> None:
    task = _folder(tmp_path / "x", {"trainer": 5, "contest": 5, "developer": 5, "evaluator": 5, "training wheels": 5})
    assert task.class_names == ["contest", "developer", "evaluator", "trainer", "training wheels"]
    vehicles = _folder(tmp_path / "y", {"bus": 5, "car": 5, "train": 5})
    assert vehicles.class_names == ["bus", "car", "train"], "a folder of trains"
    assert np.bincount(vehicles.train.targets).tolist() == [4, 4, 4]


@pytest.mark.parametrize("flat", ["test", "val_set"])
def test_test_images_without_class_folders_are_refused(tmp_path: Path, flat: str) -> None:
    folder = _pictures(tmp_path / "x", {"train/a": 10, "train/b": 10, flat: 7})
    with pytest.raises(InputError, match=f"none of the 7 images of {flat} has a label") as caught:
        open_task(f"folder:{folder}")
    assert str(caught.value).endswith(
        f"to test on a fifth of train instead, name that alone: task='folder:{folder}/train'"
    )
    assert len(open_task(f"folder:{folder}/train").test) == 4
    with pytest.raises(InputError, match=f"none of the 7 images of {flat} has a label"):
        _folder(tmp_path / "y", {"a": 10, "b": 10, flat: 7})


def test_test_images_without_labels_in_a_table_are_refused(tmp_path: Path) -> None:
    _pictures(tmp_path, {".": 12})
    rows = [f"{i}.png,{'ab'[i % 2] if i < 8 else ''},{'train' if i < 8 else 'test'}\n" for i in range(12)]
    (tmp_path / "t.csv").write_text("image,label,split\n" + "".join(rows), "utf-8")
    with pytest.raises(InputError, match=r"t\.csv: none of the 4 images of test has a label; expected labels in test"):
        open_task(f"table:{tmp_path / 't.csv'}")
    rows[8] = "8.png,a,test\n"
    (tmp_path / "t.csv").write_text("image,label,split\n" + "".join(rows), "utf-8")
    task = open_task(f"table:{tmp_path / 't.csv'}")
    assert task.notes == ["3 images without a label (3 of test) were left out"]


def test_a_validation_is_the_test_where_the_test_has_no_labels_and_that_is_said(tmp_path: Path) -> None:
    counts = {"train/a": 5, "train/b": 5, "val/a": 2, "val/b": 2, "test": 6}
    task = _folder(tmp_path, counts)
    assert (task.split_rule, len(task.train), len(task.test)) == ("train, val as test", 10, 4)
    assert task.notes == ["6 images without a label (6 of test) were left out"]


def test_folders_beside_the_splits_are_no_classes(tmp_path: Path) -> None:
    counts = {"train/a": 5, "train/b": 5, "val/a": 2, "val/b": 2}
    plain = _folder(tmp_path, counts)
    (tmp_path / "c").mkdir()
    assert _folder(tmp_path, counts).fingerprint == plain.fingerprint, "an empty one changes nothing"
    (tmp_path / "train" / "d").mkdir()
    assert _folder(tmp_path, counts).class_names == ["a", "b", "d"], "an empty class of the split is one"
    beside = _folder(tmp_path, {**counts, "more": 3})
    assert beside.class_names == ["a", "b", "d"]
    assert "3 images are in neither part's split and were left out" in beside.notes


def test_one_split_with_images_of_others_beside_is_refused(tmp_path: Path) -> None:
    _pictures(tmp_path, {".": 8})
    rows = "".join(f"{i}.png,{'ab'[i % 2]},{'train' if i < 4 else 'query'}\n" for i in range(8))
    (tmp_path / "t.csv").write_text("image,label,split\n" + rows, "utf-8")
    with pytest.raises(InputError, match="has the splits query, train; expected train and test"):
        open_task(f"table:{tmp_path / 't.csv'}")


def test_a_data_set_that_shares_images_with_its_test_is_measured_without_them(tmp_path: Path) -> None:
    raw = tmp_path / "FashionMNIST" / "raw"
    raw.mkdir(parents=True)
    random = np.random.default_rng(0)
    train, test = random.integers(0, 255, (30, 28, 28)), random.integers(0, 255, (10, 28, 28))
    test[[2, 7]] = train[[4, 9]]
    for part, pixels in (("train", train), ("t10k", test)):
        for kind, array, magic in (
            ("images-idx3", pixels, 0x803),
            ("labels-idx1", np.arange(len(pixels)) % 10, 0x801),
        ):
            head = struct.pack(f">{1 + array.ndim}I", magic, *array.shape)
            (raw / f"{part}-{kind}-ubyte").write_bytes(head + array.astype(np.uint8).tobytes())
    task = open_task("torchvision:FashionMNIST", root=tmp_path)
    assert (len(task.train), len(task.test)) == (28, 10)
    leaked = "2 of 30 training images are also in the test (train/000004 is test/000002, for one): left out of training"
    assert task.notes == [leaked]


@pytest.mark.parametrize("layout", ["csv", "parquet", "corpus"])
def test_whole_numbers_are_classes_and_nan_is_no_label(tmp_path: Path, layout: str) -> None:
    _pictures(tmp_path, {".": 12})
    values = [1.0 + i % 2 if i % 5 else float("nan") for i in range(12)]
    if layout == "csv":
        rows = "".join(f"{i}.png,{'' if i == 5 else value}\n" for i, value in enumerate(values))
        (tmp_path / "t.csv").write_text("image,label\n" + rows, "utf-8")
        task = open_task(f"table:{tmp_path / 't.csv'}")
    elif layout == "parquet":
        names = [f"{i}.png" for i in range(12)]
        pq.write_table(pa.table({"image": names, "label": pa.array(values, pa.float32())}), tmp_path / "t.parquet")
        task = open_task(f"table:{tmp_path / 't.parquet'}")
    else:
        examples = [
            Example(str(i), encoded(picture((9 * i, 0, 0))), labels=(str(value),)) for i, value in enumerate(values)
        ]
        task = open_task(str(build_corpus(MadeReader(examples), tmp_path / "made").path))
    assert task.class_names == ["1", "2"]
    assert task.notes[0] == "3 images without a label were left out"
    assert len(task.train) + len(task.test) == 9


def test_labels_that_are_not_all_whole_numbers_stay_as_they_are(tmp_path: Path) -> None:
    _pictures(tmp_path, {".": 9})
    rows = "".join(f"{i}.png,{('1.0', '2.5', 'v1.0')[i % 3]}\n" for i in range(9))
    (tmp_path / "t.csv").write_text("image,label\n" + rows, "utf-8")
    assert open_task(f"table:{tmp_path / 't.csv'}").class_names == ["1.0", "2.5", "v1.0"]


def test_images_without_labels_among_several_labels_are_said(tmp_path: Path) -> None:
    _pictures(tmp_path, {".": 12})
    rows = "".join(f"{i}.png,{('sea|sky', 'sea', '')[i % 3]}\n" for i in range(12))
    (tmp_path / "t.csv").write_text("image,label\n" + rows, "utf-8")
    task = open_task(f"table:{tmp_path / 't.csv'}")
    assert task.notes[0] == "4 images without a label: of none of the classes"
