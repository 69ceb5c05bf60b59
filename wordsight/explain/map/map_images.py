"""What is laid out on a map: images with their names, labels and captions, from a corpus or from a task."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from wordsight.corpus.encoded_images import CorpusImages, EncodedImage, ImageSubset
from wordsight.corpus.splits import ALL
from wordsight.corpus.store import Corpus
from wordsight.evaluation.tasks import Task
from wordsight.explain.map.map_settings import MapSettings


@dataclass(frozen=True)
class MapImages:
    """Images, one entry each.

    Args:
        name: What a person calls them.
        images: The encoded images.
        ids: What to name them by.
        labels: The classes that hold.
        captions: What is said of them.
    """

    name: str
    images: Sequence[EncodedImage]
    ids: Sequence[str]
    labels: Sequence[Sequence[str]]
    captions: Sequence[Sequence[str]]

    def __len__(self) -> int:
        return len(self.ids)


def images_of_corpus(corpus: Corpus, split: str, settings: MapSettings) -> MapImages:
    """Images of a split.

    Args:
        corpus: The corpus.
        split: The split.
        settings: How many.

    Raises:
        InputError: When there is no such split.
    """
    indices = corpus.indices(split)
    rows = indices[_lot(len(indices), settings)]
    return MapImages(
        name=corpus.name if split == ALL else f"{corpus.name}, {split}",
        images=ImageSubset(CorpusImages(corpus), rows),
        ids=[corpus.id(i) for i in rows.tolist()],
        labels=[corpus.labels(i) for i in rows.tolist()],
        captions=[corpus.captions(i) for i in rows.tolist()],
    )


def images_of_task(task: Task, settings: MapSettings) -> MapImages:
    """Images of a task's test.

    Args:
        task: Labelled images.
        settings: How many.
    """
    rows = _lot(len(task.test), settings)
    holds = task.test.targets[rows]
    if holds.ndim == 1:
        labels = [[task.class_names[k]] if k >= 0 else [] for k in holds.tolist()]
    else:
        labels = [[task.class_names[k] for k in np.flatnonzero(row == 1).tolist()] for row in holds]
    return MapImages(
        name=f"{task.name}, test",
        images=ImageSubset(task.test.images, rows),
        ids=[task.test.ids[row] for row in rows.tolist()],
        labels=labels,
        captions=[[] for _ in labels],
    )


def _lot(size: int, settings: MapSettings) -> NDArray[np.int64]:
    """As many of so many rows as are wanted, ascending."""
    if size <= settings.count:
        return np.arange(size)
    return np.sort(np.random.default_rng(settings.seed).choice(size, settings.count, replace=False))
