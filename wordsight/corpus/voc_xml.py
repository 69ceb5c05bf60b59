"""The XML file that PASCAL VOC, and labelling tools after it, write for each image: its objects and where they are."""

from __future__ import annotations

import math
import xml.etree.ElementTree as ElementTree
from dataclasses import dataclass, field
from pathlib import Path

from wordsight.corpus.boxes import box_within
from wordsight.corpus.example import Box, Rejected
from wordsight.corpus.images import stored_size


@dataclass(frozen=True)
class VocObject:
    """One object of an image.

    Args:
        name: Its class.
        is_difficult: Whether it is marked as one to ignore.
        edges: Left, top, right and bottom in pixels; ``None`` where it has no box.
    """

    name: str
    is_difficult: bool
    edges: tuple[float, float, float, float] | None


@dataclass
class VocAnnotation:
    """What XML files say of one image.

    Args:
        objects: What is in it.
        file_name: What the file calls the image, without the folder that it lay in; "" where it does not say.
        size: Width and height that are stated, in pixels; ``None`` where they are not, or are zero.
        rejected: What can't be used: the kind and the reason of each, and what was found.
    """

    objects: list[VocObject] = field(default_factory=list)
    file_name: str = ""
    size: tuple[float, float] | None = None
    rejected: list[tuple[str, str]] = field(default_factory=list)

    @property
    def labels(self) -> tuple[str, ...]:
        """The classes that hold."""
        return tuple(dict.fromkeys(each.name for each in self.objects if not each.is_difficult))

    @property
    def ignored_labels(self) -> tuple[str, ...]:
        """The classes of which all objects are difficult."""
        held = self.labels
        return tuple(dict.fromkeys(each.name for each in self.objects if each.name not in held))

    def boxes(self, image: Path, id: str) -> tuple[list[Box], list[Rejected], tuple[float, float] | None]:
        """Its boxes in fractions of the picture that they were drawn on, those left out, and that picture's size.

        Args:
            image: The file of the image, which is asked for its size where none is stated.
            id: What to call the example.
        """
        rejected = [Rejected(id, "box", reason, detail) for reason, detail in self.rejected]
        if not any(each.edges for each in self.objects):
            return [], rejected, None
        size = self.size or stored_size(image)
        boxes = []
        for each in self.objects if size is not None else ():
            if each.edges is None:
                continue
            assert size is not None
            found = box_within(each.name, *each.edges, size)
            if isinstance(found, Box):
                boxes.append(found)
            else:
                rejected.append(Rejected(id, "box", found, f"{each.name} {each.edges} of {size}"))
        return boxes, rejected, size


class BadAnnotation(ValueError):  # noqa: N818  # read as "except BadAnnotation"
    """An XML file that says nothing of an image; its argument says why."""


def read_annotation(file: Path) -> VocAnnotation:
    """Read one XML file.

    Args:
        file: The file.

    Raises:
        BadAnnotation: When it is no XML, or none of this layout.
    """
    try:
        root = ElementTree.fromstring(file.read_bytes())
    except (OSError, ElementTree.ParseError, ValueError, LookupError) as error:
        raise BadAnnotation(str(error)) from error
    if root.tag != "annotation":
        raise BadAnnotation(f"<{root.tag}> in place of <annotation>")
    found = VocAnnotation()
    # Whole paths of another machine, of either kind, stand there too.
    found.file_name = (root.findtext("filename") or "").strip().replace("\\", "/").rpartition("/")[2]
    size = tuple(_number(root.findtext(f"size/{side}")) for side in ("width", "height"))
    if all(each is not None and each > 0 for each in size):
        found.size = (size[0] or 0.0, size[1] or 0.0)
    # In VOC's own files pixels count from one, and both edges belong to the box.
    is_own = (root.findtext("source/annotation") or "").strip().startswith("PASCAL VOC")
    for number, entry in enumerate(root.iterfind("object"), start=1):
        name = " ".join((entry.findtext("name") or "").split())
        if not name:
            found.rejected.append(("object without a name", f"object {number} of {file.name}"))
            continue
        edges, box = None, entry.find("bndbox")
        if box is not None:
            numbers = [_number(box.findtext(edge)) for edge in ("xmin", "ymin", "xmax", "ymax")]
            if None in numbers:
                found.rejected.append(("box without numbers", f"{name}, object {number} of {file.name}"))
            else:
                left, top, right, bottom = (each or 0.0 for each in numbers)
                edges = (left - is_own, top - is_own, right, bottom)
        found.objects.append(VocObject(name, _is_true(entry.findtext("difficult")), edges))
    return found


def _number(text: str | None) -> float | None:
    try:
        number = float(text or "")
    except ValueError:
        return None
    return number if math.isfinite(number) else None


def _is_true(text: str | None) -> bool:
    return (text or "").strip().lower() in ("1", "true", "yes")
