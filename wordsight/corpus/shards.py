"""The samples of a tar shard: members that share a key, which ends at the first dot of a file's own name.

WebDataset's rule: of ``a/s0.input.jpg`` the key is ``a/s0`` and the field ``input.jpg``, decoded by its last ending.
The members of a sample mostly follow each other; where they don't, they are joined wherever they stand.
"""

from __future__ import annotations

import io
import tarfile
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path, PurePosixPath
from typing import BinaryIO

from wordsight.corpus.packed import unpacked
from wordsight.corpus.paths import leads_out
from wordsight.corpus.remaining import Remaining
from wordsight.errors import InputError

# What operating systems put beside files; names that begin with a dot (.DS_Store, ._a.jpg) are theirs too.
_OF_SYSTEMS = ("__MACOSX", "@eaDir")
_FILES_OF_SYSTEMS = ("Thumbs.db", "desktop.ini")
# A packed shard can't be gone back in: what of it waits for other members is held, no more than this.
_MOST_HELD = 1 << 30


@dataclass
class Member:
    """One file in a shard.

    Args:
        key: Of its sample.
        field: What follows the key and its dot, in lower case; "" where there is no dot.
        size: In bytes.
        read: Gives its contents.
        held: How many bytes of it are in memory.
    """

    key: str
    field: str
    size: int
    read: Callable[[], bytes]
    held: int = 0

    @property
    def ending(self) -> str:
        """The last part of the field, which says how it is decoded: ``jpg`` of ``input.jpg``."""
        return self.field.rpartition(".")[2]


@dataclass
class Sample:
    """The members of one key.

    Args:
        key: The key.
        members: By their fields, in the order of the shard.
        repeated: The fields that stand in the shard once more.
    """

    key: str
    members: dict[str, Member] = field(default_factory=dict)
    repeated: list[str] = field(default_factory=list)

    def add(self, member: Member) -> None:
        """Take one more member; of two of one name the first counts."""
        if self.members.setdefault(member.field, member) is not member:
            self.repeated.append(member.field)


def samples(shard: Path, is_wanted: Callable[[Member], bool]) -> Iterator[Sample]:
    """Yield the samples of a shard, each when the last of its members has come.

    The shard is gone through twice, never unpacked to disk: first its headers, to count the members of each key.

    Args:
        shard: The tar, packed or not.
        is_wanted: Whether a member will be read: of a packed shard the others are not held.

    Raises:
        InputError: When it is no tar, is cut off, holds links, devices or names that lead out of it, or is packed and
            has too much between the members of a sample.
    """
    remaining = Remaining(member.key for member in _members(shard, lambda member: False))
    waiting: dict[str, Sample] = {}
    held = 0
    for member in _members(shard, is_wanted):
        sample = waiting.setdefault(member.key, Sample(member.key))
        sample.add(member)
        held += member.held
        if remaining.is_last(member.key):
            held -= sum(each.held for each in waiting.pop(member.key).members.values())
            yield sample
        elif held > _MOST_HELD:
            raise InputError(
                "the members of its samples don't follow each other, and it is packed",
                where=shard,
                mend="unpack it to a .tar, in which members are found wherever they stand",
            )


def _members(shard: Path, is_wanted: Callable[[Member], bool]) -> Iterator[Member]:
    """Every file of a shard but those of operating systems."""
    with _clear_errors(shard), unpacked(shard) as file:
        # A file that is packed is read in its order alone: what is wanted of it is read at once.
        is_packed = not isinstance(file, io.BufferedReader)
        for archive, info in _infos(file, shard):
            parts = PurePosixPath(info.name).parts
            if not info.isfile() or not parts or parts[-1].startswith(".") or parts[-1] in _FILES_OF_SYSTEMS:
                continue
            if any(part in _OF_SYSTEMS for part in parts):
                continue
            key, ending = _split_name(info.name)
            member = Member(key, ending, info.size, partial(_contents, archive, info, shard))
            if is_packed and is_wanted(member):
                member.read, member.held = partial(_same, member.read()), info.size
            yield member


def _infos(file: BinaryIO, shard: Path) -> Iterator[tuple[tarfile.TarFile, tarfile.TarInfo]]:
    """The headers in a file of one archive or of several, one behind the other, as ``cat`` joins them."""
    start: int | None = 0
    while start is not None:
        file.seek(start)
        archive = tarfile.open(fileobj=file, mode="r:")  # noqa: SIM115  # its file is closed where it was opened
        while (info := archive.next()) is not None:
            archive.members = []  # type: ignore[attr-defined]  # it would grow with the shard
            _refuse(info, shard)
            yield archive, info
        start = _next_archive(file, archive.offset)


def _next_archive(file: BinaryIO, end: int) -> int | None:
    """Where another archive begins behind the blanks at the end of one; ``None`` where there is nothing more.

    The tar library takes a damaged header in the middle of an archive for its end.
    """
    place = end
    file.seek(place)
    while block := file.read(tarfile.RECORDSIZE):
        if filled := block.lstrip(b"\0"):
            at = place + len(block) - len(filled)
            if at < end + tarfile.BLOCKSIZE:
                raise tarfile.ReadError(f"damaged at byte {end:,}")
            return at - (at - end) % tarfile.BLOCKSIZE
        place += len(block)
    return None


@contextmanager
def _clear_errors(shard: Path) -> Iterator[None]:
    try:
        yield
    except (tarfile.TarError, EOFError, zlib.error) as error:
        raise InputError(
            f"is not a tar archive, or is cut off ({error})", where=shard, mend="download it again, or move it away"
        ) from error
    except OSError as error:
        raise InputError(f"can't be read ({error})", where=shard) from error


def _contents(archive: tarfile.TarFile, info: tarfile.TarInfo, shard: Path) -> bytes:
    with _clear_errors(shard):
        file = archive.extractfile(info)
        assert file is not None  # for plain files it never is
        return file.read()


def _same(contents: bytes) -> bytes:
    return contents


def _refuse(info: tarfile.TarInfo, shard: Path) -> None:
    """An archive with names that lead out of it, links or devices is not one that we want to know better."""
    if leads_out(info.name):
        expected = "names without '..' and without a leading '/'"
        raise InputError(f"member {info.name!r} leads out of the archive", where=shard, expected=expected)
    if not (info.isfile() or info.isdir()):
        kind = "a link" if info.islnk() or info.issym() else "no plain file"
        raise InputError(f"member {info.name!r} is {kind}", where=shard, expected="plain files")


def _split_name(name: str) -> tuple[str, str]:
    """The key, which is everything up to the first dot of the file's own name, and the field after it."""
    folder, slash, file = name.removeprefix("./").rpartition("/")
    stem, _, field = file.partition(".")
    return f"{folder}{slash}{stem}", field.lower()
