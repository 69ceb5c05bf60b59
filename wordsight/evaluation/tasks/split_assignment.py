"""The two splits of a task: what a classifier learns from and what it is tested on, and the rule behind them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from wordsight.corpus.splits import part_of
from wordsight.errors import InputError, listed, setting
from wordsight.evaluation.tasks.holdout import held_out, strata_of

TEST_SHARE = 0.2


@dataclass(frozen=True)
class SplitAssignment:
    """Which images of a source are on which side.

    Args:
        train: Those to learn from, ``[n]``.
        test: Those to test on, ``[n]``.
        shared: Those that would be learned from but for a copy of them in the test, ``[n]``.
        rule: How the parts came about.
        notes: What a reader of results should know, a sentence each.
    """

    train: NDArray[np.bool_]
    test: NDArray[np.bool_]
    shared: NDArray[np.bool_]
    rule: str
    notes: tuple[str, ...] = ()


def assign_splits(
    where: str,
    ids: Sequence[str],
    splits: Sequence[str],
    used: NDArray[np.bool_],
    targets: NDArray[Any],
    hashes: Sequence[str],
) -> SplitAssignment:
    """Divide the images of a source by its own splits; where it has none, a fixed fifth is the test.

    The test stays whole: of an image that is on both sides the copies to learn from are left out.

    Args:
        where: What a person calls the source.
        ids: What to name the images by, ``[n]``.
        splits: The split of each, "" where it has none.
        used: Which of them have labels, ``[n]``.
        targets: Their classes ``[n]``, or 1, 0, -1 for each ``[n, K]``.
        hashes: Hash of each image.

    Raises:
        InputError: When a part has images and none with a label, the splits have other names, or the images are too
            few to divide.
    """
    parts = np.array([part_of(name) for name in splits])
    train, val, test = (np.isin(parts, part) & used for part in ("train", "val", "test"))
    if test.any() and (train.any() or val.any()):
        rule = "train and val, test" if train.any() and val.any() else "as the source splits it"
        return _without_shared(ids, hashes, train | val, test, rule)
    if train.any() and val.any():
        return _without_shared(ids, hashes, train, val, "train, val as test")
    _check_splits(where, np.array(splits), parts, used)
    return _drawn(where, parts, used, targets, hashes)


def _check_splits(where: str, splits: NDArray[np.str_], parts: NDArray[np.str_], used: NDArray[np.bool_]) -> None:
    """Refuse splits that say what is to be tested on and can't be followed: another split in their place would give
    another number than the one that was meant."""
    named = sorted(set(splits[used]) - {""})
    for split in sorted(set(splits[~used]) - set(named)):
        if not part_of(split):
            continue
        count, folder = int((splits == split).sum()), Path(where, named[0] if named else ".")
        have = "the one image" if count == 1 else f"none of the {count:,} images"
        layout = " (class folders)" if folder.is_dir() else ""
        alone = (
            f"name that alone: {setting('task', f'folder:{folder}')}"
            if named and folder.is_dir()
            else f"leave {split} out"
        )
        raise InputError(
            f"{have} of {split} has {'no' if count == 1 else 'a'} label",
            where=where,
            expected=f"labels in {split} as in {listed(named) or 'the rest'}{layout}",
            mend=f"to test on a fifth of {named[0] if named else 'the rest'} instead, {alone}",
        )
    others = [split for split in named if not part_of(split)]
    if others:
        raise InputError(
            f"has the splits {listed(named)}", where=where, expected="train and test (or val), or no splits"
        )


def _drawn(
    where: str, parts: NDArray[np.str_], used: NDArray[np.bool_], targets: NDArray[Any], hashes: Sequence[str]
) -> SplitAssignment:
    rows = np.flatnonzero(used)
    chosen = held_out([hashes[row] for row in rows.tolist()], strata_of(targets[rows]), TEST_SHARE, "test")
    test = np.zeros(len(used), dtype=np.bool_)
    test[rows[chosen]] = True
    if not test.any():
        raise InputError(
            f"{len(rows)} labelled images are too few to split", where=where, expected="two a class or more"
        )
    given = next(iter(parts[used & (parts != "")]), "")
    missing = f"{given} is its only split" if given else "it has no splits"
    drawn = f"{int(test.sum()):,} of {len(rows):,} images, a fifth of each class chosen by their content"
    note = f"{missing}: the test is {drawn}"
    rule = f"fixed split by content, {TEST_SHARE:.0%} for the test"
    return SplitAssignment(used & ~test, test, np.zeros_like(test), rule, (note,))


def _without_shared(
    ids: Sequence[str],
    hashes: Sequence[str],
    train: NDArray[np.bool_],
    test: NDArray[np.bool_],
    rule: str,
) -> SplitAssignment:
    tested = {hashes[row]: row for row in np.flatnonzero(test).tolist()}
    shared = train & np.array([each in tested for each in hashes], dtype=np.bool_)
    rows = np.flatnonzero(shared).tolist()
    if not rows:
        return SplitAssignment(train, test, shared, rule)
    count, first = len(rows), rows[0]
    such = f"{ids[first]} is {ids[tested[hashes[first]]]}{', for one' if count > 1 else ''}"
    be = "is" if count == 1 else "are"
    note = f"{count:,} of {int(train.sum()):,} training images {be} also in the test ({such}): left out of training"
    notes = (note,)
    return SplitAssignment(train & ~shared, test, shared, rule, notes)
