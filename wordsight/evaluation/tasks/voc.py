"""``voc:DIR``: PASCAL VOC's lists, several labels an image, difficult ones ignored."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from wordsight.corpus.readers.voc import Voc
from wordsight.evaluation.tasks.task import Labelled, labelled_from


@dataclass(frozen=True)
class VocTask:
    """A folder such as ``VOCdevkit/VOC2007``: the classifier learns from trainval and is tested on test.

    Args:
        path: The folder that holds ``JPEGImages`` (or ``images``) and ``ImageSets/Main``.
    """

    path: Path

    @property
    def name(self) -> str:
        """What results are filed under."""
        return self.path.resolve().name

    def read(self) -> Labelled:
        """The labelled images."""
        reader = Voc(self.path)
        return labelled_from(str(self.path), reader, class_names=reader.label_names(), multilabel=True)
