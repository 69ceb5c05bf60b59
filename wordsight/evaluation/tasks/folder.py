"""``folder:DIR``: class folders, under ``train/`` and ``test/`` (or ``val/``) where there are such."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from wordsight.corpus.readers.folder import Folder
from wordsight.evaluation.tasks.task import Labelled, labelled_from


@dataclass(frozen=True)
class FolderTask:
    """Class folders of images, one label an image.

    Args:
        path: The folder. With ``train/``, ``val/`` and ``test/`` in it, the classifier learns from train and val and is
            tested on test; without ``test/`` val is the test; without any of them a fixed fifth is.
    """

    path: Path

    @property
    def name(self) -> str:
        """What results are filed under."""
        return self.path.resolve().name

    def read(self) -> Labelled:
        """The labelled images."""
        reader = Folder(self.path)
        return labelled_from(str(self.path), reader, class_names=reader.label_names(), multilabel=False)
