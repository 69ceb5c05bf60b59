"""``folder:DIR``: class folders, under ``train/`` and ``test/`` (or ``val/``) where there are such."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

from wordsight.corpus.class_names import one_name_each
from wordsight.corpus.readers.folder import Folder
from wordsight.evaluation.tasks.task import LabelledImages, labelled_from


@dataclass(frozen=True)
class FolderTask:
    """Class folders of images, one label an image.

    Args:
        path: The folder. With ``train/``, ``val/`` and ``test/`` in it (or ``training_set``, ``valid``, ``test_set``,
            ...), the classifier learns from train and val and is tested on test; without ``test/`` val is the test;
            without any of them a fixed fifth is.
        names: A file with the names of the classes, where the folders are called by ids: a table, JSON, or an id and
            its name a line.
    """

    path: Path
    names: Path | None = None

    @property
    def name(self) -> str:
        """What results are filed under."""
        return self.path.resolve().name

    def read(self) -> LabelledImages:
        """The labelled images."""
        reader = Folder(self.path)
        found = labelled_from(str(self.path), reader, multilabel=False)
        found = _split_as_a_class(found)
        classes = self._classes(reader, found)
        if self.names is None:
            return replace(found, class_names=classes)
        names = dict(zip(classes, one_name_each(classes, self.names), strict=True))
        return replace(
            found,
            class_names=[names.get(each, each) for each in classes],
            labels=[tuple(names.get(each, each) for each in labels) for labels in found.labels],
        )

    def _classes(self, reader: Folder, found: LabelledImages) -> list[str]:
        """The class folders, empty ones too; where there are splits, those in them: a folder beside them is none."""
        declared = reader.label_names()
        tops = {split for split in found.splits if split}
        if not tops:
            return sorted({*declared, *(label for labels in found.labels for label in labels)})
        inside = {each.name for top in tops for each in (self.path / top).iterdir() if each.is_dir()}
        return [name for name in declared if name in inside]


def _split_as_a_class(found: LabelledImages) -> LabelledImages:
    """A folder ``train/`` beside ``bus/`` and ``car/``, all three with images right in them, is a class of trains."""
    splits = {split for split in found.splits if split}
    name = next(iter(splits), "")
    if len(splits) != 1 or name.lower() not in ("train", "trains"):
        return found
    inside = [split == name for split in found.splits]
    if any(labels for labels, within in zip(found.labels, inside, strict=True) if within):
        return found
    if sum(bool(labels) for labels in found.labels) == 0:
        return found
    labels = [(name,) if within else each for each, within in zip(found.labels, inside, strict=True)]
    return replace(found, labels=labels, splits=[""] * len(inside))
