"""Tar shards as img2dataset writes them: ``000000012.jpg``, ``.txt``, ``.json`` side by side; ``.cls`` is a class.

Members are read straight from the archive: nothing is ever unpacked to disk.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any, Literal

from wordsight.corpus import cells
from wordsight.corpus.example import Example, Rejected
from wordsight.corpus.image_formats import is_image_name
from wordsight.corpus.lines import decoded, lines_of
from wordsight.corpus.nested import numbered, value_at
from wordsight.corpus.shard_files import ShardFile, shard_files
from wordsight.corpus.shards import Member, Sample, samples
from wordsight.errors import listed, setting
from wordsight.progress import say

# How a field is decoded, by its last ending; webdataset's own names for text, JSON and classes.
_DECODED = {
    "txt": "text", "text": "text", "caption": "text", "transcript": "text",
    "json": "json", "jsn": "json",
    "cls": "class", "cls2": "class", "class": "class",
}  # fmt: skip
_CAPTION_KEYS = ("caption", "captions", "text")
_LABEL_KEYS = ("label", "labels", "class")
# A member larger than this is no photograph.
_LARGEST_MEMBER = 256 << 20
# So many fields that were not read are counted by their names.
_MOST_FIELDS = 1_000


@dataclass(frozen=True)
class WebDataset:
    """WebDataset tar shards as img2dataset writes them: images with .txt, .json, .cls members of the same key.

    By WebDataset's rule the key ends at the first dot of a member's own name; the rest is the field, decoded by its
    last ending: ``s0.input.jpg`` and ``s0.output.txt`` are one sample. A shard named after a split
    (``train-000.tar``), or in a folder that is, is of that split.

    Args:
        path: One tar, a folder of them, a pattern ("shards/0000*.tar") or a range ("shards/{000..012}.tar").
        txt: Whether a text member is one caption ("whole"), or each of its lines is one ("lines").
        image: The field of the image ("input.jpg"), where samples hold several; by default the one without a dot, else
            the first.
        caption: The key of the captions in .json members, a nested one with dots ("meta.alt"); by default caption,
            captions, text (also caption_0, caption_1, ...).
        label: The key of the labels in .json members, likewise; by default label, labels, class.
    """

    path: Path
    txt: Literal["whole", "lines"] = "whole"
    image: str | None = None
    caption: str | None = None
    label: str | None = None

    def __iter__(self) -> Iterator[Example | Rejected]:
        self._unread.clear()
        seen = Counter[str]()
        for shard in self._shards:
            # Keys are unique within a shard; across shards only where the writer took care of it.
            prefix = f"{shard.name}/" if len(self._shards) > 1 else ""
            for sample in samples(shard.path, _is_wanted):
                yield from self._example(sample, prefix, shard.split, seen)
        for hint in self._hints(seen):
            say(hint)

    def _hints(self, seen: Counter[str]) -> Iterator[str]:
        """What a person may have meant otherwise, of what was read."""
        if seen["several lines"]:
            yield (
                f"{seen['several lines']:,} of {seen['texts']:,} text members hold several lines and were read as one "
                f"caption each: with {setting('txt', 'lines')} each line is a caption"
            )
        if seen["other images"]:
            yield (
                f"{seen['other images']:,} images were not read, as their samples hold another one: a key ends at the "
                f"first dot of a name, and {setting('image')} chooses the image of a sample"
            )

    def sources(self) -> list[str]:
        """The shards."""
        return [str(shard.path) for shard in self._shards]

    def label_names(self) -> list[str]:
        """None declared: the labels of a corpus are those of its examples."""
        return []

    def unread(self) -> Mapping[str, int]:
        """How many members of each field (".seg.png") were not read, of what was gone through last."""
        return dict(self._unread)

    @cached_property
    def _unread(self) -> Counter[str]:
        return Counter()

    @cached_property
    def _shards(self) -> list[ShardFile]:
        return shard_files(self.path)

    def _example(self, sample: Sample, prefix: str, split: str, seen: Counter[str]) -> Iterator[Example | Rejected]:
        name = prefix + sample.key
        image, words = self._chosen(sample, seen)
        for repeated in sample.repeated:
            kind: Literal["image", "caption"] = "image" if is_image_name(f"_.{repeated}") else "caption"
            yield Rejected(name, kind, "repeated member", f"its shard has another .{repeated} of that name")
        if image is None:
            if words:
                fields = listed(sample.members)
                yield Rejected(name, "image", "absent", f"no image among the fields {fields}")
            return
        if image.size > _LARGEST_MEMBER:
            yield Rejected(name, "image", "too large", f"a member of {image.size:,} bytes")
            return
        said = _Said()
        for member in words:
            seen["texts"] += _DECODED[member.ending] == "text"
            try:
                self._decode(member, said)
            except (ValueError, RecursionError) as error:
                reason = "not UTF-8" if isinstance(error, UnicodeDecodeError) else "broken JSON"
                yield Rejected(name, "caption", reason, f".{member.field}: {error}")
        seen["several lines"] += said.glued
        for of, what in said.refused:
            yield Rejected(name, of, f"{of} is not text", what)
        if said.keys and not said.captions and not said.labels and not said.refused:
            yield Rejected(name, "caption", "no caption in .json", f"its keys: {listed(said.keys)}")
        yield Example(
            id=name,
            image=image.read(),
            # img2dataset writes the same caption to both files.
            captions=tuple(dict.fromkeys(caption.strip() for caption in said.captions)),
            labels=tuple(dict.fromkeys(said.labels)),
            split=said.split or split,
        )

    def _chosen(self, sample: Sample, seen: Counter[str]) -> tuple[Member | None, list[Member]]:
        """The member that is the sample's image, and those that tell of it; all others are counted as not read."""
        images = [each for each in sample.members.values() if is_image_name(f"_.{each.field}")]
        if self.image is not None:
            chosen = sample.members.get(self.image.lower().lstrip("."))
        else:
            chosen = next((each for each in images if "." not in each.field), images[0] if images else None)
        of_others = {_before_ending(each) for each in images if each is not chosen}
        of_others -= {"" if chosen is None else _before_ending(chosen)}
        words = []
        for member in sample.members.values():
            # "1.txt" beside "1.jpg" tells of that image, and "output.txt" beside "input.jpg" of the only one.
            if _DECODED.get(member.ending) and _before_ending(member) not in of_others:
                words.append(member)
            elif member is not chosen:
                name = f".{member.field}" if member.field else "(no ending)"
                self._unread[name if name in self._unread or len(self._unread) < _MOST_FIELDS else "(others)"] += 1
                # A plain image has others beside it for a reason, such as a mask.
                seen["other images"] += member in images and self.image is None and "." in getattr(chosen, "field", "")
        return chosen, words

    def _decode(self, member: Member, said: _Said) -> None:
        """Read what a member says; in a member too large for words there is nothing to read."""
        if member.size > _LARGEST_MEMBER:
            raise ValueError(f"a member of {member.size:,} bytes")
        text = decoded(member.read())
        kind = _DECODED[member.ending]
        if kind == "text":
            lines = [line for line in lines_of(text) if line.strip()]
            said.captions += lines if self.txt == "lines" else [text]
            said.glued += self.txt == "whole" and len(lines) > 1
        elif kind == "class":
            said.take_labels(text.strip())
        else:
            content = json.loads(text)
            if isinstance(content, dict):
                self._read_object(content, said)
            elif not cells.is_empty(content):
                said.take_captions(content)

    def _read_object(self, content: dict[str, Any], said: _Said) -> None:
        said.keys += content
        for key in [self.caption] if self.caption else numbered(content, _CAPTION_KEYS):
            if not cells.is_empty(found := value_at(content, key)):
                said.take_captions(found)
        for key in [self.label] if self.label else _LABEL_KEYS:
            said.take_labels(value_at(content, key))
        if isinstance(split := content.get("split"), str):
            said.split = said.split or split


@dataclass
class _Said:
    """What the members of a sample say of its image, and how many texts of several lines are one caption."""

    captions: list[str] = field(default_factory=list)
    labels: list[str] = field(default_factory=list)
    keys: list[str] = field(default_factory=list)
    split: str = ""
    glued: int = 0
    refused: list[tuple[Literal["caption", "label"], str]] = field(default_factory=list)

    def take_captions(self, value: Any) -> None:
        """Captions, and what is not text."""
        read = cells.texts(value)
        self.captions += read.found
        self.refused += (("caption", what) for what in read.refused)

    def take_labels(self, value: Any) -> None:
        """Labels, and what is not text."""
        read = cells.labels(value)
        self.labels += read.found
        self.refused += (("label", what) for what in read.refused)


def _is_wanted(member: Member) -> bool:
    return member.size <= _LARGEST_MEMBER and (member.ending in _DECODED or is_image_name(f"_.{member.field}"))


def _before_ending(member: Member) -> str:
    return member.field.rpartition(".")[0]
