"""PASCAL VOC: ``JPEGImages/``, an XML file for each image, and lists of the images of each split and class."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path, PurePosixPath

from wordsight.corpus.example import Example, Rejected
from wordsight.corpus.image_formats import is_image_name
from wordsight.corpus.lines import read_lines
from wordsight.corpus.paths import files_below
from wordsight.corpus.splits import part_of, split_of
from wordsight.corpus.voc_xml import BadAnnotation, VocAnnotation, read_annotation
from wordsight.errors import InputError
from wordsight.progress import track

_IMAGES, _ANNOTATIONS = ("JPEGImages", "images"), ("Annotations", "annotations")
_LISTS = (Path("ImageSets", "Main"), Path("ImageSets"))
_HOLDS = ("1", "0", "-1")


@dataclass
class _ListedImage:
    splits: list[str] = field(default_factory=list)
    labels: list[str] = field(default_factory=list)
    ignored: list[str] = field(default_factory=list)


@dataclass(frozen=True)
class Voc:
    """A PASCAL VOC folder, or one that a labelling tool wrote: images with several labels each, and boxes.

    Labels are those of the lists of a class (``cat_train.txt``; 0 is a class to ignore, "difficult"); where there are
    none, those of the XML files. Splits are those of the lists, or of folders ``train/``, ``val/``, ``test/``.

    Args:
        path: The folder that holds ``JPEGImages`` (or ``images``) and ``Annotations``, ``ImageSets/Main`` or both; or
            images with XML files beside them.
    """

    path: Path

    def __iter__(self) -> Iterator[Example | Rejected]:
        by_lists = any(label for label, _, _ in self._lists)
        annotations, _ = self._annotations
        for name, listed in sorted(self._examples.items()):
            split = min(listed.splits, key=_rank, default="")
            annotation = annotations.get(name, VocAnnotation())
            image = self._image(name, annotation)
            if (lost := self._lost(name, split, by_lists)) is not None:
                yield lost
                if lost.kind == "example":
                    continue
            boxes, rejected, size = annotation.boxes(image, name)
            yield from rejected
            yield Example(
                id=name,
                image=image,
                labels=tuple(dict.fromkeys(listed.labels)) if by_lists else annotation.labels,
                ignored_labels=_ignored(listed) if by_lists else annotation.ignored_labels,
                boxes=tuple(boxes),
                split=split,
                drawn_on=size,
            )

    def __length_hint__(self) -> int:
        return len(self._examples)

    def sources(self) -> list[str]:
        """The folder."""
        return [str(self.path)]

    def label_names(self) -> list[str]:
        """Every class that has a list; where none has, those of the XML files."""
        if named := {label for label, _, _ in self._lists if label}:
            return sorted(named)
        return sorted({each.name for found in self._annotations[0].values() for each in found.objects})

    def unread(self) -> Mapping[str, int]:
        """How many images stand in no list; where there are no lists, how many have no XML file."""
        left = len(self._files.keys() - self._examples.keys())
        return {"images in no list" if self._lists else "images without XML": left} if left else {}

    @cached_property
    def _examples(self) -> dict[str, _ListedImage]:
        """Every image that there is an example of: those of the lists, else those that have an XML file."""
        if self._lists:
            return self._in_lists
        annotations, broken = self._annotations
        return {name: _ListedImage(splits=[split_of(PurePosixPath(name).parts[0])] * ("/" in name))
                for name in (*annotations, *broken)}  # fmt: skip

    @cached_property
    def _annotated_splits(self) -> set[str]:
        """The splits of which any image has an XML file: those of a test set may be kept from the world."""
        annotations, _ = self._annotations
        return {min(listed.splits, key=_rank, default="") for name, listed in self._examples.items()
                if name in annotations}  # fmt: skip

    def _lost(self, name: str, split: str, by_lists: bool) -> Rejected | None:
        """Why an image has no annotation: it costs its boxes alone where lists give the labels."""
        annotations, broken = self._annotations
        if name in broken:
            return Rejected(name, "box" if by_lists else "example", "broken XML", broken[name])
        if by_lists or name in annotations or split not in self._annotated_splits:
            return None
        return Rejected(name, "example", "no XML file", f"it is listed in {split or 'ImageSets'}")

    def _image(self, name: str, annotation: VocAnnotation) -> Path:
        guess = annotation.file_name if is_image_name(annotation.file_name) else f"{PurePosixPath(name).name}.jpg"
        return self._files.get(name, self._images / guess)

    @cached_property
    def _images(self) -> Path:
        for folder in (self.path / name for name in _IMAGES):
            if folder.is_dir():
                return folder
        if self._xml_files:
            return self.path
        expected = "a VOC folder such as VOCdevkit/VOC2007, or images with XML files beside them"
        raise InputError("no folder JPEGImages", where=self.path, expected=expected)

    @cached_property
    def _files(self) -> dict[str, Path]:
        """The image files by their names without ending, with the folder inside that of the images where they lie."""
        files = files_below(self._images) if self._images != self.path else sorted(self._beside())
        shown = (file for file in files if is_image_name(file.name) and not file.name.startswith("."))
        return {file.relative_to(self._images).with_suffix("").as_posix(): file for file in shown}

    def _beside(self) -> Iterator[Path]:
        """What lies in the folder itself, and in its folders of splits."""
        for each in sorted(self.path.iterdir()) if self.path.is_dir() else ():
            if each.is_dir() and split_of(each.name):
                yield from each.iterdir()
            elif each.is_file():
                yield each

    @cached_property
    def _xml_files(self) -> dict[str, Path]:
        """The XML files by their names without ending, with the folder inside that of the annotations."""
        for folder in (self.path, *(self.path / name for name in (*_ANNOTATIONS, *_IMAGES))):
            files = files_below(folder) if folder != self.path else self._beside()
            shown = [file for file in sorted(files) if file.suffix.lower() == ".xml" and not file.name.startswith(".")]
            if shown:
                return {file.relative_to(folder).with_suffix("").as_posix(): file for file in shown}
        return {}

    @cached_property
    def _annotations(self) -> tuple[dict[str, VocAnnotation], dict[str, str]]:
        """What is said of each image by its name, and of which the XML file can't be used."""
        found: dict[str, VocAnnotation] = {}
        broken: dict[str, str] = {}
        for own, file in track(list(self._xml_files.items()), "reading annotations"):
            try:
                annotation = read_annotation(file)
            except BadAnnotation as error:
                broken[self._named(own) or own] = f"{file.name}: {error}"
                continue
            # A file that was renamed with its image still calls it by the old name.
            name = self._named(own) or self._named(annotation.file_name) or own
            if name in found:
                found[name].objects += annotation.objects
            else:
                found[name] = annotation
        return found, {name: why for name, why in broken.items() if name not in found}

    def _named(self, name: str) -> str | None:
        """The image that a list, or an XML file, calls so: with an ending or without, in a folder or without."""
        plain = name.replace("\\", "/").removeprefix("./")
        without = str(PurePosixPath(plain).with_suffix("")) if is_image_name(plain) else plain
        if without in self._files:
            return without
        alone = self._by_stem.get(PurePosixPath(without).name, []) if without else []
        return alone[0] if len(alone) == 1 else None

    @cached_property
    def _by_stem(self) -> dict[str, list[str]]:
        found: dict[str, list[str]] = defaultdict(list)
        for name in self._files:
            found[PurePosixPath(name).name].append(name)
        return found

    @cached_property
    def _lists(self) -> list[tuple[str, str, Path]]:
        """Class, split and file of every list; the class is "" for a list of images of a split."""
        above = self._images if self._images == self.path else self._images.parent
        folder = next((each for lists in _LISTS if (each := above / lists).is_dir()), above / _LISTS[0])
        found = [_list(file) for file in sorted(folder.glob("*.txt"))]
        by_lists = any(label for label, _, _ in found)
        if not by_lists and not self._xml_files:
            expected = "files such as cat_trainval.txt, cat_test.txt, or XML files in Annotations"
            raise InputError("no lists of a class", where=folder, expected=expected)
        # A list of no split counts where nothing better is there, and when it is of images at all.
        return [(label, split, file) for label, split, file in found
                if label or split or (not by_lists and self._named(_first_line(file)))]  # fmt: skip

    @cached_property
    def _in_lists(self) -> dict[str, _ListedImage]:
        images: dict[str, _ListedImage] = defaultdict(_ListedImage)
        for label, split, file in self._lists:
            for number, line in enumerate(_lines(file), start=1):
                fields = line.split()
                if not fields:
                    continue
                if not label and self._named(line.strip()):
                    fields = [line.strip()]  # a name may have blanks in it
                if len(fields) != (2 if label else 1) or (label and fields[1] not in _HOLDS):
                    expected = "an image's name and 1, 0 or -1" if label else "an image's name"
                    raise InputError(f"line {number} is {line!r}", where=file, expected=expected)
                found = images[self._named(fields[0]) or fields[0]]
                found.splits += [split] if split else []
                if label and fields[1] == "1":
                    found.labels.append(label)
                elif label and fields[1] == "0":
                    found.ignored.append(label)
        return dict(images)


def _list(file: Path) -> tuple[str, str, Path]:
    """The class and the split of a list, by its name and its first line: ``cat_train``, ``train``, ``default``."""
    columns = _first_line(file).split()
    label, _, split = file.stem.rpartition("_")
    # VOC has a class of trains: with a second column, `train_val` is its list of val.
    if len(columns) == 2 and columns[1] in _HOLDS and label and (part_of(split) or not part_of(file.stem)):
        return label, split if part_of(split) else "", file
    # `my_train.txt` without a second column names images alone.
    return "", file.stem if part_of(file.stem) else split if part_of(split) else "", file


def _first_line(file: Path) -> str:
    return next((line.strip() for line in _lines(file) if line.strip()), "")


def _rank(split: str) -> int:
    """An image may stand in several lists, in "train" and in "trainval" always; the first by this counts."""
    return 3 if split.lower() == "trainval" else {"test": 0, "val": 1, "train": 2}.get(part_of(split), 4)


def _ignored(listed: _ListedImage) -> tuple[str, ...]:
    return tuple(dict.fromkeys(each for each in listed.ignored if each not in listed.labels))


def _lines(file: Path) -> list[str]:
    return list(read_lines(file))
