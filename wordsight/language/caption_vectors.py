"""What the frozen language model makes of each tokenised caption, pooled to one vector: computed once, kept in half
precision.

A text tower that is the frozen language model with a projection needs no more than that of a caption: the mean of
projected tokens is the projection of their mean. Captions of the same tokens share a vector. Vectors lie in files of
some thousand, each written whole or not at all, so that a computation that was interrupted goes on where it stopped.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from functools import cached_property
from pathlib import Path
from typing import Any, Literal

import numpy as np
import torch
from numpy.typing import NDArray

from wordsight.arrays import mapped_array
from wordsight.atomic import atomic_file
from wordsight.corpus.derived import kept_place
from wordsight.corpus.store import Corpus
from wordsight.errors import InputError, setting
from wordsight.language.caption_tokens import CaptionTokens
from wordsight.language.feature_writer import batches_of_one_length
from wordsight.language.model import LanguageModel
from wordsight.progress import progress_bar, say

_VERSION = 1
# Vectors of one file: what an interruption costs at most, some ten seconds on one core.
_FILE = 4096


class CaptionVectors:
    """One vector for each caption; pickled by its paths.

    Args:
        folder: Where the vectors of the U captions that differ lie.
        tokens: The captions.
    """

    def __init__(self, folder: Path, tokens: CaptionTokens) -> None:
        self.folder, self.tokens = folder, tokens

    def __reduce__(self) -> tuple[type[CaptionVectors], tuple[Path, CaptionTokens]]:
        return CaptionVectors, (self.folder, self.tokens)

    @cached_property
    def _place_S(self) -> NDArray[np.int64]:
        return np.unique(self.tokens.text_S, return_inverse=True)[1].reshape(-1)

    @cached_property
    def _files(self) -> Sequence[NDArray[np.float16]]:
        count = int(self._place_S.max(initial=-1)) + 1
        return [_mapped(self.folder, number) for number in range(-(-count // _FILE))]

    def of(self, captions_n: NDArray[np.int64]) -> NDArray[np.float16]:
        """The vectors of some captions ``[n, D]``.

        Args:
            captions_n: Their numbers; of one below 0, which is no caption, any vector.
        """
        places_n = self._place_S[np.maximum(captions_n, 0)]
        rows = [self._files[place // _FILE][place % _FILE] for place in places_n.tolist()]
        return np.stack(rows) if rows else np.zeros((0, self._files[0].shape[1]), np.float16)


def caption_vectors(
    corpus: Corpus, tokens: CaptionTokens, model: LanguageModel, pool: Literal["mean", "cls"], limit_gb: float
) -> CaptionVectors | None:
    """The vectors of all captions, kept in ``<corpus>/features/vectors-<key>/``.

    Args:
        corpus: Whose captions they are.
        tokens: The captions, as the language model's tokenizer reads them.
        model: The language model; it computes where it is.
        pool: The mean over a caption's tokens, or the first of them.
        limit_gb: Most gigabytes to keep.

    Returns:
        None where they take more than that.
    """
    first_U = np.unique(tokens.text_S)
    gigabytes = len(first_U) * model.width * 2 / 1e9
    if gigabytes > limit_gb:
        say(
            f"vectors of {len(first_U):,} captions take {gigabytes:,.1f} GB, more than "
            f"{setting('feature_cache_gb', limit_gb)}: the language model runs in every step instead, which is slower"
        )
        return None
    key = f"{_VERSION} {_FILE} {tokens.path.name} {model.fingerprint} {pool}"
    name = f"vectors-{hashlib.sha256(key.encode()).hexdigest()[:12]}"
    files = -(-len(first_U) // _FILE)
    folder = kept_place(corpus, "features", name, whole=lambda kept: _file(kept, files - 1).is_file())
    with progress_bar() as bar:
        task = bar.add_task("caption vectors", total=len(first_U), note="")
        for number in range(files):
            some_n = first_U[number * _FILE : (number + 1) * _FILE]
            if not _is_whole(folder, number, (len(some_n), model.width)):
                with atomic_file(_file(folder, number)) as beside, beside.open("wb") as stream:
                    np.save(stream, _computed(tokens, some_n, model, pool), allow_pickle=False)
            bar.advance(task, len(some_n))
    return CaptionVectors(folder, tokens)


def _computed(
    tokens: CaptionTokens, captions_n: NDArray[np.int64], model: LanguageModel, pool: str
) -> NDArray[np.float16]:
    """The vectors of some captions, none of them padded."""
    vectors_nD = np.empty((len(captions_n), model.width), np.float16)
    first_n, ends_n = tokens.offsets[captions_n], tokens.offsets[captions_n + 1]
    groups = list(batches_of_one_length(ends_n - first_n, model.batch_tokens))
    batches = (torch.from_numpy(tokens.ids[first_n[rows][:, None] + np.arange(length)]) for rows, length in groups)
    for (rows, _), tokens_BTD in zip(groups, model.features_of_batches(batches), strict=True):
        pooled_BD = tokens_BTD[:, 0] if pool == "cls" else tokens_BTD.mean(1)
        vectors_nD[rows] = pooled_BD.half().cpu().numpy()
    return vectors_nD


def _file(folder: Path, number: int) -> Path:
    return folder / f"vectors-{number:05d}.npy"


def _mapped(folder: Path, number: int) -> NDArray[Any]:
    return np.asarray(mapped_array(_file(folder, number), mend="it is made again"))


def _is_whole(folder: Path, number: int, shape: tuple[int, int]) -> bool:
    """Whether a file is there and was not damaged since."""
    try:
        found = _mapped(folder, number)
    except InputError:
        return False
    return found.shape == shape and found.dtype == np.float16
