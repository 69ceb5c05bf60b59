"""Token features of masked captions, computed once: W = psi((t_1, ..., [MASK], ..., t_T)) of Section 3.2.

One row is one caption with one of its maskable words masked. Rows that give the same masked sentence ("a [MASK] runs ."
from "a dog runs ." and "a cat runs .") share its features. Features lie unpadded in one memory-mapped half-precision
file; beyond a limit of disk they are left out, and the language model runs during training instead.
"""

from __future__ import annotations

import hashlib
import json
import shutil
from dataclasses import fields
from functools import cached_property
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from wordsight.arrays import mapped_array
from wordsight.atomic import atomic_folder
from wordsight.corpus.store import Corpus
from wordsight.disk import unreadable
from wordsight.errors import InputError, setting
from wordsight.language.feature_writer import write_features
from wordsight.language.masking import mask_words
from wordsight.language.model import LanguageModel
from wordsight.progress import say

VERSION = 1
_REMOVE = "remove the folder: it is made again"


class WordSpans(Protocol):
    """Where words that may be masked stand: arrays of one length, as a concept set's occurrences have them."""

    @property
    def example(self) -> NDArray[np.int64]:
        """Index of the example in its corpus."""

    @property
    def caption(self) -> NDArray[np.int32]:
        """Number of the caption in its example."""

    @property
    def start(self) -> NDArray[np.int32]:
        """First character."""

    @property
    def end(self) -> NDArray[np.int32]:
        """One past the last character."""

    @property
    def concept(self) -> NDArray[np.int32]:
        """Number of the concept."""


class MaskedCaptions:
    """M masked captions with their token features, memory-mapped; pickled by its path, opened in milliseconds.

    Rows are sorted by example, caption and position.

    Args:
        path: The folder that :func:`masked_captions` wrote.
    """

    def __init__(self, path: Path | str) -> None:
        self.path = Path(path)
        try:
            self.info: dict[str, Any] = json.loads((self.path / "masked.json").read_text("utf-8"))
            self.fingerprint: str = self.info["fingerprint"]
            self.width: int = self.info["width"]
            self.vocabulary: int = self.info["vocabulary"]
            self.live: bool = self.info["live"]
        except PermissionError as error:
            raise unreadable(error, self.path / "masked.json") from error
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise InputError("holds no masked captions", where=self.path, mend=_REMOVE) from error

    def __len__(self) -> int:
        return int(self.info["rows"])

    def __reduce__(self) -> tuple[type[MaskedCaptions], tuple[Path]]:
        return MaskedCaptions, (self.path,)

    @cached_property
    def example_M(self) -> NDArray[np.int64]:
        """Index of each row's example in the corpus."""
        return self._map("example")

    @cached_property
    def caption_M(self) -> NDArray[np.int32]:
        """Number of each row's caption in its example."""
        return self._map("caption")

    @cached_property
    def position_M(self) -> NDArray[np.int32]:
        """Where the mask token stands among the row's tokens, [CLS] being 0."""
        return self._map("position")

    @cached_property
    def target_M(self) -> NDArray[np.int32]:
        """Vocabulary id of the masked word: k of Eq. 7."""
        return self._map("target")

    @cached_property
    def concept_M(self) -> NDArray[np.int32]:
        """Number of the masked word's concept."""
        return self._map("concept")

    @cached_property
    def sentence_M(self) -> NDArray[np.int64]:
        """Number of each row's masked sentence; rows that read the same share one."""
        return self._map("sentence")

    @cached_property
    def sentence_offsets(self) -> NDArray[np.int64]:
        """First token of each masked sentence, and the number of all tokens last."""
        return self._map("sentence_offsets")

    @cached_property
    def example_offsets(self) -> NDArray[np.int64]:
        """First row of each example of the corpus, and M last."""
        return self._map("example_offsets")

    @cached_property
    def flat_ids(self) -> NDArray[np.int32]:
        """Vocabulary ids of all masked sentences, one after another."""
        return self._map("ids")

    @cached_property
    def flat_features(self) -> NDArray[np.float16] | None:
        """Token features of all masked sentences, ``[all tokens, D]``; None in live mode."""
        return None if self.live else self._map("features")

    def of_example(self, example: int) -> NDArray[np.int64]:
        """The rows of one example."""
        return np.arange(self.example_offsets[example], self.example_offsets[example + 1])

    def ids(self, row: int) -> NDArray[np.int32]:
        """Vocabulary ids of a row's tokens with [CLS], [SEP] and the mask in place, ``[T]``."""
        first, last = self._span(row)
        return self.flat_ids[first:last]

    def tokens(self, row: int) -> NDArray[np.float16] | None:
        """Token features W of a row, ``[T, D]``; None in live mode."""
        if self.flat_features is None:
            return None
        first, last = self._span(row)
        return self.flat_features[first:last]

    def _span(self, row: int) -> tuple[int, int]:
        sentence = self.sentence_M[row]
        return int(self.sentence_offsets[sentence]), int(self.sentence_offsets[sentence + 1])

    def _map(self, name: str) -> NDArray[Any]:
        file = self.path / f"{name}.npy"
        # A plain array over the mapped pages: numpy's own memmap class is several times slower to index.
        found = np.asarray(mapped_array(file, mend=_REMOVE))
        length = {"ids": "tokens", "features": "tokens"}.get(name, "rows")
        if not name.endswith("offsets") and found.shape[:1] != (self.info[length],):
            raise InputError(f"holds {len(found):,} rows", where=file, expected=f"{self.info[length]:,}", mend=_REMOVE)
        return found


def masked_captions(
    corpus: Corpus,
    spans: WordSpans,
    model: LanguageModel,
    indices: NDArray[np.int64],
    cache: Path,
    limit_gb: float = 4.0,
    also: Path | None = None,
) -> MaskedCaptions:
    """Mask every maskable word of the captions of some examples, one at a time, and compute the token features.

    A word is maskable when it is a single wordpiece: then its target is one entry of the vocabulary. What was computed
    once is opened again, from ``cache/<fingerprint>`` of the captions, the words and the language model.

    Args:
        corpus: The captions.
        spans: Where the words stand, sorted by example, caption and start.
        model: The language model.
        indices: The examples whose captions are masked.
        cache: Folder that holds such caches.
        limit_gb: Most gigabytes of features to keep on disk; with more, ``live`` is true and features are not stored.
        also: Another folder of such caches, which is looked into and never written to.

    Raises:
        InputError: When no word of these examples is a single wordpiece.
    """
    columns = _columns_of(spans, indices, len(corpus))
    fingerprint = _fingerprint(corpus, columns, model)
    for place in (cache, also):
        if place is not None and (kept := _kept(place, fingerprint, limit_gb)) is not None:
            return kept
    masked = mask_words(corpus, columns, model)
    gigabytes = len(masked.ids) * model.width * 2 / 1e9
    live = gigabytes > limit_gb
    folder = cache / (f"{fingerprint}-live" if live else fingerprint)
    say(_size(len(masked.sentence_offsets) - 1, gigabytes, limit_gb, folder))
    with atomic_folder(folder, overwrite=True) as beside:
        for field in fields(masked):
            np.save(beside / f"{field.name}.npy", getattr(masked, field.name), allow_pickle=False)
        if not live:
            _check_space(folder, gigabytes)
            write_features(beside / "features.npy", masked.ids, masked.sentence_offsets, model)
        info = {
            "version": VERSION,
            "fingerprint": fingerprint,
            "corpus": corpus.fingerprint,
            "language_model": model.name,
            "width": model.width,
            "vocabulary": model.vocabulary_size,
            "live": live,
            "feature_gb": gigabytes,
            "words": len(columns[0]),
            "rows": len(masked.example),
            "sentences": len(masked.sentence_offsets) - 1,
            "tokens": len(masked.ids),
        }
        (beside / "masked.json").write_text(json.dumps(info, indent=2) + "\n", "utf-8")
    return MaskedCaptions(folder)


def _columns_of(spans: WordSpans, indices: NDArray[np.int64], examples: int) -> list[NDArray[Any]]:
    """Example, caption, start, end and concept of the words of some examples."""
    wanted = np.zeros(examples, dtype=bool)
    wanted[indices] = True
    rows = np.flatnonzero(wanted[spans.example])
    columns: list[NDArray[Any]] = [spans.example, spans.caption, spans.start, spans.end, spans.concept]
    return [np.ascontiguousarray(column[rows]) for column in columns]


def _kept(cache: Path, fingerprint: str, limit_gb: float) -> MaskedCaptions | None:
    """What was computed before; None where there is nothing, or the limit decides otherwise now."""
    for folder in (cache / fingerprint, cache / f"{fingerprint}-live"):
        if folder.is_dir():
            found = MaskedCaptions(folder)
            if found.live == (found.info["feature_gb"] > limit_gb):
                return found
    return None


def _fingerprint(corpus: Corpus, columns: list[NDArray[Any]], model: LanguageModel) -> str:
    digest = hashlib.sha256(f"{VERSION} {corpus.fingerprint} {model.fingerprint}".encode())
    for column in columns:
        digest.update(column.data)
    return digest.hexdigest()[:16]


def _size(sentences: int, gigabytes: float, limit_gb: float, folder: Path) -> str:
    """What is about to be written, before it is computed."""
    size = f"{gigabytes:,.1f} GB" if gigabytes >= 0.1 else f"{1000 * gigabytes:,.1f} MB"
    of = f"token features of {sentences:,} masked captions: {size}"
    if gigabytes > limit_gb:
        return (
            f"{of}, more than {setting('feature_cache_gb', limit_gb)}: none are kept, and the language model runs in "
            "every step instead, which is slower"
        )
    return (
        f"{of}, computed once and kept in {folder}; fewer concepts or captions make fewer, and a "
        f"{setting('feature_cache_gb')} below that keeps none (the language model then runs in every step)"
    )


def _check_space(folder: Path, gigabytes: float) -> None:
    """Say before minutes of work, not after, that the disk is too small."""
    free = shutil.disk_usage(folder.parent).free / 1e9
    if gigabytes > free:
        raise InputError(
            f"the token features take {gigabytes:.1f} GB, the disk has {free:.1f} GB left",
            where=folder,
            mend="free some space, or set a limit of cached gigabytes below that",
        )
