"""What is in a concept set, in numbers and a few examples: for ``concepts show``."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from wordsight.concepts.concept_set import ConceptSet
from wordsight.corpus.store import Corpus
from wordsight.errors import InputError

# Captions and concepts of an example that are shown.
_CAPTIONS, _CONCEPTS = 5, 15


@dataclass(frozen=True)
class ExampleConcepts:
    """One example with its concepts, the heaviest first; ``id`` and ``captions`` only where the corpus is at hand."""

    index: int
    id: str
    captions: list[str]
    concepts: list[tuple[str, float]]


@dataclass(frozen=True)
class ConceptSummary:
    """What is in a concept set.

    Attributes:
        kind: How it was made.
        target: Whether it holds labels or probabilities.
        settings: What it was made with.
        size: K.
        examples: How many examples its corpus has.
        counts: The concepts, and how many examples have each; of probabilities, in how many examples it is the
            likeliest. The most frequent first.
        unseen: How many concepts no example has.
        parts: How many concepts are of each part of speech; empty where they have none.
        per_example: How many concepts an example has on average, of those with any.
        without: Share of examples without a concept, by split; "all" for all.
        shown: A few examples, evenly spaced.
    """

    kind: str
    target: Literal["labels", "probabilities"]
    settings: dict[str, Any]
    size: int
    examples: int
    counts: list[tuple[str, int]]
    unseen: int
    parts: dict[str, int]
    per_example: float
    without: dict[str, float]
    shown: list[ExampleConcepts]

    def counted(self, most: int = 10) -> str:
        """Two lines: how many concepts there are, and the most frequent ones."""
        of = "the likeliest" if self.target == "probabilities" else "present"
        more = ", ..." if len(self.counts) > most else ""
        return (
            f"{self.size:,} concepts ({self.kind}); in how many examples each is {of}, the most frequent first:\n"
            f"{_listed(self.counts[:most])}{more}"
        )

    def text(self, most: int = 40) -> str:
        """Everything, for a terminal.

        Args:
            most: How many concepts are shown, of the most frequent and half as many of the rarest.
        """
        rarest = self.counts[max(most, self.size - most // 2) :][::-1]
        without = [f"{share:.1%} of {name}" for name, share in self.without.items()]
        facts = {
            "rarest": _listed(rarest),
            "parts of speech": _listed(list(self.parts.items())),
            "no example has": f"{self.unseen:,} of the concepts" if self.unseen else "",
            "target": self.target,
            "settings": ", ".join(f"{name} {value}" for name, value in self.settings.items() if value != ""),
            "examples": f"{self.examples:,}, with {self.per_example:.1f} concepts on average where they have any",
            "without any": ", ".join(without),
        }
        lines = [self.counted(most), *(f"  {name:<16}{value}" for name, value in facts.items() if value)]
        for example in self.shown:
            lines.append(f"  example {example.index:<8}{example.id}".rstrip())
            lines.extend(f"    {caption}" for caption in example.captions[:_CAPTIONS])
            lines.append(f"    -> {_weighed(example.concepts)}")
        return "\n".join(lines)


def describe_concepts(concepts: ConceptSet, corpus: Corpus | None = None, examples_shown: int = 4) -> ConceptSummary:
    """Count what is in a concept set.

    Args:
        concepts: The concept set.
        corpus: The corpus it belongs to; by default looked for where it was when the set was made. Without it there are
            neither splits nor captions.
        examples_shown: How many examples are shown.

    Raises:
        InputError: When the corpus given is another.
    """
    if corpus is None:
        corpus = _corpus_of(concepts)
    else:
        concepts.check_corpus(corpus)
    held = np.diff(concepts.matrix.indptr)
    counts = _counts(concepts, held)
    ranked = sorted(zip(concepts.names, counts.tolist(), strict=True), key=lambda pair: (-pair[1], pair[0]))
    without = {"all": _share(held == 0)}
    if corpus is not None:
        without |= {split: _share(held[corpus.indices(split)] == 0) for split in corpus.splits}
    some = np.flatnonzero(held)
    places = np.linspace(0, len(some) - 1, min(len(some), examples_shown)).astype(int)
    return ConceptSummary(
        kind=concepts.kind,
        target=concepts.target,
        settings=dict(concepts.settings),
        size=len(concepts),
        examples=int(concepts.matrix.shape[0]),
        counts=ranked,
        unseen=int((concepts.matrix.getnnz(axis=0) == 0).sum()),
        parts=dict(Counter(concepts.parts or ()).most_common()),
        per_example=float(held[some].mean()) if len(some) else 0.0,
        without=without,
        shown=[_example(concepts, corpus, i) for i in some[places].tolist()],
    )


def _counts(concepts: ConceptSet, held: NDArray[np.int64]) -> NDArray[np.int64]:
    """In how many examples each concept is present, or the likeliest."""
    matrix = concepts.matrix
    if concepts.target == "labels":
        return np.asarray(matrix.getnnz(axis=0))
    likeliest = np.asarray(matrix.argmax(axis=1)).ravel()[held > 0]
    return np.bincount(likeliest, minlength=len(concepts))


def _corpus_of(concepts: ConceptSet) -> Corpus | None:
    """The corpus of a set, where it still is where it was, and the same."""
    for place in (concepts.kept_in, concepts.corpus_path):
        if place is not None and (place / "corpus.json").is_file():
            try:
                corpus = Corpus.open(Path(place))
                concepts.check_corpus(corpus)
            except InputError:  # another corpus stands there now
                continue
            return corpus
    return None


def _example(concepts: ConceptSet, corpus: Corpus | None, i: int) -> ExampleConcepts:
    row = concepts.matrix[[i]]
    order = np.argsort(-row.data, kind="stable")
    held = [(concepts.names[row.indices[k]], float(row.data[k])) for k in order.tolist()]
    return ExampleConcepts(
        i, "" if corpus is None else corpus.id(i), [] if corpus is None else corpus.captions(i), held
    )


def _share(which: NDArray[np.bool_]) -> float:
    return float(which.mean()) if len(which) else 0.0


def _listed(counts: Sequence[tuple[str, int]]) -> str:
    return ", ".join(f"{name} {count:,}" for name, count in counts)


def _weighed(concepts: list[tuple[str, float]]) -> str:
    """Concepts with their weights, where those differ."""
    plain = all(value == 1 for _, value in concepts)
    named = [name if plain else f"{name} {value:.2f}" for name, value in concepts[:_CONCEPTS]]
    more = f", and {len(concepts) - _CONCEPTS} more" if len(concepts) > _CONCEPTS else ""
    return ", ".join(named) + more
