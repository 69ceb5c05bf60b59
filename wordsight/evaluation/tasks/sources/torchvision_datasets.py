"""``torchvision:NAME``: the classification sets that torchvision reads, each with the splits that it comes in.

What torchvision loads by pickle (CIFAR) it first checks by the published file's MD5 sum. Files that it would fetch
are fetched only with ``--download true``.
"""

from __future__ import annotations

import hashlib
import io
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from wordsight.corpus.encoded_images import EncodedImage
from wordsight.errors import InputError, setting, unknown
from wordsight.evaluation.tasks.task import LabelledImages
from wordsight.parallel import ordered_map, readers
from wordsight.progress import track

_TRAIN_TEST = {"train": {"split": "train"}, "test": {"split": "test"}}
_TRAIN_VAL_TEST = {"train": {"split": "train"}, "val": {"split": "val"}, "test": {"split": "test"}}
_BY_FLAG = {"train": {"train": True}, "test": {"train": False}}


@dataclass(frozen=True)
class Splits:
    """How torchvision names the splits of a dataset.

    Args:
        arguments: Its arguments for each of our splits; "" is a set without splits, a fixed fifth of which is the test.
        fetched: Whether torchvision can fetch it.
    """

    arguments: Mapping[str, Mapping[str, Any]] = field(default_factory=lambda: {"": {}})
    fetched: bool = True


DATASETS: dict[str, Splits] = {
    "CIFAR10": Splits(_BY_FLAG),
    "CIFAR100": Splits(_BY_FLAG),
    "Caltech101": Splits(),
    "Caltech256": Splits(),
    "Country211": Splits({"train": {"split": "train"}, "val": {"split": "valid"}, "test": {"split": "test"}}),
    # The first of its ten partitions.
    "DTD": Splits(_TRAIN_VAL_TEST),
    "EuroSAT": Splits(),
    "FGVCAircraft": Splits(_TRAIN_VAL_TEST),
    "FashionMNIST": Splits(_BY_FLAG),
    "Flowers102": Splits(_TRAIN_VAL_TEST),
    "Food101": Splits(_TRAIN_TEST),
    "GTSRB": Splits(_TRAIN_TEST),
    "ImageNet": Splits({"train": {"split": "train"}, "val": {"split": "val"}}, fetched=False),
    "Imagenette": Splits({"train": {"split": "train"}, "val": {"split": "val"}}),
    "KMNIST": Splits(_BY_FLAG),
    "MNIST": Splits(_BY_FLAG),
    "OxfordIIITPet": Splits({"train": {"split": "trainval"}, "test": {"split": "test"}}),
    "PCAM": Splits(_TRAIN_VAL_TEST),
    # 256 pixels high and wide, as backbones are usually measured on; its test has no labels.
    "Places365": Splits({"train": {"split": "train-standard", "small": True}, "val": {"split": "val", "small": True}}),
    "RenderedSST2": Splits(_TRAIN_VAL_TEST),
    "STL10": Splits(_TRAIN_TEST),
    # Its ten partitions are not among the files that torchvision reads.
    "SUN397": Splits(),
    "SVHN": Splits(_TRAIN_TEST),
    "StanfordCars": Splits(_TRAIN_TEST, fetched=False),
    "USPS": Splits(_BY_FLAG),
}


@dataclass(frozen=True)
class TorchvisionTask:
    """A classification set that torchvision reads.

    Args:
        path: Its name in ``torchvision.datasets``: CIFAR10, DTD, EuroSAT, ...
        root: The folder that torchvision's own ``root`` would be.
        download: Let torchvision fetch what is not there.
    """

    path: Path
    root: Path | None = None
    download: bool = False

    @property
    def name(self) -> str:
        """What results are filed under."""
        return str(self.path)

    def read(self) -> LabelledImages:
        """The labelled images."""
        if self.name not in DATASETS:
            raise unknown(
                "dataset of torchvision", self.name, DATASETS, where=setting("task", f"torchvision:{self.name}")
            )
        if self.root is None:
            raise InputError(
                "where does it lie?",
                where=setting("task", f"torchvision:{self.name}"),
                expected=f"its folder in {setting('root')}, as torchvision's own root",
            )
        ids: list[str] = []
        places: list[EncodedImage | tuple[Any, int]] = []
        labels: list[tuple[str, ...]] = []
        splits: list[str] = []
        names: list[str] = []
        for split, arguments in DATASETS[self.name].arguments.items():
            dataset = self._open(arguments)
            # By name: some sets list their files in the order that the disk gives them.
            listed = zip(_images_of(dataset, self.root), _numbers_of(dataset), strict=True)
            rows = sorted(listed, key=lambda row: row[0][0])
            images, numbers = [image for image, _ in rows], [number for _, number in rows]
            names = _names_of(dataset, max([*numbers, len(names) - 1]) + 1)
            ids += [f"{split}/{name}".lstrip("/") for name, _ in images]
            places += [place for _, place in images]
            labels += [(names[number],) if number >= 0 else () for number in numbers]
            splits += [split] * len(images)
        dataset_images = DatasetImages(places)
        return LabelledImages(
            where=str(self.root),
            ids=ids,
            images=dataset_images,
            labels=labels,
            ignored=[()] * len(ids),
            splits=splits,
            class_names=names,
            multilabel=False,
            hashes=None if dataset_images.files else dataset_images.hashes(),
        )

    def _open(self, arguments: Mapping[str, Any]) -> Any:
        import torchvision

        fetched = DATASETS[self.name].fetched
        if self.download and not fetched:
            raise InputError(
                f"torchvision can't fetch {self.name}", setting="download", mend=f"fetch it by hand into {self.root}"
            )
        given = {**arguments, "download": self.download} if fetched else dict(arguments)
        mend = "put it there as torchvision's documentation says" + (
            f", or give {setting('download', True)}" if fetched else ""
        )
        try:
            return getattr(torchvision.datasets, self.name)(root=str(self.root), **given)
        except (OSError, RuntimeError, ValueError, ImportError) as error:
            # torchvision says by all of these that files are absent, broken, or that a package to read them is.
            said = str(error).split(". ")[0].rstrip(".") or type(error).__name__
            raise InputError(f"torchvision can't open {self.name}: {said}", where=self.root, mend=mend) from error


class DatasetImages(Sequence[EncodedImage]):
    """Encoded images: files as they are, what a dataset holds in memory as PNG, which loses nothing.

    Args:
        places: For each image its file, or the dataset and its number in it.
    """

    def __init__(self, places: Sequence[EncodedImage | tuple[Any, int]]) -> None:
        self._places = places

    def __len__(self) -> int:
        return len(self._places)

    def __getitem__(self, place: Any) -> Any:
        if isinstance(place, slice):
            return DatasetImages(self._places[place])
        found = self._places[place]
        if not isinstance(found, tuple):
            return found
        coded = io.BytesIO()
        # Not packed: it is read again at once, and packing would take most of the time.
        _picture(found).save(coded, "PNG", compress_level=0)
        return coded.getvalue()

    @property
    def files(self) -> bool:
        """Whether all of them are files."""
        return not any(isinstance(place, tuple) for place in self._places)

    def hashes(self) -> list[str]:
        """A hash of each image's pixels: the bytes of a PNG depend on the version of the library that writes it."""

        def digest(place: EncodedImage | tuple[Any, int]) -> str:
            if isinstance(place, tuple):
                picture = _picture(place)
                content = f"{picture.mode} {picture.size}".encode() + picture.tobytes()
            else:
                content = place.read_bytes() if isinstance(place, Path) else bytes(place)
            return hashlib.blake2b(content, digest_size=16).hexdigest()

        found = ordered_map(digest, self._places, workers=readers())
        return list(track(found, "reading images", total=len(self)))


def _picture(place: tuple[Any, int]) -> Image.Image:
    dataset, number = place
    picture = dataset[number][0]
    return picture if isinstance(picture, Image.Image) else Image.fromarray(np.asarray(picture))


def _images_of(dataset: Any, root: Path) -> list[tuple[str, EncodedImage | tuple[Any, int]]]:
    """Name and place of each image of a dataset; files where it keeps a list of them."""
    for attribute in ("samples", "_samples", "imgs", "_image_files", "_images"):
        listed = getattr(dataset, attribute, None)
        if not isinstance(listed, list) or len(listed) != len(dataset):
            continue
        files = [each[0] if isinstance(each, tuple) else each for each in listed]
        if all(isinstance(file, str | Path) for file in files):
            return [(_name_in(Path(file), root), Path(file)) for file in files]
    return [(f"{number:06d}", (dataset, number)) for number in range(len(dataset))]


def _name_in(file: Path, root: Path) -> str:
    return file.relative_to(root).as_posix() if file.is_relative_to(root) else file.name


def _numbers_of(dataset: Any) -> list[int]:
    """The class of each image."""
    for attribute in ("targets", "labels", "_labels", "y"):
        listed = getattr(dataset, attribute, None)
        if listed is not None and not callable(listed) and len(listed) == len(dataset):
            return [int(each) for each in listed]
    for attribute in ("samples", "_samples"):
        listed = getattr(dataset, attribute, None)
        if isinstance(listed, list) and len(listed) == len(dataset):
            return [int(each[1]) for each in listed]
    return [int(dataset[number][1]) for number in track(range(len(dataset)), "reading labels")]


def _names_of(dataset: Any, count: int) -> list[str]:
    """Names of the classes, each once; numbers where the dataset has none."""
    given = getattr(dataset, "classes", None) or getattr(dataset, "categories", None) or []
    names = [each[0] if isinstance(each, tuple) else str(each) for each in given]
    if len(names) < count:
        return [str(number) for number in range(count)]
    # ImageNet has two cranes and two maillots.
    return [name if names.count(name) == 1 else f"{name} ({number})" for number, name in enumerate(names)]
