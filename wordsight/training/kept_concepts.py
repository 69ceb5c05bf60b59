"""What a run keeps of its concept sets: all that is needed to find its concepts in any texts, and how many have them.

``<run>/concepts/NAME/`` is a concept set without the rows of its corpus's examples. With it a run stays whole when its
corpus is moved, built anew or removed.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from urllib.parse import quote

import numpy as np
import scipy.sparse
from numpy.typing import NDArray

from wordsight.concepts.concept_set import ConceptSet
from wordsight.corpus.store import Corpus
from wordsight.errors import InputError

FOLDER = "concepts"
_AGAIN = "copy the run again, whole"
_TRAIN, _ALL, _LANGUAGE = "counts.train", "counts.all", "counts.language"


@dataclass(frozen=True)
class KeptConcepts:
    """A concept set that a run learned from.

    Args:
        concepts: The set; with the rows of its corpus's examples only where it is still where it was built.
        train_K: How many examples that were trained on have each concept, or the sum of its probabilities over them.
        images_K: How many examples of the corpus have each.
        language_K: The language in which most captions have each; None where the corpus says at most one.
    """

    concepts: ConceptSet
    train_K: NDArray[np.float64]
    images_K: NDArray[np.int64]
    language_K: NDArray[np.str_] | None


def keep_concepts(run: Path, sets: Mapping[str, ConceptSet], corpus: Corpus, split: str) -> None:
    """Write what a run keeps of its concept sets into its folder.

    Args:
        run: The run folder.
        sets: The sets, by name.
        corpus: The corpus that they were built from.
        split: The split that is trained on.
    """
    for name, concepts in sets.items():
        counted = counted_in(concepts, corpus, split)
        counts: dict[str, NDArray[np.generic]] = {_TRAIN: counted.train_K, _ALL: counted.images_K}
        if counted.language_K is not None:
            counts[_LANGUAGE] = counted.language_K
        kept = replace(
            concepts,
            matrix=scipy.sparse.csr_matrix((0, len(concepts)), dtype=np.float32),
            occurrences=None,
            arrays={**concepts.arrays, **counts},
            # It is none of this corpus's rows that it holds: they are found again in the texts.
            corpus_fingerprint="",
        )
        kept.save(_place(run, name), overwrite=True)


def open_kept(run: Path, name: str, fingerprint: str) -> KeptConcepts | None:
    """What a run kept of a concept set; None where it kept nothing, as runs of earlier versions did.

    Args:
        run: The run folder.
        name: The set's name in the run.
        fingerprint: That of the set itself, which what was kept stands for.

    Raises:
        InputError: When it is damaged.
    """
    if not (folder := _place(run, name)).is_dir():
        return None
    try:
        found = ConceptSet.open(folder)
        arrays = dict(found.arrays)
        train_K, images_K = (np.asarray(arrays.pop(each)) for each in (_TRAIN, _ALL))
    except InputError as error:
        raise error.but(mend=_AGAIN) from error
    except KeyError as error:
        raise InputError(f"is damaged (it lacks {error})", where=folder, mend=_AGAIN) from error
    language_K = arrays.pop(_LANGUAGE, None)
    return KeptConcepts(replace(found, arrays=arrays, stands_for=fingerprint), train_K, images_K, language_K)


def counted_in(concepts: ConceptSet, corpus: Corpus, split: str) -> KeptConcepts:
    """A set with its counts in the corpus that it was built from.

    Args:
        concepts: The set, with its rows.
        corpus: That corpus.
        split: The split that is trained on.
    """
    rows = concepts.matrix[corpus.indices(split)]
    train = rows.getnnz(axis=0) if concepts.target == "labels" else rows.sum(axis=0)
    several = len(corpus.language_names) > 1 and concepts.occurrences is not None
    return KeptConcepts(
        concepts,
        np.asarray(train, dtype=np.float64).ravel(),
        np.asarray(concepts.matrix.getnnz(axis=0), dtype=np.int64),
        languages_of(concepts, corpus) if several else None,
    )


def languages_of(concepts: ConceptSet, corpus: Corpus) -> NDArray[np.str_]:
    """The language in which most captions of a corpus have each concept, ``[K]``.

    Args:
        concepts: Concepts that know where they stand.
        corpus: The corpus that they stand in.
    """
    places = concepts.occurrences
    assert places is not None, "concepts that are words know where they stand"
    names = sorted({*corpus.language_names, ""})
    count = np.zeros((len(names), len(concepts)), dtype=np.int64)
    first = np.flatnonzero(np.diff(places.example, prepend=-1))
    for start, end in zip(first.tolist(), [*first[1:].tolist(), len(places)], strict=True):
        spoken = np.array([names.index(one) for one in corpus.languages(int(places.example[start]))])
        np.add.at(count, (spoken[places.caption[start:end]], places.concept[start:end]), 1)
    return np.asarray(np.array(names)[count.argmax(axis=0)])


def _place(run: Path, name: str) -> Path:
    # A set may be called anything that YAML allows.
    return run / FOLDER / quote(name, safe=" ").replace(".", "%2E")
