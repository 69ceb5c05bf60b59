"""Flickr30k Entities: captions whose phrases are marked, and the boxes of what each phrase names.

Plummer et al., "Flickr30k Entities: Collecting Region-to-Phrase Correspondences for Richer Image-to-Sentence Models",
ICCV 2015.
"""

from __future__ import annotations

import re
import xml.etree.ElementTree as ElementTree
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from wordsight.corpus.boxes import box_within
from wordsight.corpus.example import Box, Example, Rejected
from wordsight.corpus.image_files import ImageFiles
from wordsight.corpus.images import stored_size
from wordsight.corpus.lines import decoded, lines_of, read_text
from wordsight.errors import InputError

# [/EN#283585/people A man], [/EN#8/bodyparts/clothing a red hat]: the number of an entity, its types, the phrase.
_PHRASE = re.compile(r"\[/EN#(\d+)(?:/[^\s/\]]+)* ([^\]]*)\]")
_EDGES = ("xmin", "ymin", "xmax", "ymax")
_SPLITS = ("train", "val", "test")

Edges = tuple[float, float, float, float]


@dataclass(frozen=True)
class Flickr30kEntities:
    """Flickr30k Entities: captions with marked phrases, each phrase's boxes under its words; splits where listed.

    Args:
        path: The folder that holds ``Sentences`` and ``Annotations``, and where there are splits ``train.txt``,
            ``val.txt`` and ``test.txt``.
        images: The folder of Flickr30k's images (flickr30k-images).
    """

    path: Path
    images: Path

    def __iter__(self) -> Iterator[Example | Rejected]:
        if not self.images.is_dir():
            raise InputError("no such folder", where=self.images, expected="the folder of the images")
        files, splits = ImageFiles(self.images), self._splits
        for sentences in self._sentences:
            name = sentences.stem
            image = files.find(name)
            if isinstance(image, Rejected):
                yield image
                continue
            captions: list[str] = []
            phrases: list[tuple[str, str]] = []
            for item in _marked(sentences):
                if isinstance(item, Rejected):
                    yield item
                else:
                    captions.append(item[0])
                    phrases += item[1]
            size, edges, broken = _annotation(self.path / "Annotations" / f"{name}.xml")
            if broken:
                yield Rejected(name, "box", broken[0], broken[1])
            boxes: dict[Box, None] = {}
            size = size or (stored_size(image) if edges else None)
            for entity, phrase in phrases if size is not None else ():
                for each in edges.get(entity, ()):
                    assert size is not None
                    box = box_within(phrase, *each, size)
                    if isinstance(box, Box):
                        boxes[box] = None
                    else:
                        yield Rejected(name, "box", box, f"{phrase} {each} of {size}")
            split = splits.get(name, "")
            yield Example(name, image, tuple(captions), boxes=tuple(boxes), split=split, drawn_on=size)

    def __length_hint__(self) -> int:
        return len(self._sentences)

    def sources(self) -> list[str]:
        """The folders."""
        return [str(self.path), str(self.images)]

    def label_names(self) -> list[str]:
        """None: phrases come without classes."""
        return []

    @cached_property
    def _sentences(self) -> list[Path]:
        """The file of captions of every image."""
        found = sorted(each for each in (self.path / "Sentences").glob("*.txt") if not each.name.startswith("."))
        if not found:
            expected = "the folder with Sentences/ and Annotations/ (annotations.zip, unpacked)"
            raise InputError("holds no Sentences/*.txt", where=self.path, expected=expected)
        return found

    @cached_property
    def _splits(self) -> dict[str, str]:
        """The split of every image that a list names."""
        found: dict[str, str] = {}
        for split in _SPLITS:
            file = self.path / f"{split}.txt"
            for name in _lines(file) if file.is_file() else ():
                if found.setdefault(name, split) != split:
                    raise InputError(f"{name} is in the split {found[name]} too", where=file)
        return found


def _lines(file: Path) -> list[str]:
    return read_text(file).split()


def _marked(file: Path) -> Iterator[tuple[str, list[tuple[str, str]]] | Rejected]:
    """Every caption of a file without its marks, and its phrases, each with the number of its entity."""
    try:
        text = decoded(file.read_bytes())
    except (OSError, UnicodeDecodeError) as error:
        yield Rejected(file.stem, "caption", "unreadable", f"{file.name}: {error}")
        return
    for line in filter(str.strip, lines_of(text)):
        caption = _PHRASE.sub(lambda found: found[2], line)
        if "/EN#" in caption:
            yield Rejected(file.stem, "caption", "broken marks", line)
        else:
            yield caption, [(found[1], " ".join(found[2].split())) for found in _PHRASE.finditer(line)]


def _annotation(
    file: Path,
) -> tuple[tuple[float, float] | None, dict[str, list[Edges]], tuple[str, str] | None]:
    """The size of an image and the boxes of its entities, both in pixels; and why they can't be told, where they can't.

    An entity may have several boxes, a box several entities; one that is the scene, or is not in the picture (0 is
    that of all phrases which name nothing visible), has none.
    """
    try:
        root = ElementTree.fromstring(file.read_bytes())
    except FileNotFoundError:
        return None, {}, ("no annotation", f"no file {file.name}")
    except (OSError, ElementTree.ParseError, ValueError, LookupError) as error:
        return None, {}, ("broken XML", f"{file.name}: {error}")
    edges: dict[str, list[Edges]] = defaultdict(list)
    broken = None
    for entry in root.iterfind("object"):
        box = entry.find("bndbox")
        if box is None:
            continue
        numbers = _numbers(box, _EDGES)
        if numbers is None:
            broken = ("box without numbers", file.name)
            continue
        # Pixels count from one here, and both edges belong to the box.
        left, top, right, bottom = numbers
        for name in entry.iterfind("name"):
            edges[(name.text or "").strip()].append((left - 1, top - 1, right, bottom))
    size = root.find("size")
    sides = None if size is None else _numbers(size, ("width", "height"))
    return (sides[0], sides[1]) if sides and min(sides) > 0 else None, dict(edges), broken


def _numbers(element: ElementTree.Element, names: tuple[str, ...]) -> tuple[float, ...] | None:
    found = [(element.findtext(name) or "").strip() for name in names]
    return tuple(map(float, found)) if all(re.fullmatch(r"-?\d{1,9}(\.\d{1,9})?", each) for each in found) else None
