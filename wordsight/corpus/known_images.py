"""Which images something was trained on, by their hashes: 8 bytes an image, without the images or their corpus."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from safetensors import SafetensorError, safe_open
from safetensors.numpy import save_file

from wordsight.atomic import atomic_file
from wordsight.corpus.images import BadImage, picture_hash
from wordsight.corpus.store import Corpus
from wordsight.disk import check_readable
from wordsight.errors import InputError
from wordsight.parallel import ordered_map, readers
from wordsight.progress import track

FILE = "known_images.safetensors"
# Photos as they come off a camera are large; more pixels than this are made to do harm.
_MAX_PIXELS = 400_000_000


@dataclass(frozen=True)
class KnownImages:
    """Hashes of images, as a corpus has them.

    Args:
        hashes: The first 64 bits of each, ascending, ``[n]``.
        shorter_side: What the corpus kept of them, in pixels: hashes are of what its decoder gave, which for photos
            four times as large or more depends on that.
    """

    hashes: NDArray[np.uint64]
    shorter_side: int

    @classmethod
    def of(cls, corpus: Corpus, rows: Iterable[int]) -> KnownImages:
        """The images of some examples of a corpus."""
        return cls(np.unique(_numbers(corpus.image_hash(int(row)) for row in rows)), side_of(corpus))

    def __len__(self) -> int:
        return len(self.hashes)

    def hold(self, hashes: Iterable[str]) -> NDArray[np.bool_]:
        """Which of some images are among these, ``[n]``.

        Args:
            hashes: Their hashes, as :meth:`hashes_of` or a corpus gives them.
        """
        return np.isin(_numbers(hashes), self.hashes)

    def hashes_of(self, images: Sequence[Path | bytes | memoryview]) -> list[str]:
        """What encoded images would be known by in the corpus that these come from; "" for one that can't be decoded.

        Args:
            images: Files, or their bytes.
        """

        def digest(image: Path | bytes | memoryview) -> str:
            try:
                return picture_hash(image if isinstance(image, Path) else bytes(image), self.shorter_side, _MAX_PIXELS)
            except BadImage:
                return ""

        found = ordered_map(digest, images, workers=readers())
        return list(track(found, "comparing with training images", total=len(images)))

    def write(self, folder: Path) -> None:
        """Keep them in a folder, whole or not at all."""
        with atomic_file(folder / FILE) as beside:
            save_file({"hashes": self.hashes}, beside, metadata={"shorter_side": str(self.shorter_side)})

    @classmethod
    def read(cls, folder: Path) -> KnownImages | None:
        """Those that :meth:`write` left in a folder; None where there are none.

        Raises:
            InputError: When the file holds something else.
        """
        file = folder / FILE
        if not file.is_file():
            return None
        check_readable(file)
        try:
            with safe_open(file, "numpy") as content:
                hashes, side = content.get_tensor("hashes"), int((content.metadata() or {})["shorter_side"])
        except (OSError, SafetensorError, KeyError, ValueError) as error:
            raise InputError(
                f"can't be read ({error})", where=file, mend="remove it: results say then that nothing was compared"
            ) from error
        return cls(np.asarray(hashes, dtype=np.uint64), side)


def side_of(corpus: Corpus) -> int:
    """The shorter side that a corpus keeps of its images, in pixels."""
    return int(corpus.info["settings"]["shorter_side"])


def _numbers(hashes: Iterable[str]) -> NDArray[np.uint64]:
    """The first 64 bits of each hash; 0, which no image has, for none."""
    return np.fromiter((int(each[:16] or "0", 16) for each in hashes), dtype=np.uint64)
