"""Encoded images, wherever they lie: in files, in memory, in a corpus."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from wordsight.corpus.store import Corpus

EncodedImage = Path | bytes | memoryview


class ImageSubset(Sequence[EncodedImage]):
    """Some images of a sequence, read one by one as they are asked for."""

    def __init__(self, images: Sequence[EncodedImage], rows: NDArray[np.int64]) -> None:
        self._images, self._rows = images, rows

    def __len__(self) -> int:
        return len(self._rows)

    def __getitem__(self, place: Any) -> Any:
        if isinstance(place, slice):
            return ImageSubset(self._images, self._rows[place])
        return self._images[int(self._rows[place])]


class CorpusImages(Sequence[EncodedImage]):
    """The encoded images of a corpus."""

    def __init__(self, corpus: Corpus) -> None:
        self._corpus = corpus

    def __len__(self) -> int:
        return len(self._corpus)

    def __getitem__(self, place: Any) -> Any:
        if isinstance(place, slice):
            return list(map(partial(Corpus.image_bytes, self._corpus), range(len(self))[place]))
        return self._corpus.image_bytes(place)
