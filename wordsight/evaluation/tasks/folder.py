"""``folder:DIR``: class folders, under ``train/`` and ``test/`` (or ``val/``) where there are such."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

from wordsight.corpus.readers.folder import Folder
from wordsight.evaluation.class_names import one_name_each
from wordsight.evaluation.tasks.task import Labelled, labelled_from


@dataclass(frozen=True)
class FolderTask:
    """Class folders of images, one label an image.

    Args:
        path: The folder. With ``train/``, ``val/`` and ``test/`` in it, the classifier learns from train and val and is
            tested on test; without ``test/`` val is the test; without any of them a fixed fifth is.
        names: A file with the names of the classes, where the folders are called by ids: a table, JSON, or an id and
            its name a line.
    """

    path: Path
    names: Path | None = None

    @property
    def name(self) -> str:
        """What results are filed under."""
        return self.path.resolve().name

    def read(self) -> Labelled:
        """The labelled images."""
        reader = Folder(self.path)
        classes = reader.label_names()
        found = labelled_from(str(self.path), reader, class_names=classes, multilabel=False)
        if self.names is None:
            return found
        names = dict(zip(classes, one_name_each(classes, self.names), strict=True))
        return replace(
            found,
            class_names=[names.get(each, each) for each in classes],
            labels=[tuple(names.get(each, each) for each in labels) for labels in found.labels],
        )
