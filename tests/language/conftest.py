"""The language model, and words to mask."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import pytest
from numpy.typing import NDArray

from wordsight.corpus import Corpus


@dataclass(frozen=True)
class Spans:
    """Where words to mask stand."""

    example: NDArray[np.int64]
    caption: NDArray[np.int32]
    start: NDArray[np.int32]
    end: NDArray[np.int32]
    concept: NDArray[np.int32]


def _spans_of(corpus: Corpus, words: Sequence[str]) -> Spans:
    rows = [
        (example, caption, found.start(), found.end(), words.index(found.group().lower()))
        for example, caption, text in corpus.caption_iter(corpus.indices(None))
        for found in re.finditer(r"\w+", text)
        if found.group().lower() in words
    ]
    table = np.array(rows, dtype=np.int64).reshape(-1, 5)
    return Spans(table[:, 0].copy(), *(table[:, k].astype(np.int32) for k in range(1, 5)))


@pytest.fixture
def spans_of() -> Callable[[Corpus, Sequence[str]], Spans]:
    """Every place of a corpus's captions where one of some words stands."""
    return _spans_of
