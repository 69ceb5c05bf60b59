"""Which concepts of a set hold for examples of any corpus: the one it was built from, or another."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import scipy.sparse
from numpy.typing import NDArray

from wordsight.concepts import CONCEPT_SETS
from wordsight.concepts.concept_set import ConceptSet
from wordsight.corpus.store import Corpus


def concepts_of(concepts: ConceptSet, corpus: Corpus, indices: NDArray[np.int64]) -> scipy.sparse.csr_matrix:
    """Rows of the examples, float32 ``[len(indices), K]``.

    Args:
        concepts: The concept set.
        corpus: Any corpus. Of the one that the set was built from the rows are at hand; of another its texts are read:
            those in the set's language, where the corpus knows that language.
        indices: Numbers of the examples.
    """
    if corpus.fingerprint == concepts.corpus_fingerprint:
        return scipy.sparse.csr_matrix(concepts.matrix[indices])
    kind = CONCEPT_SETS[concepts.kind]
    reads = concepts.settings.get("of", kind.reads)
    language = concepts.settings.get("language")
    known = language if language in corpus.language_names else None
    return kind.apply(concepts, [_texts(corpus, int(i), reads, known) for i in indices])


def _texts(corpus: Corpus, i: int, reads: str, language: str | None) -> Sequence[str]:
    if reads == "labels":
        return corpus.labels(i)
    if reads == "articles":
        article = corpus.article(i)
        return [] if article is None else [article]
    if language is not None:
        return [text for _, _, text in corpus.caption_iter([i], language)]
    return corpus.captions(i)
