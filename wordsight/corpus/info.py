"""What ``corpus.json`` holds, and of which types: one that was changed is refused when the corpus is opened."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any

from wordsight.errors import InputError
from wordsight.ranges import Count, check_ranges
from wordsight.settings import from_mapping


@dataclass(frozen=True)
class FileInfo:
    """One Arrow file of a corpus."""

    file: str
    rows: Count
    bytes: int
    checksums: str = ""

    def __post_init__(self) -> None:
        check_ranges(self)
        if Path(self.file).name != self.file:
            raise InputError(f"found {self.file!r}", where="file", expected="the name of a file beside it")


@dataclass(frozen=True)
class Counts:
    """How many of what were read and kept."""

    captions: Count
    boxes: Count = 0
    articles: Count = 0
    rejected: dict[str, int] = field(default_factory=dict)
    rejected_units: dict[str, dict[str, int]] = field(default_factory=dict)
    unread: dict[str, int] = field(default_factory=dict)

    def __post_init__(self) -> None:
        check_ranges(self)


@dataclass(frozen=True)
class CorpusInfo:
    """The parts of ``corpus.json`` that are read again."""

    fingerprint: str
    sources: list[str]
    settings: dict[str, float]
    counts: dict[str, Any]
    splits: dict[str, Count]
    languages: dict[str, Count]
    label_names: list[str]
    shards: list[FileInfo]
    captions: FileInfo

    def __post_init__(self) -> None:
        check_ranges(self)
        if "shorter_side" not in self.settings:
            raise InputError("shorter_side missing", where="settings")
        rows = sum(shard.rows for shard in self.shards)
        if rows != self.captions.rows:
            raise InputError(f"found {rows:,} images and the captions of {self.captions.rows:,}", where="shards")


def check_info(info: Mapping[str, Any], place: Path) -> None:
    """Refuse what no build writes.

    Args:
        info: What ``corpus.json`` holds; names that are not known are not looked at.
        place: The file, for the message.

    Raises:
        InputError: At the first value of another type, and when one is missing.
    """
    try:
        _known(CorpusInfo, info, str(place))
        _known(Counts, info["counts"], f"{place}: counts")
    except InputError as error:
        raise error.but(what=f"is damaged: {error.what}", mend="build or copy it again") from error


def _known(kind: type[Any], values: Mapping[str, Any], where: str) -> None:
    names = [each.name for each in fields(kind)]
    from_mapping(kind, {name: values[name] for name in names if name in values}, where)
