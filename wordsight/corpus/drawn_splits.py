"""Held-out images of a source that holds none back: drawn by their content, so that any library draws the same.

The pictures are ranked by a hash of the seed and of their pixels. It does not matter in which order they lie, what they
are called, or how often one is there; and a larger share holds all that a smaller one held.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass

from wordsight.corpus.splits import part_of
from wordsight.errors import InputError, setting


@dataclass(frozen=True)
class SplitDraw:
    """Which share of the images is held out.

    Args:
        val_share: For the split "val".
        test_share: For the split "test".
        seed: Which images are drawn.
    """

    val_share: float = 0.0
    test_share: float = 0.0
    seed: int = 0

    def __bool__(self) -> bool:
        return self.val_share > 0 or self.test_share > 0

    def check(self, split: str) -> None:
        """Refuse a source that holds such images out itself: two tests in one would be neither.

        Args:
            split: The split of an example, as its source has it.

        Raises:
            InputError: When it is what is to be drawn.
        """
        part = part_of(split)
        for wanted, share in (("val", self.val_share), ("test", self.test_share)):
            if share and part == wanted:
                raise InputError(
                    f"the source has a split {split!r} of its own",
                    where=setting(f"{wanted}_share", share),
                    mend=f"leave {setting(f'{wanted}_share')} out",
                )
        if self and split and not part:
            raise InputError(
                f"the source has a split {split!r}, which may be training data or not",
                where=f"{setting('val_share')}, {setting('test_share')}",
                expected="a source without splits, or with train alone",
            )

    def drawn(self, splits: Sequence[str], hashes: Sequence[str]) -> list[str]:
        """The split of every picture: those of training data and of no split are drawn from, others stay.

        Args:
            splits: As the source has them.
            hashes: Of the pixels, each once.

        Raises:
            InputError: When a share is less than one image.
        """
        rows = [row for row, split in enumerate(splits) if part_of(split) != "val" and part_of(split) != "test"]
        ranked = sorted(rows, key=lambda row: hashlib.blake2b(f"{self.seed} {hashes[row]}".encode()).digest())
        found = [split or "train" for split in splits]
        start = 0
        for name, share in (("test", self.test_share), ("val", self.val_share)):
            count = round(share * len(rows))
            if share and not count:
                what = f"{setting(f'{name}_share', share)} of {len(rows):,} images is none"
                raise InputError(what, expected="a larger share")
            for row in ranked[start : start + count]:
                found[row] = name
            start += count
        if self and start >= len(rows):
            raise InputError(f"no image of {len(rows):,} is left to train on", expected="smaller shares")
        return found
