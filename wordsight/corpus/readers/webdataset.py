"""Tar shards as img2dataset writes them: ``000000012.jpg``, ``.txt``, ``.json`` side by side; ``.cls`` is a class.

Members are read in the order they stand in, straight from the archive: nothing is ever unpacked to disk.
"""

from __future__ import annotations

import json
import tarfile
import zlib
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

from wordsight.corpus import cells
from wordsight.corpus.example import Example, Rejected
from wordsight.corpus.image_formats import image_endings
from wordsight.corpus.paths import leads_out
from wordsight.corpus.splits import split_of
from wordsight.errors import InputError, listed

_TAR_ENDINGS = (".tar", ".tar.gz", ".tgz")
_WORDS = ("txt", "json", "cls")
_CAPTION_KEYS = ("caption", "captions", "text")
_LABEL_KEYS = ("label", "labels", "class")
# A member larger than this is no photograph.
_LARGEST_MEMBER = 256 << 20


@dataclass
class _Group:
    """The members that share a name up to its first dot."""

    key: str
    image: bytes | None = None
    words: dict[str, bytes] = field(default_factory=dict)
    endings: list[str] = field(default_factory=list)
    too_large: int = 0


@dataclass(frozen=True)
class WebDataset:
    """WebDataset tar shards as img2dataset writes them: images with .txt or .json captions of the same name.

    Args:
        path: One tar, a folder of them, or a pattern ("shards/0000*.tar").
    """

    path: Path

    def __iter__(self) -> Iterator[Example | Rejected]:
        for shard in self._shards:
            # Keys are unique within a shard; across shards only where the writer took care of it.
            prefix = f"{self._name(shard)}/" if len(self._shards) > 1 else ""
            split = next(filter(None, map(split_of, Path(self._name(shard)).parts[:-1])), "")
            for group in _groups(shard):
                yield from _example(group, prefix, split)

    def sources(self) -> list[str]:
        """The shards."""
        return [str(shard) for shard in self._shards]

    def label_names(self) -> list[str]:
        """None declared: the labels of a corpus are those of its examples."""
        return []

    @cached_property
    def _shards(self) -> list[Path]:
        if self.path.is_dir():
            found = [file for file in self.path.rglob("*") if file.name.lower().endswith(_TAR_ENDINGS)]
        elif self.path.is_file():
            found = [self.path]
        else:
            top = Path(self.path.anchor or ".")
            found = list(top.glob(str(self.path.relative_to(self.path.anchor)))) if self.path.name else []
        if not found:
            expected = "a tar, a folder of tars, or a pattern that fits some"
            raise InputError("no tar shard", where=self.path, expected=expected)
        return sorted(found)

    def _name(self, shard: Path) -> str:
        name = shard.relative_to(self.path).as_posix() if self.path.is_dir() else shard.name
        ending = next((each for each in _TAR_ENDINGS if name.lower().endswith(each)), "")
        return name.removesuffix(name[len(name) - len(ending) :])


def _groups(shard: Path) -> Iterator[_Group]:
    group: _Group | None = None
    try:
        with tarfile.open(shard, "r|*") as archive:
            while (member := archive.next()) is not None:
                archive.members = []  # type: ignore[attr-defined]  # it would grow with the shard
                _refuse(member, shard)
                if not member.isfile():
                    continue
                key, ending = _split_name(member.name)
                if group is None or group.key != key:
                    if group is not None:
                        yield group
                    group = _Group(key)
                _take(group, ending, archive, member)
    except (tarfile.TarError, EOFError, zlib.error) as error:
        raise InputError(
            f"is no tar archive, or is cut off ({error})", where=shard, mend="download it again, or move it away"
        ) from error
    except OSError as error:
        raise InputError(f"can't be read ({error})", where=shard) from error
    if group is not None:
        yield group


def _refuse(member: tarfile.TarInfo, shard: Path) -> None:
    """An archive with names that lead out of it, links or devices is not one that we want to know better."""
    if leads_out(member.name):
        expected = "names without '..' and without a leading '/'"
        raise InputError(f"member {member.name!r} leads out of the archive", where=shard, expected=expected)
    if not (member.isfile() or member.isdir()):
        kind = "a link" if member.islnk() or member.issym() else "no plain file"
        raise InputError(f"member {member.name!r} is {kind}", where=shard, expected="plain files")


def _split_name(name: str) -> tuple[str, str]:
    """The key, which is everything up to the first dot of the file's own name, and the ending after it."""
    folder, slash, file = name.removeprefix("./").rpartition("/")
    stem, _, ending = file.partition(".")
    return f"{folder}{slash}{stem}", ending.lower()


def _take(group: _Group, ending: str, archive: tarfile.TarFile, member: tarfile.TarInfo) -> None:
    group.endings.append(ending)
    wanted = f".{ending}" in image_endings() and group.image is None
    if not (wanted or ending in _WORDS):
        return
    if member.size > _LARGEST_MEMBER:
        group.too_large = member.size
        return
    file = archive.extractfile(member)
    assert file is not None  # for plain files it never is
    if wanted:
        group.image = file.read()
    else:
        group.words[ending] = file.read()


def _example(group: _Group, prefix: str, split: str) -> Iterator[Example | Rejected]:
    name = prefix + group.key
    if group.image is None:
        if group.too_large:
            yield Rejected(name, "image", "too large", f"a member of {group.too_large:,} bytes")
        elif group.words:
            yield Rejected(name, "image", "absent", f"no image among the endings {listed(group.endings)}")
        return
    captions: list[str] = []
    facts: dict[str, Any] = {}
    for ending, raw in group.words.items():
        try:
            text = raw.decode("utf-8-sig")
            if ending == "json":
                content = json.loads(text)
                facts = content if isinstance(content, dict) else {}
            elif ending == "txt":
                captions.append(text)
            else:
                facts.setdefault("label", text.strip())
        except (ValueError, RecursionError) as error:
            reason = "not UTF-8" if isinstance(error, UnicodeDecodeError) else "broken JSON"
            yield Rejected(name, "caption", reason, f".{ending}: {error}")
    for key in _CAPTION_KEYS:
        if not cells.is_empty(facts.get(key)):
            captions.extend(cells.texts(facts[key]))
    labels = [label for key in _LABEL_KEYS for label in cells.labels(facts.get(key))]
    yield Example(
        id=name,
        image=group.image,
        # img2dataset writes the same caption to both files.
        captions=tuple(dict.fromkeys(caption.strip() for caption in captions)),
        labels=tuple(dict.fromkeys(labels)),
        split=str(facts.get("split") or split),
    )
