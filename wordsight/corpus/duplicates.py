"""The same picture twice: which example keeps it.

Two examples whose decoded pixels are equal become one. Within a split, and among those of training data, the first is
kept and gets the captions, labels and boxes of the others, so that nothing is lost. Across others nothing moves, and
the example that goes is the one in train: a picture that is tested on must not be trained on.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from wordsight.corpus.example import Example, Rejected
from wordsight.corpus.splits import SplitKind, part_of

T = TypeVar("T")

_RECENT = 1 << 16
# So much of an article that was left out is told.
_SHOWN = 100


class SeenNames:
    """Keys that came by, each with a number: 16 bytes a key, where a dictionary takes ten times that."""

    def __init__(self) -> None:
        self._recent: dict[int, int] = {}
        self._keys: NDArray[np.uint64] = np.empty(0, np.uint64)
        self._numbers: NDArray[np.int64] = np.empty(0, np.int64)

    def add(self, name: str, number: int) -> int | None:
        """Remember a name; where it came by before, return the number it had then and remember nothing."""
        key = int.from_bytes(hashlib.blake2b(name.encode("utf-8", "surrogatepass"), digest_size=8).digest(), "little")
        if key in self._recent:
            return self._recent[key]
        if len(self._keys):
            k = int(np.searchsorted(self._keys, np.uint64(key)))
            if k < len(self._keys) and int(self._keys[k]) == key:
                return int(self._numbers[k])
        self._recent[key] = number
        if len(self._recent) >= max(_RECENT, len(self._keys) // 8):
            self._merge()
        return None

    def _merge(self) -> None:
        keys = np.concatenate([self._keys, np.fromiter(self._recent.keys(), np.uint64, len(self._recent))])
        numbers = np.concatenate([self._numbers, np.fromiter(self._recent.values(), np.int64, len(self._recent))])
        order = np.argsort(keys, kind="stable")
        self._keys, self._numbers = keys[order], numbers[order]
        self._recent = {}


@dataclass(frozen=True, slots=True)
class JoinedExample:
    """One example made of those that show the same picture, and the others as rejects."""

    example: Example
    rejected: list[Rejected]


def join(same: Sequence[Example]) -> JoinedExample:
    """Make one example of several that show the same picture.

    Args:
        same: The examples in the order of their source, at least one.
    """
    split = kept_split([example.split for example in same])
    kept = next(example for example in same if example.split == split)
    givers = [example for example in same if _is_one_split(example.split, kept.split)]
    article = next((example.article for example in givers if example.article is not None), None)
    joined = replace(
        kept.saying(_union(example.spoken for example in givers)),
        labels=_union(example.labels for example in givers),
        ignored_labels=_union(example.ignored_labels for example in givers),
        boxes=tuple(dict.fromkeys(box for example in givers for box in example.boxes)),
        article=article,
    )
    rejected = []
    said = set(kept.spoken)
    for example in same:
        if example is kept:
            continue
        within = _is_one_split(example.split, kept.split)
        moved = "its captions and labels moved there" if within else f"in {kept.split!r}"
        rejected.append(Rejected(example.id, "image", "duplicate", f"the same picture as {kept.id}: {moved}"))
        for caption in example.spoken if within else ():
            if caption in said:
                rejected.append(Rejected(example.id, "caption", "repeated caption", caption[0]))
            said.add(caption)
        if within and example.article not in (None, article):
            rejected.append(another_article(example.id, str(example.article)))
    return JoinedExample(joined, rejected)


def kept_split(splits: Sequence[str]) -> str:
    """The split of a picture that stands in several: the first of those that matter most.

    Args:
        splits: At least one, in the order of their source.
    """
    return max(splits, key=_rank)


def another_article(id: str, article: str) -> Rejected:
    """The reject for an article of an example that has one already: an image stands in one article."""
    return Rejected(id, "article", "second article", article[:_SHOWN])


def _union(parts: Iterable[Iterable[T]]) -> tuple[T, ...]:
    return tuple(dict.fromkeys(word for part in parts for word in part))


def _is_one_split(one: str, other: str) -> bool:
    """Whether two splits are one, or both of training data: what is said of a picture moves from one to the other."""
    return one == other or _rank(one) == _rank(other) == 0


def _rank(split: str) -> int:
    """How much it matters that a picture stays in this split: test over validation over unnamed ones over train."""
    named: dict[str, SplitKind] = {"test": "test", "val": "val", "dev": "val", "train": "train"}
    # Names of one's own begin so: "testA", "train-standard".
    part = part_of(split) or next((named[start] for start in named if split.lower().startswith(start)), "")
    return {"test": 3, "val": 2, "": 1, "train": 0}[part]
