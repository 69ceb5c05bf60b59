"""Which concepts of a set hold for examples of any corpus, and where they stand: its own corpus, or another."""

from __future__ import annotations

import numpy as np
import scipy.sparse
from numpy.typing import NDArray

from wordsight.concepts import CONCEPT_SETS
from wordsight.concepts.concept_set import ConceptSet, Occurrences
from wordsight.concepts.languages import captions_to_read
from wordsight.corpus.store import Corpus
from wordsight.errors import InputError


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


def can_be_masked(concepts: ConceptSet) -> bool:
    """Whether concepts are words, which stand somewhere in a caption."""
    return concepts.occurrences is not None or CONCEPT_SETS[concepts.kind].places is not None


def places_of(concepts: ConceptSet, corpus: Corpus) -> Occurrences:
    """Where concepts that are words stand in the captions of a corpus, also in one that they were not built from.

    Args:
        concepts: The concept set.
        corpus: Any corpus.

    Raises:
        InputError: When none of them stands in its captions.
    """
    if corpus.fingerprint == concepts.corpus_fingerprint and concepts.occurrences is not None:
        return concepts.occurrences
    places = CONCEPT_SETS[concepts.kind].places
    found = None if places is None else places(concepts, corpus)
    if found is None or len(found) == 0:
        raise InputError("no concept of the run stands in these captions", where=corpus.path)
    return found


def _article(corpus: Corpus, i: int) -> list[str]:
    article = corpus.article(i)
    return [] if article is None else [article]
