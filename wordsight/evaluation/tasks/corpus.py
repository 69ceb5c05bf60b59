"""``corpus:FOLDER``: the labels of a corpus."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from wordsight.corpus.known_images import side_of
from wordsight.corpus.store import Corpus
from wordsight.evaluation.tasks.label_values import as_classes
from wordsight.evaluation.tasks.task import EncodedImage, Labelled


@dataclass(frozen=True)
class CorpusTask:
    """A corpus whose examples have labels.

    Args:
        path: The corpus folder.
    """

    path: Path

    @property
    def name(self) -> str:
        """What results are filed under."""
        return self.path.resolve().name

    def read(self) -> Labelled:
        """The labelled images, which stay where they lie until they are looked at."""
        corpus = Corpus.open(self.path)
        rows = range(len(corpus))
        labels = [tuple(corpus.labels(i)) for i in rows]
        found = Labelled(
            where=str(self.path),
            ids=[corpus.id(i) for i in rows],
            images=CorpusImages(corpus),
            labels=labels,
            ignored=[tuple(corpus.ignored_labels(i)) for i in rows],
            splits=[corpus.split(i) for i in rows],
            class_names=corpus.label_names if any(labels) else (),
            hashes=[corpus.image_hash(i) for i in rows],
            # A corpus keeps images smaller than the files that it knows them by.
            stored=corpus.fingerprint,
            packed_side=side_of(corpus),
        )
        return as_classes(found)


class CorpusImages(Sequence[EncodedImage]):
    """The encoded images of a corpus."""

    def __init__(self, corpus: Corpus) -> None:
        self._corpus = corpus

    def __len__(self) -> int:
        return len(self._corpus)

    def __getitem__(self, place: Any) -> Any:
        if isinstance(place, slice):
            return list(map(partial(Corpus.image_bytes, self._corpus), range(len(self))[place]))
        return self._corpus.image_bytes(place)
