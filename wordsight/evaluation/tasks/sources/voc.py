"""``voc:DIR``: PASCAL VOC's lists, several labels an image, difficult ones ignored."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path

from wordsight.corpus.readers.voc import Voc
from wordsight.errors import InputError, listed
from wordsight.evaluation.tasks.task import LabelledImages, labelled_from

_HOLDS = (Path("ImageSets", "Main"), Path("Annotations"))


@dataclass(frozen=True)
class VocTask:
    """VOC 2007 (learned from trainval, tested on test) or 2012 (from train, tested on val: its test has no labels).

    Any folder with lists of that layout will do, or with XML files alone, as labelling tools write them; difficult
    objects are to be ignored.

    Args:
        path: The folder that holds ``JPEGImages`` (or ``images``) and ``ImageSets/Main``, ``Annotations`` or both; or a
            folder above it (``VOCdevkit``), where one year alone is in it.
    """

    path: Path

    @property
    def name(self) -> str:
        """What results are filed under."""
        return self._folder.resolve().name

    def read(self) -> LabelledImages:
        """The labelled images."""
        reader = Voc(self._folder)
        found = labelled_from(str(self._folder), reader, class_names=reader.label_names(), multilabel=True)
        return _labelled_splits(found)

    @cached_property
    def _folder(self) -> Path:
        if _is_voc(self.path):
            return self.path
        years = sorted(
            folder for pattern in ("VOC*", "VOCdevkit/VOC*") for folder in self.path.glob(pattern) if _is_voc(folder)
        )
        if len(years) > 1:
            raise InputError(
                f"holds {listed(folder.name for folder in years)}", where=self.path, mend=f"say which: voc:{years[0]}"
            )
        return years[0] if years else self.path


def _is_voc(folder: Path) -> bool:
    return any((folder / each).is_dir() for each in _HOLDS)


def _labelled_splits(found: LabelledImages) -> LabelledImages:
    """Without the splits whose lists name images alone: VOC 2012 lists its test images, and keeps their labels."""
    rows_of: dict[str, list[int]] = {}
    for row, split in enumerate(found.splits):
        rows_of.setdefault(split, []).append(row)
    labelled = [rows for rows in rows_of.values() if any(found.labels[row] or found.ignored[row] for row in rows)]
    if not labelled or len(labelled) == len(rows_of):
        return found
    rows = sorted(row for each in labelled for row in each)
    return replace(
        found,
        ids=[found.ids[row] for row in rows],
        images=[found.images[row] for row in rows],
        labels=[found.labels[row] for row in rows],
        ignored=[found.ignored[row] for row in rows],
        splits=[found.splits[row] for row in rows],
    )
