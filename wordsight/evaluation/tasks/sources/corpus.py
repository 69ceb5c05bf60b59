"""``corpus:FOLDER``: the labels of a corpus."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from wordsight.corpus.encoded_images import CorpusImages
from wordsight.corpus.known_images import side_of
from wordsight.corpus.store import Corpus
from wordsight.evaluation.tasks.sources.label_values import as_classes
from wordsight.evaluation.tasks.task import LabelledImages


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

    def read(self) -> LabelledImages:
        """The labelled images, which are read when they are used."""
        corpus = Corpus.open(self.path)
        rows = range(len(corpus))
        labels = [tuple(corpus.labels(i)) for i in rows]
        found = LabelledImages(
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
