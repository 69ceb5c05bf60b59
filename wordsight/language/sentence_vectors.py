"""One vector for each caption, psi(c)_[CLS] of Eq. 1 or the mean over tokens: computed once, kept in half precision.

Vectors lie in files of a few thousand, each written whole or not at all, so that a computation that was interrupted
goes on where it stopped. They are kept under the corpus, the language model and the pooling alone: whatever is then
made of them (1K clusters, 10K clusters) computes none again.
"""

from __future__ import annotations

import hashlib
from array import array
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import numpy as np
from numpy.typing import NDArray

from wordsight.arrays import mapped_array
from wordsight.atomic import atomic_file
from wordsight.corpus.derived import kept_place
from wordsight.corpus.store import Corpus
from wordsight.errors import InputError
from wordsight.progress import console, progress_bar

# torch takes seconds to import, and the registry of concept sets should not wait for it.
if TYPE_CHECKING:
    from wordsight.language.model import LanguageModel

VERSION = 1
Pool = Literal["cls", "mean"]
# Captions of one file: what an interruption costs at most, some ten seconds on one core.
_FILE = 4096


@dataclass(frozen=True)
class SentenceVectors:
    """The vectors of N captions, sorted by example and caption.

    Args:
        example_N: Index of the example in its corpus, int64 ``[N]``.
        caption_N: Number of the caption in its example, int32 ``[N]``.
        files: The vectors, float16 ``[n, D]`` each, memory-mapped; all but the last are of one length.
        paths: Where these lie; they are pickled by that.
    """

    example_N: NDArray[np.int64]
    caption_N: NDArray[np.int32]
    files: Sequence[NDArray[np.float16]]
    paths: Sequence[Path] = ()

    def __reduce__(self) -> tuple[Callable[..., SentenceVectors], tuple[object, ...]]:
        if len(self.paths) == len(self.files):
            return _mapped_again, (self.example_N, self.caption_N, self.paths)
        return SentenceVectors, (self.example_N, self.caption_N, self.files)

    def __len__(self) -> int:
        return len(self.example_N)

    @property
    def width(self) -> int:
        """D."""
        return int(self.files[0].shape[1])

    def blocks(self) -> Iterator[NDArray[np.float32]]:
        """All vectors in order, some thousand at a time, ``[n, D]``."""
        for vectors_nD in self.files:
            yield vectors_nD.astype(np.float32)

    def rows(self, numbers_n: NDArray[np.int64]) -> NDArray[np.float32]:
        """The vectors of some captions, ``[n, D]``.

        Args:
            numbers_n: Their numbers among the N, ascending.
        """
        found_nD = np.empty((len(numbers_n), self.width), np.float32)
        starts = np.cumsum([0, *(len(vectors_nD) for vectors_nD in self.files)])
        ends = np.searchsorted(numbers_n, starts)
        for k, vectors_nD in enumerate(self.files):
            of_file = slice(ends[k], ends[k + 1])
            found_nD[of_file] = vectors_nD[numbers_n[of_file] - starts[k]]
        return found_nD


def sentence_vectors(corpus: Corpus, model: LanguageModel, pool: Pool, language: str = "") -> SentenceVectors:
    """The vectors of all captions of a corpus, kept in ``<corpus>/features/sentences-<key>/``.

    When it is interrupted, what was computed stays there and one line says so; the next call computes the rest.

    Args:
        corpus: The captions.
        model: The language model; it computes where it is.
        pool: The [CLS] token's feature, or the mean over all tokens.
        language: Only captions in this language; "" for all.
    """
    examples, captions = array("q"), array("i")
    for example, caption, _ in corpus.caption_iter(corpus.indices(None), language or None):
        examples.append(example)
        captions.append(caption)
    key = f"{VERSION} {_FILE} {corpus.fingerprint} {model.fingerprint} {pool} {language}"
    last = f"vectors-{max(0, len(examples) - 1) // _FILE:05d}.npy"
    keep = kept_place(
        corpus,
        "features",
        f"sentences-{hashlib.sha256(key.encode()).hexdigest()[:12]}",
        whole=lambda folder: (folder / last).is_file(),
    )
    texts = (text for _, _, text in corpus.caption_iter(corpus.indices(None), language or None))
    files: list[NDArray[np.float16]] = []
    try:
        with progress_bar() as bar:
            task = bar.add_task("sentence vectors", total=len(examples), note="")
            while chunk := list(islice(texts, _FILE)):
                files.append(_of_file(chunk, model, pool, keep, len(files)))
                bar.advance(task, len(chunk))
    except KeyboardInterrupt:
        if files:
            done = sum(map(len, files))
            line = f"{done:,} of {len(examples):,} sentence vectors are kept in {keep}; the next time goes on there"
            console.print(line, markup=False, soft_wrap=True)
        raise
    paths = [_file_of(keep, number) for number in range(len(files))]
    return SentenceVectors(np.array(examples, np.int64), np.array(captions, np.int32), files, paths)


def vectors_of(texts: Sequence[str], model: LanguageModel, pool: Pool) -> NDArray[np.float16]:
    """The vectors of some sentences, float16 ``[n, D]``; equal ones are computed once, and none is padded.

    Args:
        texts: The sentences; what is beyond the language model's longest is cut off.
        model: The language model.
        pool: The [CLS] token's feature, or the mean over all tokens.
    """
    import torch

    from wordsight.language.feature_writer import batches_of_one_length

    row_of = {text: row for row, text in enumerate(dict.fromkeys(texts))}
    vectors_uD = np.empty((len(row_of), model.width), np.float16)
    if row_of:
        encoded = model.tokenizer(list(row_of), truncation=True, max_length=model.max_tokens)["input_ids"]
        lengths = np.array([len(ids) for ids in encoded])
        groups = [rows for rows, _ in batches_of_one_length(lengths, model.batch_tokens)]
        computed = model.features_of_batches(torch.tensor([encoded[row] for row in rows]) for rows in groups)
        for rows, tokens_BTD in zip(groups, computed, strict=True):
            vectors_BD = tokens_BTD[:, 0] if pool == "cls" else tokens_BTD.mean(1)
            vectors_uD[rows] = vectors_BD.half().cpu().numpy()
    return vectors_uD[[row_of[text] for text in texts]]


def _file_of(folder: Path, number: int) -> Path:
    return folder / f"vectors-{number:05d}.npy"


def _mapped_again(example_N: NDArray[np.int64], caption_N: NDArray[np.int32], paths: Sequence[Path]) -> SentenceVectors:
    """The vectors as another process had them open."""
    files = [np.asarray(mapped_array(path, mend="run the same command again")) for path in paths]
    return SentenceVectors(example_N, caption_N, files, paths)


def _of_file(texts: Sequence[str], model: LanguageModel, pool: Pool, folder: Path, number: int) -> NDArray[np.float16]:
    """The vectors of one file: those that it holds, or computed and written to it."""
    path, shape = _file_of(folder, number), (len(texts), model.width)
    if (kept := _kept(path, shape)) is not None:
        return kept
    vectors_nD = vectors_of(texts, model, pool)
    with atomic_file(path) as beside, beside.open("wb") as stream:
        np.save(stream, vectors_nD, allow_pickle=False)
    return vectors_nD if (kept := _kept(path, shape)) is None else kept


def _kept(path: Path, shape: tuple[int, int]) -> NDArray[np.float16] | None:
    """What a file holds, mapped; None where it is absent or was damaged since, so that it is made again."""
    try:
        found: NDArray[np.float16] = np.asarray(mapped_array(path, mend="it is made again"))
    except InputError:
        return None
    return found if found.shape == shape and found.dtype == np.float16 else None
