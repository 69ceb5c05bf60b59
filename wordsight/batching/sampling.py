"""Which examples a step holds, and which concepts its loss looks at: functions of the seed and the step alone.

Processes that train together draw the same for the whole step and take their shares of it, so that neither their number
nor that of the loader's processes changes anything.

https://arxiv.org/abs/1511.02251
"""

from __future__ import annotations

import zlib
from abc import ABC, abstractmethod
from dataclasses import dataclass

import numpy as np
import scipy.sparse
from numpy.typing import NDArray

# Streams of chance that must not overlap: the same seed and step feed several draws. Runs resume by these numbers; a
# new field or view has a stream by its name.
ORDER, VIEW, MASKS, COLOUR, TAG, CONCEPT, NEGATIVES = range(7)


def stream_of(name: str) -> int:
    """The stream of a field, or of a view after the first.

    Args:
        name: A name that no other draw has, such as the field's.
    """
    number = zlib.crc32(name.encode())
    assert number > NEGATIVES, "a name whose stream is another's"
    return number


def stream(seed: int, kind: int, *counters: int) -> np.random.Generator:
    """The random numbers of one draw.

    Args:
        seed: The run's seed.
        kind: What is drawn: ``ORDER``, ``VIEW``, ...
        counters: Which draw of its kind: the step, the example.
    """
    return np.random.Generator(np.random.Philox(np.random.SeedSequence([seed, kind, *counters])))


def random_of(seed: int, kind: int, step: int, example: int, copy: int) -> np.random.Generator:
    """Chance for an example of a step; an example that is in it again is given another.

    Args:
        seed: The run's seed.
        kind: What is drawn.
        step: Number of the step.
        example: Number of the example in its corpus.
        copy: How often it stands before in the step.
    """
    return stream(seed, kind, step, example, *([copy] if copy else []))


@dataclass(frozen=True)
class Drawn:
    """The examples of a step, over all processes.

    Args:
        examples_B: Their numbers in the corpus.
        copies_B: How often the example stands before in the same step: 0, or more where examples repeat.
        concepts_B: The concept for which each was drawn, where concepts are drawn first.
    """

    examples_B: NDArray[np.int64]
    copies_B: NDArray[np.int64]
    concepts_B: NDArray[np.int64] | None = None

    def share(self, rank: int, world: int) -> Drawn:
        """What one of several processes trains on."""
        mine = slice(rank, None, world)
        concepts = None if self.concepts_B is None else self.concepts_B[mine]
        return Drawn(self.examples_B[mine], self.copies_B[mine], concepts)


class Sampler(ABC):
    """Draws the examples of steps.

    Args:
        examples: The examples to draw from, by their numbers in the corpus.
        batch_size: Examples in a step, over all processes.
        seed: The run's seed.
    """

    def __init__(self, examples: NDArray[np.int64], batch_size: int, seed: int) -> None:
        self.examples, self.batch_size, self.seed = examples, batch_size, seed
        # An incomplete last batch is left out; its images come earlier in other epochs' orders.
        self.steps_per_epoch = len(examples) // batch_size

    @abstractmethod
    def draw(self, step: int) -> Drawn:
        """The examples of a step."""

    @property
    @abstractmethod
    def chances_N(self) -> NDArray[np.float64]:
        """How likely a draw is each of the N examples; they sum to one."""


class ImageSampler(Sampler):
    """Every image once an epoch, in a new order each time.

    Examples:
        >>> import numpy as np
        >>> sampler = ImageSampler(np.arange(6), 3, seed=0)
        >>> epoch = np.concatenate([sampler.draw(step).examples_B for step in range(2)])
        >>> sorted(epoch.tolist())
        [0, 1, 2, 3, 4, 5]
    """

    def __init__(self, examples: NDArray[np.int64], batch_size: int, seed: int) -> None:
        super().__init__(examples, batch_size, seed)
        self._order: tuple[int, NDArray[np.int64]] | None = None

    def draw(self, step: int) -> Drawn:
        """The examples of a step, none of them twice."""
        epoch, place = divmod(step, self.steps_per_epoch)
        if self._order is None or self._order[0] != epoch:
            self._order = (epoch, stream(self.seed, ORDER, epoch).permutation(self.examples))
        whole = self._order[1][place * self.batch_size : (place + 1) * self.batch_size]
        return Drawn(whole, np.zeros(len(whole), dtype=np.int64))

    @property
    def chances_N(self) -> NDArray[np.float64]:
        """The same for every example."""
        return np.full(len(self.examples), 1 / len(self.examples))


class ConceptSampler(Sampler):
    """Uniform over concepts: draw a concept, then an image that has it (Joulin et al. 2016, Section 3).

    Each draw is independent of those before it. An epoch is as many draws as there are examples; an image of many
    concepts, or of rare ones, comes more often than others.

    Args:
        examples: The examples to draw from.
        batch_size: Examples in a step.
        seed: The run's seed.
        matrix: Concepts of every example of the corpus, [examples of the corpus, K]; one of those to draw from holds
            one.
    """

    def __init__(
        self, examples: NDArray[np.int64], batch_size: int, seed: int, matrix: scipy.sparse.csr_matrix
    ) -> None:
        super().__init__(examples, batch_size, seed)
        by_concept = scipy.sparse.csr_matrix(matrix[examples]).tocsc()
        self._offsets: NDArray[np.int64] = by_concept.indptr.astype(np.int64)
        self._rows: NDArray[np.int32] = by_concept.indices
        self._counts: NDArray[np.int64] = np.diff(self._offsets)
        self.present = np.flatnonzero(self._counts)
        """The concepts that an example holds; the others are never drawn."""

    def draw(self, step: int) -> Drawn:
        """The examples of a step, and the concept for which each was drawn."""
        which_2B = stream(self.seed, CONCEPT, step).random((2, self.batch_size))
        concepts_B = self.present[(which_2B[0] * len(self.present)).astype(np.int64)]
        places_B = self._offsets[concepts_B] + (which_2B[1] * self._counts[concepts_B]).astype(np.int64)
        examples_B = self.examples[self._rows[places_B]]
        return Drawn(examples_B, _copies(examples_B), concepts_B)

    @property
    def chances_N(self) -> NDArray[np.float64]:
        """The sum over an example's concepts of 1 / (concepts x images that have it)."""
        of_concept = 1 / (len(self.present) * np.maximum(self._counts, 1))
        chances_N: NDArray[np.float64] = np.bincount(
            self._rows, np.repeat(of_concept, self._counts), len(self.examples)
        ).astype(np.float64)
        return chances_N


class CandidateSampler:
    """The concepts that a sampled loss looks at in a step: all those of its images, and some drawn evenly from all K.

    A concept k that an image does not hold is a candidate beside it with the chance
    q_k = 1 - (1 - r_k)^(B-1) (1 - n/K): it stands in one of the B-1 other images, each of which holds it with the
    chance r_k, or is among the n drawn.

    Args:
        matrix: Concepts of every example of the corpus, [examples of the corpus, K].
        sampler: What draws the examples.
        negatives: How many concepts are drawn besides the images' own; from K on, all are candidates.
        counter: A number of its own for each concept set of a run.
    """

    def __init__(self, matrix: scipy.sparse.csr_matrix, sampler: Sampler, negatives: int, counter: int) -> None:
        self._matrix, self._seed, self._counter = matrix, sampler.seed, counter
        self._count = matrix.shape[1]
        self._negatives = min(negatives, self._count)
        rows = matrix[sampler.examples]
        weights = np.repeat(sampler.chances_N, np.diff(rows.indptr))
        held_K = np.bincount(rows.indices, weights, self._count)
        with np.errstate(divide="ignore"):
            # ln(1 - q): of concepts that every image holds it is minus infinity, which is right.
            log_absent_K = (sampler.batch_size - 1) * np.log1p(-np.minimum(held_K, 1))
            log_absent_K += np.log1p(-self._negatives / self._count)
            self._log_chance_K = np.log(-np.expm1(log_absent_K)).astype(np.float32)

    def draw(self, step: int, examples_B: NDArray[np.int64]) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
        """The candidates of a step, ascending, and the logarithms of their chances q.

        Args:
            step: Number of the step.
            examples_B: The examples of the whole step, over all processes.
        """
        held = self._matrix[examples_B].indices
        drawn = stream(self._seed, NEGATIVES, step, self._counter).choice(
            self._count, self._negatives, replace=False, shuffle=False
        )
        candidates_C = np.unique(np.concatenate([held.astype(np.int64), drawn]))
        return candidates_C, self._log_chance_K[candidates_C]


def _copies(examples_B: NDArray[np.int64]) -> NDArray[np.int64]:
    """How often each example stands before in the list."""
    order = np.argsort(examples_B, kind="stable")
    ordered = examples_B[order]
    first = np.flatnonzero(np.r_[True, ordered[1:] != ordered[:-1]])
    lengths = np.diff(np.r_[first, len(ordered)])
    copies_B = np.empty_like(examples_B)
    copies_B[order] = np.arange(len(ordered)) - np.repeat(first, lengths)
    return copies_B
