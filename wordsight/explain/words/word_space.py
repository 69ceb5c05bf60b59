"""The output layer of a tag head as a space of words (Joulin et al. 2016, Section 4): similar words have similar rows.

Rows are compared by the cosine between them, after the mean of all is taken from each: a softmax does not change when
the same vector is added to every row, so that what all have in common is an accident of training (with losses of one
concept at a time it is how frequent words are in general). Parts of rows along which photos hardly differ say little of
what is seen; :mod:`wordsight.explain.words.feature_spread` gives them little weight.

Of words near another, those come first that are nearer to it than to words in general (CSLS, Conneau et al. 2018,
Eq. 2): words of most captions would be the neighbours of all others.

https://arxiv.org/abs/1511.02251
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np
import torch
from numpy.typing import NDArray

from wordsight.concepts.splitters import normal
from wordsight.errors import InputError, unknown
from wordsight.explain.words.feature_spread import IMAGES, feature_spread
from wordsight.heads.tag_head import TagHead
from wordsight.objectives import tag_heads_of
from wordsight.training.kept_concepts import KeptConcepts

if TYPE_CHECKING:
    from wordsight.training.run import Run


@dataclass(frozen=True)
class Neighbour:
    """A word near another.

    Args:
        word: The word.
        nearness: What neighbours are ordered by: twice the cosine, less how near each of both is to words in general.
        cosine: Of the angle between both, from -1 to 1.
        images: How many images of the corpus have it.
    """

    word: str
    nearness: float
    cosine: float
    images: int


# Neighbours that tell how crowded a place is, as in the paper, and words that are compared at a time.
_CROWD, _BLOCK = 10, 1024
# Words of the largest cosines that are looked at closer: of vocabularies up to this, all.
_CANDIDATES = 2048


@dataclass(frozen=True)
class WordSpace:
    """The words of one concept set, or those of one language in it, as directions.

    Args:
        name: The concept set, and the language where the set holds several.
        head: The concept set.
        language: Language of the words; "" where it is not known.
        words: The words.
        unit_KD: Their rows, of length one.
        images_K: How many images have each.
        common: Whether the rows lie in the space of the backbone's own features, as those of all linear heads do.
    """

    name: str
    head: str
    language: str
    words: Sequence[str]
    unit_KD: NDArray[np.float32]
    images_K: NDArray[np.int64]
    common: bool
    _numbers: dict[str, int] = field(init=False, repr=False, compare=False, default_factory=dict)

    def __post_init__(self) -> None:
        for number, word in enumerate(self.words):
            self._numbers.setdefault(normal(word), number)

    def number(self, word: str) -> int | None:
        """Number of a word; None where it is not among these."""
        return self._numbers.get(normal(word))

    def shares_space(self, other: WordSpace) -> bool:
        """Whether rows of both can be compared: of one head, or of heads that read the same features."""
        return self.head == other.head or (self.common and other.common)

    def cosines(self, vectors_QD: NDArray[np.float32]) -> NDArray[np.float32]:
        """Cosines ``[Q, K]`` of unit vectors with all words."""
        return np.asarray(vectors_QD @ self.unit_KD.T)

    def nearest(
        self, word: int, most: int, other: WordSpace | None = None, crowding_K: NDArray[np.float32] | None = None
    ) -> list[Neighbour]:
        """The nearest words of one of these, the nearest first.

        Args:
            word: Its number.
            most: How many.
            other: The space whose words are wanted; this one by default. The word itself is left out.
            crowding_K: How crowded the places of all its words are, where that is known: then all are looked at, and
                otherwise those of the largest cosines.
        """
        other = other or self
        cosine_K = other.cosines(self.unit_KD[word : word + 1])[0]
        near = max(_CANDIDATES, most + 1) if crowding_K is None else len(other.words)
        numbers = np.argsort(-cosine_K, kind="stable")[:near]
        numbers = numbers[numbers != self.places_in(other, np.array([word]))[0]]
        crowded = other.crowding(self, numbers) if crowding_K is None else crowding_K[numbers]
        nearness = 2 * cosine_K[numbers] - crowded - self.crowding(other, np.array([word]))
        order = np.argsort(-nearness, kind="stable")[:most]
        return [
            Neighbour(other.words[k], float(score), float(cosine_K[k]), int(other.images_K[k]))
            for k, score in zip(numbers[order].tolist(), nearness[order], strict=True)
        ]

    def places_in(self, other: WordSpace, numbers: NDArray[np.int64]) -> NDArray[np.int64]:
        """The numbers that words have in another space, where their own row stands for them; -1 where none does.

        Args:
            other: The space: this one, or a part of the same concept set.
            numbers: Their numbers here.
        """
        if other is self:
            return numbers
        if other.head != self.head:
            return np.full(len(numbers), -1, dtype=np.int64)
        found = (other.number(self.words[k]) for k in numbers.tolist())
        return np.array([-1 if place is None else place for place in found], dtype=np.int64)

    def crowding(self, other: WordSpace, numbers: NDArray[np.int64] | None = None) -> NDArray[np.float32]:
        """How near words are to those of a space in general: r of CSLS (Conneau et al. 2018, Eq. 2).

        The mean cosine with the ten nearest there; with fewer where that space has less than a hundred words, and zero
        where it has less than ten.

        Args:
            other: The space. A word is not counted among its own neighbours.
            numbers: The words; all by default.

        Returns:
            float32, one for each of the words.
        """
        numbers = np.arange(len(self.words)) if numbers is None else numbers
        near = min(_CROWD, len(other.words) // _CROWD)
        found = np.zeros(len(numbers), dtype=np.float32)
        for first in range(0, len(numbers) if near else 0, _BLOCK):
            block = numbers[first : first + _BLOCK]
            cosines_BK = other.cosines(self.unit_KD[block])
            place_B = self.places_in(other, block)
            itself = np.flatnonzero(place_B >= 0)
            cosines_BK[itself, place_B[itself]] = -np.inf
            found[first : first + _BLOCK] = np.partition(cosines_BK, -near, axis=1)[:, -near:].mean(axis=1)
        return found

    def some(self, numbers: NDArray[np.int64]) -> WordSpace:
        """Some of the words."""
        words = [self.words[k] for k in numbers.tolist()]
        return WordSpace(
            self.name, self.head, self.language, words, self.unit_KD[numbers], self.images_K[numbers], self.common
        )


def word_spaces(
    run: Run,
    concepts: str | None = None,
    *,
    centre: bool = True,
    images: int = IMAGES,
    device: torch.device | None = None,
) -> list[WordSpace]:
    """The words that a run's tag heads have learned.

    A set that holds words of several languages, in a corpus that knows the language of its captions, comes as one space
    for each language; a word is of the language in which most captions have it.

    Args:
        run: A run with tag heads.
        concepts: The concept set to look at; all by default.
        centre: Whether the mean of a space's rows is taken from each of them.
        images: How many of the photos that the run learned from tell which directions photos differ along; 0 to take
            the rows as they are.
        device: Where the photos are looked at; the CPU by default.

    Raises:
        InputError: When the run has no tag heads or no such set, is not finished, or its photos are wanted and gone.
    """
    if concepts is not None and concepts not in run.info.concepts:
        raise unknown("concept set", concepts, run.info.concepts, where=run.path)
    objective = run.objective()
    heads = tag_heads_of(objective)
    if heads is None:
        raise InputError(
            f"the objective {run.settings.objective!r} has no tag head, whose output layer would be its words",
            where=run.path,
            expected="a run of tag-prediction, or of ICMLM with a tag_weight",
        )
    sets = {name: _counted(run, name) for name in (run.info.concepts if concepts is None else [concepts])}
    weights = feature_spread(run, objective, heads, images, device, tuple(sets)) if images else {}
    spaces: list[WordSpace] = []
    for name, found in sets.items():
        head = heads.heads[name]
        assert isinstance(head, TagHead)
        rows_KD = head.last.weight.detach().float().cpu().numpy()
        if not np.isfinite(rows_KD).all():
            raise InputError(
                f"the rows of {name} are not finite numbers",
                where=run.path,
                mend="training diverged: lower the learning rate, or train in float32",
            )
        rows_KD = rows_KD @ weights[name] if weights else rows_KD
        spaces += _spaces(name, found, rows_KD, common=head.reads_features, centre=centre)
    return spaces


def _counted(run: Run, name: str) -> KeptConcepts:
    """A concept set of a run with its counts; of an old run whose corpus is gone, those of the set's own rows."""
    if (found := run.concept_counts(name)) is not None:
        return found
    concepts = run.concept_set(name)
    images_K = np.asarray(concepts.matrix.getnnz(axis=0), dtype=np.int64)
    return KeptConcepts(concepts, images_K.astype(np.float64), images_K, None)


def _spaces(
    name: str, found: KeptConcepts, rows_KD: NDArray[np.float32], *, common: bool, centre: bool
) -> list[WordSpace]:
    concepts, images_K = found.concepts, found.images_K
    language = str(concepts.settings.get("language") or "")
    language_K = None if language else found.language_K
    if language_K is None:
        return [WordSpace(name, name, language, concepts.names, _unit(rows_KD, centre), images_K, common)]
    spaces = []
    for one in sorted(set(language_K.tolist())):
        rows = np.flatnonzero(language_K == one)
        words = [concepts.names[k] for k in rows.tolist()]
        spaces.append(
            WordSpace(f"{name}: {one}", name, one, words, _unit(rows_KD[rows], centre), images_K[rows], common)
        )
    return spaces


def _unit(rows_KD: NDArray[np.float32], centre: bool) -> NDArray[np.float32]:
    rows_KD = rows_KD - rows_KD.mean(axis=0) if centre else rows_KD
    length_K1 = np.linalg.norm(rows_KD, axis=1, keepdims=True)
    return np.asarray(rows_KD / np.maximum(length_K1, 1e-12), dtype=np.float32)
