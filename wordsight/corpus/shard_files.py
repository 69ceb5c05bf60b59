"""Which shards a person means: one, a folder of them, a pattern, a range in braces; and the split that a name tells."""

from __future__ import annotations

import glob
import re
from dataclasses import dataclass
from pathlib import Path

from wordsight.corpus.braces import matching
from wordsight.corpus.paths import files_below
from wordsight.corpus.splits import split_in, split_of
from wordsight.errors import InputError

_ENDING = re.compile(r"\.(tar(\.(gz|bz2|xz|zst))?|tgz|tbz2?|txz)$", re.IGNORECASE)


@dataclass(frozen=True)
class ShardFile:
    """One shard.

    Args:
        path: The file.
        name: What tells it from the others: its path from the folder that was given, without the ending.
        split: The split that its name, or the name of a folder that it is in, means; "" where they mean none.
    """

    path: Path
    name: str
    split: str


def shard_files(given: Path) -> list[ShardFile]:
    """The shards of a source, in the order of their names.

    Args:
        given: A tar, a folder of tars, a pattern (``shards/*.tar``) or a range (``shards/{000..012}.tar``).

    Raises:
        InputError: When there is none, or one of a range is not there.
    """
    if given.is_dir():
        top = given
        files = [file for file in files_below(given) if _ENDING.search(file.name)]
    elif given.is_file():
        top, files = given.parent, [given]
    else:
        top, files = _fixed_part(given), matching(given)
    if not files:
        expected = "a tar, a folder of tars, or a pattern that fits some"
        raise InputError("no tar shard", where=given, expected=expected)
    return [_shard(file, top, is_pattern=not given.exists()) for file in sorted(files)]


def _fixed_part(given: Path) -> Path:
    """The folder above the first part of a pattern that may stand for several names."""
    fixed = Path(given.anchor)
    for part in given.relative_to(given.anchor).parts[:-1]:
        if glob.has_magic(part) or "{" in part:
            break
        fixed /= part
    return fixed


def _shard(file: Path, top: Path, *, is_pattern: bool) -> ShardFile:
    inner = file.relative_to(top)
    name = _ENDING.sub("", inner.as_posix())
    folders = list(inner.parts[:-1])
    # Above a pattern stands the folder that the shards are in, where all are in one.
    folders = [file.parent.name] if is_pattern and not folders else folders
    split = split_in(name.rpartition("/")[2])
    return ShardFile(file, name, split or next(filter(None, map(split_of, reversed(folders))), ""))
