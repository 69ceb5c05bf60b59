"""torchvision's own sets: its own readers on small folders of their layouts, and a set that it holds in memory."""

from __future__ import annotations

import inspect
import io
import pickle
from pathlib import Path

import numpy as np
import pytest
import torchvision
from PIL import Image

from tests.evaluation.conftest import picture
from wordsight.errors import InputError
from wordsight.evaluation import open_task
from wordsight.evaluation.tasks.sources import torchvision_datasets
from wordsight.evaluation.tasks.sources.torchvision_datasets import DATASETS, Splits


def _photo(file: Path, noise: int) -> None:
    file.parent.mkdir(parents=True, exist_ok=True)
    picture((90, 60, 120), noise=noise).save(file)


def _dtd(root: Path) -> Path:
    folder = root / "dtd" / "dtd"
    (folder / "labels").mkdir(parents=True)
    for number, split in enumerate(("train", "val", "test")):
        names = [f"{kind}/{kind}_{split}_{i}.jpg" for kind in ("banded", "woven") for i in range(2 + number)]
        for i, name in enumerate(names):
            _photo(folder / "images" / name, 100 * number + i)
        (folder / "labels" / f"{split}1.txt").write_text("\n".join(names) + "\n", "utf-8")
    return root


@pytest.mark.parametrize("name", DATASETS)
def test_torchvision_takes_what_each_set_is_asked_for_by(name: str) -> None:
    splits = DATASETS[name]
    takes = inspect.signature(getattr(torchvision.datasets, name).__init__).parameters
    assert "root" in takes
    assert all(argument in takes for arguments in splits.arguments.values() for argument in arguments)
    assert "download" in takes or not splits.fetched
    assert set(splits.arguments) == {""} or {"train", "test"} <= set(splits.arguments) or "val" in splits.arguments


def test_dtd_is_split_as_it_is_published_and_its_files_are_taken_as_they_are(tmp_path: Path) -> None:
    task = open_task("torchvision:DTD", root=_dtd(tmp_path))
    assert (task.name, task.class_names, task.multilabel) == ("DTD", ["banded", "woven"], False)
    assert (len(task.train), len(task.test), task.split_rule) == (4 + 6, 8, "train and val, test")
    assert task.test.images[0] == tmp_path / "dtd" / "dtd" / "images" / "banded" / "banded_test_0.jpg"
    assert task.test.targets.tolist() == [0] * 4 + [1] * 4


def test_eurosat_comes_without_splits_and_gets_a_fixed_one(tmp_path: Path) -> None:
    for k, kind in enumerate(("Forest", "River")):
        for i in range(10):
            _photo(tmp_path / "eurosat" / "2750" / kind / f"{kind}_{i}.jpg", 100 * k + i)
    task = open_task("torchvision:EuroSAT", root=tmp_path)
    assert (len(task.train), len(task.test)) == (16, 4)
    assert task.split_rule == "fixed split by content, 20% for the test"


def test_files_that_are_not_the_published_ones_are_refused(tmp_path: Path) -> None:
    folder = tmp_path / "flowers-102"
    _photo(folder / "jpg" / "image_00001.jpg", 1)
    for name in ("imagelabels.mat", "setid.mat"):
        (folder / name).write_bytes(b"another file")
    with pytest.raises(InputError, match="torchvision can't open Flowers102: Dataset not found or corrupted"):
        open_task("torchvision:Flowers102", root=tmp_path)
    batches = tmp_path / "cifar-10-batches-py"
    batches.mkdir()
    (batches / "data_batch_1").write_bytes(pickle.dumps({"data": [], "labels": []}))
    with pytest.raises(InputError, match="torchvision can't open CIFAR10: Dataset not found or corrupted"):
        open_task("torchvision:CIFAR10", root=tmp_path)


class InMemory:
    """A dataset as torchvision holds CIFAR: an array of pixels, targets, names of classes."""

    classes = ("cat", "dog")

    def __init__(self, root: str, train: bool, download: bool) -> None:
        random = np.random.default_rng(int(train))
        self.data = random.integers(0, 256, size=(12 if train else 4, 8, 8, 3), dtype=np.uint8)
        self.targets = [i % 2 for i in range(len(self.data))]

    def __len__(self) -> int:
        return len(self.data)

    def __getitem__(self, number: int) -> tuple[Image.Image, int]:
        return Image.fromarray(self.data[number]), self.targets[number]


def test_images_in_memory_become_png_without_loss(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torchvision.datasets, "CIFAR10", InMemory)
    task = open_task("torchvision:CIFAR10", root=tmp_path)
    assert (task.class_names, len(task.train), len(task.test)) == (["cat", "dog"], 12, 4)
    pixels = InMemory("", False, False).data
    for i in range(4):
        coded = task.test.images[i]
        assert isinstance(coded, bytes)
        np.testing.assert_array_equal(np.asarray(Image.open(io.BytesIO(coded))), pixels[i])
    assert task.test.ids[0] == "test/000000"


def test_the_fingerprint_is_of_pixels_and_not_of_how_png_packs_them(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(torchvision.datasets, "CIFAR10", InMemory)
    before = open_task("torchvision:CIFAR10", root=tmp_path).fingerprint
    save = Image.Image.save
    monkeypatch.setattr(Image.Image, "save", lambda self, to, kind, **_: save(self, to, kind, compress_level=9))
    assert open_task("torchvision:CIFAR10", root=tmp_path).fingerprint == before


def test_two_classes_of_one_name_are_told_apart() -> None:
    class Birds:
        classes = (("crane", "hoister"), ("crane", "bird"), ("hen",))

    assert torchvision_datasets._names_of(Birds(), 3) == ["crane (0)", "crane (1)", "hen"]
    assert torchvision_datasets._names_of(object(), 2) == ["0", "1"]


@pytest.mark.parametrize("name", ["CIFAR10", "DTD", "EuroSAT", "Food101", "STL10", "Places365", "ImageNet", "SUN397"])
def test_what_is_not_there_is_one_clear_line(tmp_path: Path, name: str) -> None:
    with pytest.raises(InputError, match=rf"torchvision can't open {name}: .*put it there") as caught:
        open_task(f"torchvision:{name}", root=tmp_path)
    assert ("download=True" in str(caught.value)) == DATASETS[name].fetched
    assert "\n" not in str(caught.value)


def test_nothing_is_fetched_unless_it_is_asked_for(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[bool] = []

    class Watched(InMemory):
        def __init__(self, root: str, train: bool, download: bool) -> None:
            asked.append(download)
            super().__init__(root, train, download)

    monkeypatch.setattr(torchvision.datasets, "CIFAR10", Watched)
    open_task("torchvision:CIFAR10", root=tmp_path)
    open_task("torchvision:CIFAR10", root=tmp_path, download=True)
    assert asked == [False, False, True, True]
    with pytest.raises(InputError, match="torchvision can't fetch ImageNet"):
        open_task("torchvision:ImageNet", root=tmp_path, download=True)


def test_names_and_folders_that_are_missing_are_asked_for(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="unknown dataset of torchvision 'CIFAR11'.*did you mean 'CIFAR10'"):
        open_task("torchvision:CIFAR11", root=tmp_path)
    with pytest.raises(InputError, match=r"where does it lie\?; expected its folder in `root`"):
        open_task("torchvision:CIFAR10")
    assert Splits().arguments == {"": {}}
