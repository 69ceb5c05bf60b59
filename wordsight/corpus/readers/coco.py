"""COCO captions: a JSON file with ``images`` and ``annotations``, and a folder of images.

Also the layout that Karpathy's splits of Flickr8k, Flickr30k and COCO come in, with ``sentences`` inside each image.
Several such files may tell of the same images in several languages.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any

from wordsight.corpus.example import Example, Rejected, Spoken
from wordsight.corpus.image_files import ImageFiles
from wordsight.corpus.instances import Instances
from wordsight.corpus.json_items import json_content
from wordsight.corpus.keys import Key, check_meeting, key_of
from wordsight.errors import InputError, listed

_LAYOUT = "COCO captions: {'images': [{'id', 'file_name'}], 'annotations': [{'image_id', 'caption'}]}"


@dataclass(frozen=True)
class Coco:
    """COCO captions JSON and a folder of images; the split of each image where the file has it.

    Args:
        captions: The JSON file.
        images: The folder that its file names are relative to.
        language: Of the captions, for example "en".
        also: More captions files of the same images, each after its language, with commas between them:
            "de=captions_de.json,fr=captions_fr.json". Images are matched by their file names.
        labels: COCO's instances file of the same images (instances_train2017.json): the categories of its objects, and
            of its crowds, are the labels. Images are matched by their ids. Or a CSV, TSV, JSONL or Parquet table with
            the columns image and label (and split, where there are splits), by the names of the image files.
    """

    captions: Path
    images: Path
    language: str | None = None
    also: tuple[str, ...] = ()
    labels: Path | None = None

    def __iter__(self) -> Iterator[Example | Rejected]:
        if not self.images.is_dir():
            raise InputError("no such folder", where=self.images, expected="the folder of the images")
        others = [self._other(language, file) for language, file in self._also]
        labels, files = self._labels(), ImageFiles(self.images)
        for item in self._main.images():
            if isinstance(item, Rejected):
                yield item
                continue
            path = files.find(item.name)
            if isinstance(path, Rejected):
                yield path
                continue
            spoken = [(text, self.language or "") for text in item.captions]
            for other in others:
                spoken += other.captions.pop(item.name, ())
            yield Example(item.name, path, labels=labels.get(item.id, ()), split=item.split).saying(spoken)
        for other in others:
            yield from other.rejected
            for name, captions in other.captions.items():
                yield Rejected(
                    name, "caption", "image not in the main file", f"{len(captions)} captions in {other.file}"
                )

    def __length_hint__(self) -> int:
        return len(self._main.content["images"])

    def sources(self) -> list[str]:
        """The JSON files and the folder."""
        also = (str(file) for _, file in self._also)
        return [str(self.captions), str(self.images), *also, *([] if self.labels is None else [str(self.labels)])]

    def label_names(self) -> list[str]:
        """Every category of the instances file; captions alone come without classes."""
        return [] if self._instances is None else list(self._instances.names.values())

    @cached_property
    def _main(self) -> _File:
        return _File(self.captions)

    @cached_property
    def _also(self) -> list[tuple[str, Path]]:
        found = []
        for each in self.also:
            language, equals, file = (part.strip() for part in each.partition("="))
            if not (language and equals and file):
                expected = "LANGUAGE=FILE, for example de=captions_de.json"
                raise InputError(f"{each!r} is not a language and a file", setting="also", expected=expected)
            found.append((language, Path(file)))
        return found

    @cached_property
    def _instances(self) -> Instances | None:
        return None if self.labels is None else Instances(self.labels)

    def _labels(self) -> dict[Key | None, tuple[str, ...]]:
        """The labels of the images by their ids, in the order of the categories."""
        if self._instances is None:
            return {}
        files, found = self._instances.files, self._instances.objects
        known: dict[Key, str] = {}
        for entry in self._main.content["images"]:
            name = _name_of(entry)
            if name is not None and (key := _id_of(entry)) is not None:
                known[key] = name
                _check_name(key, name, files, self._instances.path, self.captions)
        check_meeting({**files, **found[0], **found[1]}, known, "images", self._instances.path, self.captions)
        labels: dict[Key | None, tuple[str, ...]] = {}
        for key in found[0].keys() | found[1].keys():
            held = {*found[0].get(key, ()), *found[1].get(key, ())}
            labels[key] = tuple(name for name in self._instances.names.values() if name in held)
        return labels

    def _other(self, language: str, path: Path) -> _Other:
        """The captions of a further file, by the names of their images."""
        other = _Other(path, {}, [])
        known = {name: None for entry in self._main.content["images"] if (name := _name_of(entry)) is not None}
        for item in _File(path).images():
            if isinstance(item, Rejected):
                # What is wrong with a further file costs the image nothing: it is the main file's.
                other.rejected.append(replace(item, kind="caption", detail=f"{path}: {item.detail}"))
            elif item.captions:
                earlier = other.captions.get(item.name, ())
                other.captions[item.name] = (*earlier, *((text, language) for text in item.captions))
        check_meeting(other.captions, known, "images", path, self.captions)
        return other


@dataclass
class _Other:
    """A further file: its captions by the names of their images, and what of it can't be used."""

    file: Path
    captions: dict[str, Spoken]
    rejected: list[Rejected]


@dataclass(frozen=True, slots=True)
class _Image:
    """What one file says of an image."""

    id: Key | None
    name: str
    captions: list[str]
    split: str


@dataclass(frozen=True)
class _File:
    """One captions file."""

    path: Path

    def images(self) -> Iterator[_Image | Rejected]:
        """Every image with its captions, and what of the file can't be used."""
        sentences, images = self._sentences(), self.content["images"]
        ids = {key: None for entry in images if _name_of(entry) is not None and (key := _id_of(entry)) is not None}
        told = [key for key in sentences if key is not None]
        check_meeting(told, ids, "captions", self.path, self.path)
        seen: dict[Key, str] = {}
        for number, entry in enumerate(images):
            name = _name_of(entry)
            if name is None:
                yield Rejected(f"image {number + 1}", "example", "no file name", str(entry)[:200])
                continue
            key = _id_of(entry)
            if key is not None and seen.setdefault(key, name) != name:
                # Whose the captions of that id are can't be told.
                yield Rejected(name, "example", "repeated id", f"the id {key!r} is that of {seen[key]}")
                continue
            texts = []
            for caption in [*(sentences.pop(key, ()) if key is not None else ()), *_inner(entry)]:
                if isinstance(caption, str) or caption is None:
                    texts.append(caption or "")
                else:
                    yield Rejected(name, "caption", "caption is not text", repr(caption)[:200])
            yield _Image(key, name, texts, str(entry.get("split") or ""))
        for image_id, captions in sentences.items():
            for caption in captions:
                yield Rejected(f"image_id {image_id}", "caption", "no such image", str(caption))

    def _sentences(self) -> dict[Key | None, list[Any]]:
        found: dict[Key | None, list[Any]] = defaultdict(list)
        for number, annotation in enumerate(self.content.get("annotations", [])):
            if not isinstance(annotation, dict) or "image_id" not in annotation or "caption" not in annotation:
                raise InputError(
                    f"annotation {number + 1} has no 'image_id' or no 'caption'", where=self.path, expected=_LAYOUT
                )
            found[key_of(annotation["image_id"])].append(annotation["caption"])
        return found

    @cached_property
    def content(self) -> dict[str, Any]:
        """What the file holds, its layout checked.

        Raises:
            InputError: When it can't be read, or has another layout.
        """
        try:
            content = json_content(self.path, "a COCO captions JSON file")
        except InputError as error:
            raise self._another_layout(error.what) if "Extra data" in error.what else error from error
        if not isinstance(content, dict) or not isinstance(content.get("images"), list):
            found = f"has the keys {listed(content) or 'none'}" if isinstance(content, dict) else "is not a JSON object"
            raise self._another_layout(found)
        if not isinstance(content.get("annotations", []), list):
            raise InputError("'annotations' is no list", where=self.path, expected=_LAYOUT)
        return content

    def _another_layout(self, found: str) -> InputError:
        mend = f"other layouts are read by: wordsight corpus build json {self.path} IMAGES"
        return InputError(found, where=self.path, expected=_LAYOUT, mend=mend)


def _name_of(entry: Any) -> str | None:
    """The file name in an entry of ``images``, with its folder where one is given."""
    fields = entry if isinstance(entry, dict) else {}
    name = fields.get("file_name", fields.get("filename"))
    if not isinstance(name, str) or not name:
        return None
    folder = fields.get("filepath")
    return f"{folder}/{name}" if isinstance(folder, str) and folder else name


def _check_name(key: Key, name: str, files: dict[Key, str], instances: Path, captions: Path) -> None:
    """Raise when the instances file has another file name under an image's id; a folder before it is no difference."""
    other = files.get(key) or name
    if not f"/{name}".endswith(f"/{other}") and not f"/{other}".endswith(f"/{name}"):
        raise InputError(
            f"the image with the id {key!r} is {other}",
            where=instances,
            expected=f"{name} as in {captions}",
            mend="give the instances file of the same images",
        )


def _id_of(entry: Any) -> Key | None:
    """The id in an entry of ``images``; Karpathy's files have COCO's under a name of its own."""
    return key_of(entry.get("id", entry.get("cocoid"))) if isinstance(entry, dict) else None


def _inner(entry: dict[str, Any]) -> Iterator[Any]:
    """The captions inside an entry of ``images``, as Karpathy's files have them."""
    inner = entry.get("sentences")
    for sentence in inner if isinstance(inner, list) else []:
        yield sentence.get("raw") if isinstance(sentence, dict) else sentence
