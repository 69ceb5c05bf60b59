"""TP_Label (Section 4.2): the annotated labels of the corpus are the concepts; the supervised rows of the tables.

https://arxiv.org/abs/2008.01392
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass

import numpy as np
import scipy.sparse
from numpy.typing import NDArray

from wordsight.concepts.concept_set import ConceptSet
from wordsight.concepts.matrix_writer import write_rows
from wordsight.corpus.store import Corpus
from wordsight.errors import InputError, setting
from wordsight.progress import console
from wordsight.ranges import Limit, Seed, check_ranges


@dataclass(frozen=True)
class LabelsSettings:
    """Which labels of which examples are used.

    Args:
        classes: How many classes, drawn at random; 0 for all that the split has examples of.
        per_class: How many examples of each class of the split, drawn at random; 0 for all. A class with fewer gives
            all it has. An example that was drawn for one class has its labels of the others too.
        seed: Of both draws. With the same seed, fewer are always among more.
    """

    classes: Limit = 0
    per_class: Limit = 0
    seed: Seed = 0

    def __post_init__(self) -> None:
        check_ranges(self)


def build_labels(corpus: Corpus, settings: LabelsSettings, split: str) -> ConceptSet:
    """Make a concept set from the annotated labels of the examples, of all or of a random subset of them.

    Classes that no example of the split has are no concepts. Examples of the split outside the subset have no concept,
    so that training leaves them out; those of other splits keep theirs, so that all are measured on the same. What is
    to be ignored (PASCAL's difficult objects) does not hold.

    Args:
        corpus: Where the labels are.
        settings: How many classes and examples.
        split: The examples that are drawn from ("all" for every one).

    Raises:
        InputError: When no example of the split has a label, or there are fewer classes than asked for.
    """
    number = {name: k for k, name in enumerate(corpus.label_names)}
    held = _matrix([_labels(corpus, i) for i in range(len(corpus))], number)
    indices = corpus.indices(split)
    seen = np.flatnonzero(np.bincount(held[indices].indices, minlength=len(number)))
    if len(seen) == 0:
        raise InputError(
            f"no example of the split {split!r} has a label",
            where=corpus.path,
            expected="a corpus with labels",
            mend=f"build it with {setting('labels')}, a table of images and labels (coco: or an instances file)",
        )
    if settings.classes > len(seen):
        raise InputError(
            f"{settings.classes} classes are asked for, the examples of the split {split!r} have {len(seen)}",
            where=corpus.path,
            mend=f"give {setting('classes', len(seen))} or less",
        )
    if len(seen) < len(number):
        console.print(f"{len(number) - len(seen):,} classes have no example in the split {split!r}: they are left out")
    chosen = seen
    if settings.classes:
        chosen = np.sort(np.random.default_rng(settings.seed).permutation(seen)[: settings.classes])
    matrix = scipy.sparse.csr_matrix(held[:, chosen])
    if settings.per_class:
        kept = np.ones(len(corpus), dtype=np.float32)
        kept[indices] = 0
        kept[_drawn(matrix, indices, chosen, settings)] = 1
        matrix = scipy.sparse.csr_matrix(scipy.sparse.diags(kept).astype(np.float32) @ matrix)
        matrix.eliminate_zeros()
    return ConceptSet(
        kind="labels",
        names=[corpus.label_names[k] for k in chosen],
        matrix=matrix,
        target="labels",
        corpus_fingerprint=corpus.fingerprint,
        settings={**asdict(settings), "split": split, "classes_without_examples": len(number) - len(seen)},
    )


def apply_labels(concepts: ConceptSet, texts: Sequence[Sequence[str]]) -> scipy.sparse.csr_matrix:
    """Which classes of a set other examples have.

    Args:
        concepts: A set that :func:`build_labels` made.
        texts: The labels of each example.
    """
    return _matrix(texts, {name: k for k, name in enumerate(concepts.names)})


def _labels(corpus: Corpus, i: int) -> list[str]:
    ignored = corpus.ignored_labels(i)
    return [label for label in corpus.labels(i) if label not in ignored]


def _matrix(labels: Sequence[Sequence[str]], number: dict[str, int]) -> scipy.sparse.csr_matrix:
    found = ((i, 0, [number[label] for label in row if label in number], (), ()) for i, row in enumerate(labels))
    return write_rows(found, len(labels), max(1, len(number)))[0]


def _drawn(
    matrix: scipy.sparse.csr_matrix, indices: NDArray[np.int64], classes: NDArray[np.int64], settings: LabelsSettings
) -> NDArray[np.int64]:
    """Examples drawn for each class: each class has its own stream, so that more classes change none."""
    of_class = scipy.sparse.csc_matrix(matrix[indices])
    drawn = []
    for k, name in enumerate(classes.tolist()):
        rows = np.sort(of_class.indices[of_class.indptr[k] : of_class.indptr[k + 1]])
        order = np.random.default_rng([settings.seed, name]).permutation(rows)
        drawn.append(indices[order[: settings.per_class]])
    return np.unique(np.concatenate(drawn))
