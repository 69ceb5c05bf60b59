"""Sentences as vocabulary ids, end to end in one array, and which of them are held out."""

from __future__ import annotations

import hashlib
from array import array
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import islice
from typing import Any

import numpy as np
from numpy.typing import NDArray

from wordsight.language.wordpiece import SPECIAL

# Sentences tokenised at a time: enough for the tokenizer to use its threads.
_CHUNK = 4096


@dataclass(frozen=True)
class Sentences:
    """S sentences, tokenised.

    Args:
        ids: Vocabulary ids of all sentences, [CLS] and [SEP] among them, one after another, int32.
        offsets: First token of each sentence, and the number of all tokens last, int64 ``[S + 1]``.
        hashes: The :func:`lot` of each sentence, ``[S]``.
        cut: How many were longer than the limit and were cut there.
    """

    ids: NDArray[np.int32]
    offsets: NDArray[np.int64]
    hashes: NDArray[np.float64]
    cut: int

    def __len__(self) -> int:
        return len(self.hashes)

    @property
    def lengths(self) -> NDArray[np.int64]:
        """Tokens of each sentence."""
        return np.diff(self.offsets)

    @property
    def fingerprint(self) -> str:
        """A hash of the tokens: another text or another vocabulary has another one."""
        digest = hashlib.sha256(self.ids.data)
        digest.update(self.offsets.data)
        return digest.hexdigest()[:16]

    def held_out(self, share: float) -> NDArray[np.bool_]:
        """Which sentences are never learned from: a share of them, by their letters.

        The same sentence is on the same side in every text and every run, so that a repeated one is never on both.
        """
        held = self.hashes < share
        if not held.any() and len(self):
            held = self.hashes == self.hashes.min()
        return held


def tokenised(texts: Iterable[str], tokenizer: Any, max_tokens: int) -> Sentences:
    """Turn sentences into ids; one without any known token is left out.

    Args:
        texts: The sentences.
        tokenizer: A fast transformers tokenizer of :mod:`wordsight.language.wordpiece`.
        max_tokens: Longer sentences are cut to this.
    """
    ids, ends, hashes, cut = array("i"), array("q", [0]), array("d"), 0
    backend = tokenizer.backend_tokenizer
    for chunk in _chunks(iter(texts)):
        for text, encoding in zip(chunk, backend.encode_batch(chunk), strict=True):
            found: list[int] = encoding.ids
            if len(found) > max_tokens:
                found = [*found[: max_tokens - 1], found[-1]]
                cut += 1
            if max(found) < len(SPECIAL):
                continue
            ids.extend(found)
            ends.append(len(ids))
            hashes.append(lot(text))
    return Sentences(
        ids=np.frombuffer(ids, dtype=np.int32) if ids else np.empty(0, np.int32),
        offsets=np.frombuffer(ends, dtype=np.int64),
        hashes=np.frombuffer(hashes, dtype=np.float64) if hashes else np.empty(0),
        cut=cut,
    )


def _chunks(texts: Iterator[str]) -> Iterator[list[str]]:
    while chunk := list(islice(texts, _CHUNK)):
        yield chunk


def held_below(texts: Iterable[str], share: float) -> float:
    """Sentences whose :func:`lot` is below this are held out: the share, or a little above the lowest lot.

    Args:
        texts: The sentences; gone through until one is held out, which in a long text is soon.
        share: What part of them is held out.
    """
    lowest = 1.0
    for text in texts:
        lowest = min(lowest, lot(text))
        if lowest < share:
            return share
    return float(np.nextafter(lowest, 2.0))


def lot(text: str) -> float:
    """A number from 0 to 1 that depends on a sentence's letters alone: it decides whether the sentence is held out."""
    digest = hashlib.blake2b(text.casefold().encode("utf-8", "surrogatepass"), digest_size=8).digest()
    return int.from_bytes(digest, "big") / 2**64
