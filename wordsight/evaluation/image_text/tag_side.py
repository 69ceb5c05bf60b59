"""Text sides of concepts: an image has a probability for each concept, a text has some of them.

Scores, for the probabilities p of the image and the shares t of the text's concepts (which sum to one):

- ``log-probability``: sum t log p, the mean log-probability of the text's concepts.
- ``pmi``: sum t log(p / m), their mean pointwise mutual information with the image, m being the mean of p over the
  training images: what the head says of every image is no answer for any. Training frequencies in place of m would be
  right for a head whose mean is the frequency alone, which few losses make it.
- ``kl``: -sum t log(t / p), the Kullback-Leibler divergence from text to image, negated (Patel et al. 2019, Section
  5.2, rank by it; the paper leaves its direction open, and this is the one that training minimises).
- ``cosine``: the cosine of p and t.

The last two hold a distribution against a distribution: there p is first brought to the concepts' shares f in
training, p f / m made to sum to one, which leaves a head as it is whose mean is right.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import ClassVar

import numpy as np
import scipy.sparse
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional

from wordsight.concepts import CONCEPT_SETS
from wordsight.concepts.concept_set import ConceptSet
from wordsight.concepts.languages import captions_to_read
from wordsight.concepts.matrix_writer import Caption
from wordsight.concepts.splitters import normal, splitter
from wordsight.corpus.store import Corpus
from wordsight.device import autocast
from wordsight.errors import InputError
from wordsight.evaluation.image_text.queries import TextQueries, TextQuery
from wordsight.evaluation.image_text.similarity import UNKNOWN, LazyEmbeddings
from wordsight.evaluation.models.evaluated_model import LearnedConcepts
from wordsight.heads.tag_head import TagHead
from wordsight.language.lemmas import noun_lemmas
from wordsight.objectives.tag_losses import log_probabilities


@dataclass(frozen=True)
class ShareVectors:
    """The shares of the concepts of texts, sparse until a block is wanted.

    Args:
        share_TK: Rows that sum to one, or are empty.
        device: Where blocks go.
        unit: Whether rows are brought to length one.
    """

    share_TK: scipy.sparse.csr_matrix
    device: torch.device
    unit: bool = False

    def __len__(self) -> int:
        return int(self.share_TK.shape[0])

    def block(self, rows: slice) -> Tensor:
        """Some of them, ``[n, K]``."""
        shares = torch.from_numpy(self.share_TK[rows].toarray().astype(np.float32)).to(self.device)
        return functional.normalize(shares, dim=1) if self.unit else shares


def shares_of(values_TK: scipy.sparse.csr_matrix) -> scipy.sparse.csr_matrix:
    """Rows brought to a sum of one; empty ones stay."""
    total = np.asarray(values_TK.sum(1), dtype=np.float64).ravel()
    scale = scipy.sparse.diags(1 / np.where(total > 0, total, 1.0))
    return scipy.sparse.csr_matrix(scale @ values_TK.astype(np.float64))


def mean_shares(share_TK: scipy.sparse.csr_matrix, group_T: NDArray[np.int64]) -> scipy.sparse.csr_matrix:
    """The mean of the shares of each group of texts, of those that have a concept.

    Args:
        share_TK: Shares of the texts.
        group_T: The group of each, from 0.
    """
    groups = int(group_T.max()) + 1 if len(group_T) else 0
    where = (np.ones(len(group_T)), (group_T, np.arange(len(group_T))))
    return shares_of(scipy.sparse.csr_matrix(where, shape=(groups, len(group_T))) @ share_TK)


def queries_of_shares(
    share_TK: scipy.sparse.csr_matrix,
    similarity: str,
    see: Callable[[Tensor], Tensor],
    log_probability: Callable[[Tensor], Tensor],
    device: torch.device,
    log_mean_K: NDArray[np.float64] | None = None,
) -> TextQueries:
    """The scores of this module's header, for texts whose shares are known.

    Args:
        share_TK: Shares of the texts' concepts.
        similarity: ``log-probability``, ``pmi``, ``kl`` or ``cosine``.
        see: From prepared images to what is kept of each, ``[B, D]``.
        log_probability: From what is kept to log-probabilities ``[n, K]``.
        device: Where to compute.
        log_mean_K: Logarithm of the mean probability of each concept over the training images, for ``pmi``.
    """

    def vectors(kept_ND: Tensor) -> LazyEmbeddings:
        if similarity == "cosine":
            return LazyEmbeddings(kept_ND, lambda some: functional.normalize(log_probability(some).exp(), dim=1))
        return LazyEmbeddings(kept_ND, log_probability)

    offset_T = np.zeros(share_TK.shape[0])
    if similarity == "kl":
        offset_T = -np.asarray(share_TK.multiply(_logarithm(share_TK)).sum(1)).ravel()
    elif similarity == "pmi":
        assert log_mean_K is not None, "pmi is offered where the means are known"
        offset_T = -(share_TK @ log_mean_K)
    offset_T = np.where(np.diff(share_TK.indptr) > 0, offset_T, UNKNOWN)
    return TextQueries(
        texts=ShareVectors(share_TK, device, unit=similarity == "cosine"),
        offset_T=torch.from_numpy(offset_T.astype(np.float32)).to(device),
        see=see,
        images=vectors,
        similarity=similarity,
    )


def _logarithm(matrix: scipy.sparse.csr_matrix) -> scipy.sparse.csr_matrix:
    """The logarithm of what stands in a matrix; what is zero stays so."""
    found = matrix.copy()
    found.eliminate_zeros()
    found.data = np.log(found.data)
    return found


@dataclass(frozen=True)
class TagSide:
    """A tag head and the concept set that it learned from.

    Args:
        set_name: The concept set's name in the run.
        learned: The concept set.
        head: The head.
        loss: What it learned by, one of ``TAG_LOSSES``.
        backbone: From prepared images to a grid.
        device: Where to compute.
        log_mean_K: Logarithm of the mean probability that it gives each concept over its training images; None where
            that is not known.
    """

    SIMILARITIES: ClassVar = ("log-probability", "pmi", "kl", "cosine")

    set_name: str
    learned: LearnedConcepts
    head: TagHead
    loss: str
    backbone: Callable[[Tensor], Tensor]
    device: torch.device
    log_mean_K: NDArray[np.float64] | None = None

    @property
    def name(self) -> str:
        """What it is."""
        return f"tags of the concept set {self.set_name!r}"

    @property
    def why_alike(self) -> str:
        """Its concepts."""
        return "they have the same words among its concepts: words that are none are left out"

    @property
    def similarities(self) -> Sequence[str]:
        """``kl`` by default for topics; for labels ``pmi`` where the head's mean probabilities are known."""
        with_mean = () if self.log_mean_K is None else ("pmi",)
        if self.learned.concepts.target == "probabilities":
            return ("kl", "cosine", *with_mean, "log-probability")
        return (*with_mean, "log-probability", "cosine", "kl")

    def captions(self, corpus: Corpus, examples: Iterable[int]) -> Iterator[Caption]:
        """Captions in the languages that the concepts were made from."""
        return captions_to_read(self.learned.concepts, corpus, examples)

    def ask(self, texts: Sequence[TextQuery], similarity: str, group_T: NDArray[np.int64] | None = None) -> TextQueries:
        """Make ready to compare images with the concepts of texts."""
        share_TK = shares_of(concepts_in(self.learned.concepts, texts))
        if group_T is not None:
            share_TK = mean_shares(share_TK, group_T)
        weight_KD, bias_K = (
            one.detach().float().to(self.device) for one in (self.head.last.weight, self.head.last.bias)
        )

        as_shares = similarity in ("kl", "cosine")
        shift_K = torch.from_numpy(self._shift_K().astype(np.float32)).to(self.device)

        def log_probability(hidden_nD: Tensor) -> Tensor:
            log_nK = log_probabilities(torch.addmm(bias_K, hidden_nD, weight_KD.T), self.loss)
            return (log_nK + shift_K).log_softmax(1) if as_shares else log_nK

        def see(images_BCHW: Tensor) -> Tensor:
            with autocast(self.device):
                grid_BCHW = self.backbone(images_BCHW)
            return self.head.hidden(grid_BCHW.float())

        asked = queries_of_shares(share_TK, similarity, see, log_probability, self.device, self.log_mean_K)
        return replace(asked, notes=self._notes())

    def _shift_K(self) -> NDArray[np.float64]:
        """By how much the logarithm of a concept's mean probability is short of its share in training; 0 if unknown."""
        if self.learned.train_K is None or self.log_mean_K is None:
            return np.zeros(len(self.learned.concepts))
        # A concept that no training example has counts as half of one.
        counts = np.maximum(self.learned.train_K, 0.5)
        return np.asarray(np.log(counts / counts.sum()) - self.log_mean_K)

    def _notes(self) -> list[str]:
        if self.log_mean_K is not None:
            return []
        return [
            "the images that the run was trained on can't be read, so the mean of what it says of them is not known: "
            "words that it finds probable in every photo may take most of the predictions"
        ]


def concepts_in(concepts: ConceptSet, texts: Sequence[TextQuery]) -> scipy.sparse.csr_matrix:
    """Which concepts of a set texts have, ``[T, K]``.

    Of a class in a template these are the ones of the whole text, less those that the template has without the class's
    name, unless the name itself has them: every photo is "a photo of". Topics and other probabilities can't be taken
    away from each other: there the name is asked about alone.

    A class none of whose words is a concept is asked about by the concepts that are other forms of its words: "vases"
    by vase, "man" by men.

    Args:
        concepts: The concept set.
        texts: The texts.
    """
    kind = CONCEPT_SETS[concepts.kind]
    if kind.reads == "labels" or concepts.settings.get("of") == "labels" or concepts.target == "probabilities":
        return kind.apply(concepts, [text.captions if text.name is None else (text.name,) for text in texts])
    held = kind.apply(concepts, [text.captions for text in texts])
    framed = np.array([text.frame is not None for text in texts], dtype=bool)
    if not framed.any():
        return held
    of_frame = kind.apply(concepts, [() if text.frame is None else (text.frame,) for text in texts])
    of_name = kind.apply(concepts, [() if text.name is None else (text.name,) for text in texts])
    only_frame = (of_frame > 0).astype(np.float32)
    only_frame = only_frame - only_frame.multiply(of_name > 0)
    kept = scipy.sparse.csr_matrix(held - held.multiply(only_frame))
    kept.eliminate_zeros()
    return _with_other_forms(kept, concepts, texts)


def _with_other_forms(
    held_TK: scipy.sparse.csr_matrix, concepts: ConceptSet, texts: Sequence[TextQuery]
) -> scipy.sparse.csr_matrix:
    """The same, where a class has no concept with those that have the noun of one of its words."""
    without = [row for row in np.flatnonzero(np.diff(held_TK.indptr) == 0).tolist() if texts[row].name is not None]
    if not without or not _english_words(concepts):
        return held_TK
    try:
        lemma = noun_lemmas()
    except InputError:
        # No list of nouns is installed: words are then compared as they are.
        return held_TK
    of_noun: dict[str, list[int]] = {}
    for k, name in enumerate(concepts.names):
        of_noun.setdefault(lemma(name), []).append(k)
    found = held_TK.tolil()
    for row in without:
        for word in splitter("unicode").words(texts[row].name or ""):
            found[row, of_noun.get(lemma(normal(word)), [])] = 1
    return scipy.sparse.csr_matrix(found, dtype=np.float32)


def _english_words(concepts: ConceptSet) -> bool:
    """Whether concepts are single words, and none of another language than English as far as is known."""
    is_word = CONCEPT_SETS[concepts.kind].places is not None
    return is_word and all(language.split("-")[0].lower() == "en" for language in concepts.languages)
