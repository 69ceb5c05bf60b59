"""Masked language modelling as a list of steps: which tokens are hidden depends on the seed and the step alone.

The masking is BERT's (Devlin et al. 2019, Section 3.1): 15 % of a sentence's tokens are asked for; of these 80 % are
replaced by [MASK], 10 % by a random token, and 10 % stay. It is drawn anew in every epoch (Liu et al. 2019, 4.1).
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from wordsight.language.sentences import Sentences
from wordsight.language.wordpiece import SPECIAL
from wordsight.ranges import OpenUnit, Probability, check_ranges

_PAD, _MASK = SPECIAL.index("[PAD]"), SPECIAL.index("[MASK]")
# Streams of chance that must not overlap: the same seed feeds several draws.
_ORDER, _MASKS, _HELD_OUT = range(3)


@dataclass(frozen=True)
class MaskSettings:
    """How tokens are hidden.

    Args:
        share: Share of a sentence's tokens that are asked for; at least one is.
        whole_words: Whether a word's pieces are hidden together.
        masked: Share of those asked for that [MASK] replaces.
        random: Share of those asked for that a random token replaces; the rest stays.
    """

    share: OpenUnit = 0.15
    whole_words: bool = False
    masked: Probability = 0.8
    random: Probability = 0.1

    def __post_init__(self) -> None:
        check_ranges(self)


@dataclass(frozen=True)
class MaskedBatch:
    """B sentences with M of their tokens asked for.

    Args:
        ids_BT: Vocabulary ids, some of them replaced, ``[B, T]``.
        present_BT: False where a shorter sentence is padded, ``[B, T]``; None where nothing is.
        places_M: The tokens asked for, counted through the rows of ``ids_BT``, ``[M]``.
        targets_M: Their vocabulary ids, ``[M]``.
    """

    ids_BT: Tensor
    present_BT: Tensor | None
    places_M: Tensor
    targets_M: Tensor

    def to(self, device: torch.device) -> MaskedBatch:
        """Move the tensors."""
        return MaskedBatch(
            self.ids_BT.to(device),
            None if self.present_BT is None else self.present_BT.to(device),
            self.places_M.to(device),
            self.targets_M.to(device),
        )


class MaskedSteps:
    """All steps of a run, in order; item s is the batch of step s.

    Sentences of one length, or nearly, make a batch, so that almost nothing is padded. Which they are and in which
    order the batches come is drawn for each epoch; where lengths are cut is the same in all, so that epochs have
    equally many steps.

    Args:
        sentences: The text.
        rows: The sentences to learn from.
        continues_V: For each token of the vocabulary, whether it goes on with a word.
        masks: How tokens are hidden.
        batch_tokens: Most tokens of a batch.
        epochs: Passes over the sentences.
        seed: The run's seed.
    """

    def __init__(
        self,
        sentences: Sentences,
        rows: NDArray[np.int64],
        continues_V: NDArray[np.bool_],
        masks: MaskSettings,
        batch_tokens: int,
        epochs: int,
        seed: int,
    ) -> None:
        self.sentences, self.rows, self.continues_V = sentences, rows, continues_V
        self.masks, self.epochs, self.seed = masks, epochs, seed
        self._lengths = sentences.lengths[rows]
        self._cuts = _cuts(-np.sort(-self._lengths), batch_tokens)
        self._order: tuple[int, NDArray[np.int64], NDArray[np.int64]] | None = None

    @property
    def steps_per_epoch(self) -> int:
        """Steps of one pass."""
        return len(self._cuts) - 1

    def __len__(self) -> int:
        return self.steps_per_epoch * self.epochs

    def __getitem__(self, step: int) -> MaskedBatch:
        epoch, place = divmod(step, self.steps_per_epoch)
        if self._order is None or self._order[0] != epoch:
            random = self._random(_ORDER, epoch)
            order = np.lexsort((random.random(len(self.rows)), -self._lengths))
            self._order = (epoch, order, random.permutation(self.steps_per_epoch))
        batch = self._order[2][place]
        rows = self.rows[self._order[1][self._cuts[batch] : self._cuts[batch + 1]]]
        return mask_tokens(self.sentences, rows, self.continues_V, self.masks, self._random(_MASKS, step))

    def _random(self, stream: int, counter: int) -> np.random.Generator:
        return np.random.Generator(np.random.Philox(np.random.SeedSequence([self.seed, stream, counter])))


def held_out_batches(
    sentences: Sentences, rows: NDArray[np.int64], continues_V: NDArray[np.bool_], wanted: int, batch_tokens: int
) -> Iterator[MaskedBatch]:
    """Sentences to be scored on, 15 % of their tokens replaced by [MASK].

    How it is scored does not depend on how it was trained: every token asked for is replaced, and the draw has a seed
    of its own.

    Args:
        sentences: The text.
        rows: The sentences held out.
        continues_V: For each token of the vocabulary, whether it goes on with a word.
        wanted: About how many tokens to ask for; sentences are left out, or asked several times, to come near it.
        batch_tokens: Most tokens of a batch.
    """
    masks = MaskSettings(masked=1.0, random=0.0)
    rows = rows[np.argsort(sentences.hashes[rows], kind="stable")]
    asked = np.cumsum(np.maximum(1, masks.share * (sentences.lengths[rows] - 2)))
    rows = rows[: int(np.searchsorted(asked, wanted)) + 1]
    rounds = min(16, max(1, round(wanted / asked[-1])))
    rows = np.tile(rows, rounds)
    rows = rows[np.argsort(-sentences.lengths[rows], kind="stable")]
    random = np.random.Generator(np.random.Philox(_HELD_OUT))
    for first, last in pairwise(_cuts(sentences.lengths[rows], batch_tokens).tolist()):
        yield mask_tokens(sentences, rows[first:last], continues_V, masks, random)


def mask_tokens(
    sentences: Sentences,
    rows: NDArray[np.int64],
    continues_V: NDArray[np.bool_],
    masks: MaskSettings,
    random: np.random.Generator,
) -> MaskedBatch:
    """Lay sentences side by side and hide some of their tokens.

    Args:
        sentences: The text.
        rows: Which sentences.
        continues_V: For each token of the vocabulary, whether it goes on with a word.
        masks: How tokens are hidden.
        random: Where chance comes from.
    """
    lengths_B = sentences.lengths[rows]
    width = int(lengths_B.max())
    present_BT = np.arange(width) < lengths_B[:, None]
    places_BT = np.minimum(sentences.offsets[rows][:, None] + np.arange(width), len(sentences.ids) - 1)
    ids_BT = np.where(present_BT, sentences.ids[places_BT], _PAD).astype(np.int64)
    asked_BT = _asked(ids_BT, continues_V, masks, random)
    kinds_BT = random.random(ids_BT.shape)
    others_BT = random.integers(len(SPECIAL), len(continues_V), ids_BT.shape)
    shown_BT = np.where(asked_BT & (kinds_BT < masks.masked), _MASK, ids_BT)
    replaced_BT = asked_BT & (kinds_BT >= masks.masked) & (kinds_BT < masks.masked + masks.random)
    shown_BT = np.where(replaced_BT, others_BT, shown_BT)
    places_M = np.flatnonzero(asked_BT)
    return MaskedBatch(
        ids_BT=torch.from_numpy(shown_BT),
        present_BT=None if present_BT.all() else torch.from_numpy(present_BT),
        places_M=torch.from_numpy(places_M),
        targets_M=torch.from_numpy(ids_BT.reshape(-1)[places_M]),
    )


def _asked(
    ids_BT: NDArray[np.int64], continues_V: NDArray[np.bool_], masks: MaskSettings, random: np.random.Generator
) -> NDArray[np.bool_]:
    """Which tokens are asked for: those of a random order's first words, until a sentence's share is reached."""
    batch, width = ids_BT.shape
    known_BT = ids_BT >= len(SPECIAL)
    # Where each token's word begins; without whole words each token is a word of its own.
    begins_BT = np.broadcast_to(np.arange(width), ids_BT.shape)
    if masks.whole_words:
        begins_BT = np.maximum.accumulate(np.where(continues_V[ids_BT], 0, begins_BT), axis=1)
    noise_BT = np.take_along_axis(random.random(ids_BT.shape), begins_BT, axis=1)
    noise_BT[~known_BT] = 2.0
    order_BT = np.argsort(noise_BT, axis=1, kind="stable")
    rank_BT = np.empty_like(order_BT)
    np.put_along_axis(rank_BT, order_BT, np.broadcast_to(np.arange(width), ids_BT.shape), axis=1)
    # A fraction is rounded by chance, so that short sentences too have the share on average; one at least is asked for.
    count_B = np.maximum(1, np.floor(masks.share * known_BT.sum(1) + random.random(batch)))
    asked_BT = known_BT & (np.take_along_axis(rank_BT, begins_BT, axis=1) < count_B[:, None])
    return np.asarray(asked_BT)


def _cuts(descending: NDArray[np.int64], batch_tokens: int) -> NDArray[np.int64]:
    """First row of each batch, and the number of rows last, where rows are sorted by length, the longest first."""
    cuts = [0]
    while cuts[-1] < len(descending):
        cuts.append(min(len(descending), cuts[-1] + max(1, batch_tokens // int(descending[cuts[-1]]))))
    return np.array(cuts, dtype=np.int64)
