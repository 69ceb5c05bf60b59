"""Token features of many sentences, written to one .npy file in order, in bounded memory."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import torch
from numpy.lib import format as npy
from numpy.typing import NDArray

from wordsight.language.model import LanguageModel
from wordsight.progress import progress_bar

# Sentences held in memory at a time: 8,192 of 15 tokens of width 768 are 190 MB.
_SENTENCES = 8192


def write_features(file: Path, ids: NDArray[np.int32], offsets: NDArray[np.int64], model: LanguageModel) -> None:
    """Compute and write the features of all sentences, ``[all tokens, D]`` float16.

    Args:
        file: The .npy file to write. It is written as a stream, never through a memory map: a full disk is then an
            error that can be caught, and the memory used does not grow.
        ids: Vocabulary ids of all sentences, one after another.
        offsets: First token of each sentence, and the number of all tokens last.
        model: The language model; it computes where it is.
    """
    header = {"descr": "<f2", "fortran_order": False, "shape": (len(ids), model.width)}
    with file.open("wb") as stream, progress_bar() as bar:
        npy.write_array_header_1_0(stream, header)
        task = bar.add_task("token features", total=len(offsets) - 1, note="")
        for first in range(0, len(offsets) - 1, _SENTENCES):
            chunk = offsets[first : first + _SENTENCES + 1]
            features = np.empty((int(chunk[-1] - chunk[0]), model.width), dtype="<f2")
            places = [
                (chunk[rows] - chunk[0])[:, None] + np.arange(length)
                for rows, length in batches_of_one_length(np.diff(chunk), model.batch_tokens)
            ]
            computed = model.features_of_batches(torch.from_numpy(ids[place + chunk[0]]) for place in places)
            for place, tokens_BTD in zip(places, computed, strict=True):
                features[place] = tokens_BTD.half().cpu().numpy()
                bar.advance(task, len(place))
            stream.write(features.data)


def batches_of_one_length(lengths: NDArray[np.int64], tokens: int) -> Iterator[tuple[NDArray[np.int64], int]]:
    """Group sentences by length, so that nothing is padded: yields row numbers and their length.

    Args:
        lengths: Tokens of each sentence.
        tokens: About how many tokens a batch should have.
    """
    for length in np.unique(lengths).tolist():
        rows = np.flatnonzero(lengths == length)
        for part in np.array_split(rows, -(-len(rows) * length // tokens)):
            yield part, length
