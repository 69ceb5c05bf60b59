"""Which concepts of a set hold for examples of any corpus: the one it was built from, or another."""

from __future__ import annotations

import numpy as np
import scipy.sparse
from numpy.typing import NDArray

from wordsight.concepts import CONCEPT_SETS
from wordsight.concepts.concept_set import ConceptSet
from wordsight.concepts.spoken import captions_to_read
from wordsight.corpus.store import Corpus


def concepts_of(concepts: ConceptSet, corpus: Corpus, indices: NDArray[np.int64]) -> scipy.sparse.csr_matrix:
    """Rows of the examples, float32 ``[len(indices), K]``.

    Args:
        concepts: The concept set.
        corpus: Any corpus. Of the one that the set was built from the rows are at hand; of another its texts are read:
            of its captions those in the set's languages, where it says which those are.
        indices: Numbers of the examples.

    Raises:
        InputError: When the corpus says the languages of its captions, and all are others than the set's.
    """
    if corpus.fingerprint == concepts.corpus_fingerprint:
        return scipy.sparse.csr_matrix(concepts.matrix[indices])
    kind = CONCEPT_SETS[concepts.kind]
    reads = concepts.settings.get("of", kind.reads)
    if reads == "labels":
        return kind.apply(concepts, [corpus.labels(int(i)) for i in indices])
    if reads == "articles":
        return kind.apply(concepts, [_article(corpus, int(i)) for i in indices])
    return kind.apply(concepts, [[text for _, _, text in captions_to_read(concepts, corpus, [i])] for i in indices])


def _article(corpus: Corpus, i: int) -> list[str]:
    article = corpus.article(i)
    return [] if article is None else [article]
