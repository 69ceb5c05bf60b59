"""The task: labelled images in two splits, to learn a classifier from and to test it on."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from wordsight.corpus.encoded_images import EncodedImage, ImageSubset
from wordsight.corpus.example import CountsUnread, Example, Rejected
from wordsight.corpus.image_formats import decoder_packages
from wordsight.corpus.left_out import unread_in_words
from wordsight.corpus.splits import part_of
from wordsight.errors import InputError, listed
from wordsight.evaluation.tasks.split_assignment import assign_splits
from wordsight.parallel import ordered_map, readers
from wordsight.progress import track

# More bad examples than this and the task is not the one that its name says.
MAX_REJECTED_SHARE = 0.05
# Where fewer images than this have several labels, most likely none was meant to.
FEW_WITH_SEVERAL = 0.05


@dataclass(frozen=True)
class LabelledImages:
    """The labelled images of a source, one entry an image.

    Args:
        where: What a person calls the source in an error: its folder or file.
        ids: What to name the images by.
        images: The encoded images.
        labels: The classes of each image.
        ignored: The classes that are not to be counted either way.
        splits: The split of each image, "" where it has none.
        class_names: Every class that the source declares; empty to take those of the images.
        multilabel: Whether an image may have several labels; None to infer it from the labels.
        hashes: Hash of each image; None to compute them from the encoded images.
        rejected: Rows that could not be made an example.
        stored: How the images are stored, where their hashes don't identify that; "" where the hashes are of the
            encoded images themselves.
        packed_side: Shorter side, in pixels, of the images of a corpus, whose hashes are of pixels; 0 for others.
        undecoded: What lies there as images that nothing installed reads, and how to read it; "" where nothing does.
    """

    where: str
    ids: Sequence[str]
    images: Sequence[EncodedImage]
    labels: Sequence[tuple[str, ...]]
    ignored: Sequence[tuple[str, ...]]
    splits: Sequence[str]
    class_names: Sequence[str] = ()
    multilabel: bool | None = None
    hashes: Sequence[str] | None = None
    rejected: Sequence[Rejected] = ()
    stored: str = ""
    packed_side: int = 0
    undecoded: str = ""


@dataclass(frozen=True)
class TaskSplit:
    """One side of a task.

    Args:
        ids: What to name the images by.
        images: The encoded images.
        hashes: Hash of each image.
        targets: The class of each image, int64 ``[n]``; with several labels int8 ``[n, K]``: 1 where the image has the
            class, 0 where not, -1 where it is ignored.
        stored: As in :class:`LabelledImages`.
        packed_side: As in :class:`LabelledImages`.
        validation: Which of them the source itself sets aside to choose settings by, ``[n]``; None where it doesn't.
    """

    ids: Sequence[str]
    images: Sequence[EncodedImage]
    hashes: Sequence[str]
    targets: NDArray[Any]
    stored: str = ""
    packed_side: int = 0
    validation: NDArray[np.bool_] | None = None

    def __len__(self) -> int:
        return len(self.ids)


@dataclass(frozen=True)
class Task:
    """Labelled images, split into training and test.

    Args:
        name: What results are filed under.
        spec: What a person wrote to get it.
        class_names: The K classes.
        multilabel: Whether an image may have several labels.
        train: What a classifier is learned from.
        test: What it is tested on.
        split_rule: How the two parts came about.
        fingerprint: Hash of images, labels and parts.
        notes: What a reader of its results should know.
    """

    name: str
    spec: str
    class_names: Sequence[str]
    multilabel: bool
    train: TaskSplit
    test: TaskSplit
    split_rule: str
    fingerprint: str
    notes: Sequence[str] = ()


def labelled_from(where: str, items: Iterable[Example | Rejected], **what: Any) -> LabelledImages:
    """Collect what a corpus reader yields.

    Args:
        where: The source, for errors.
        items: What the reader yields.
        what: Further fields of :class:`LabelledImages`.
    """
    examples: list[Example] = []
    rejected: list[Rejected] = []
    for item in track(items, "listing images"):
        if isinstance(item, Example):
            examples.append(item)
        elif item.kind != "caption":
            rejected.append(item)
    unread = items.unread() if isinstance(items, CountsUnread) else {}
    return LabelledImages(
        where=where,
        undecoded=unread_in_words({ending: n for ending, n in unread.items() if ending in decoder_packages()}),
        ids=[example.id for example in examples],
        images=[example.image for example in examples],
        labels=[example.labels for example in examples],
        ignored=[example.ignored_labels for example in examples],
        splits=[example.split for example in examples],
        rejected=rejected,
        **what,
    )


def build_task(name: str, spec: str, source: LabelledImages) -> Task:
    """Turn labelled images into a task: classes numbered, parts made.

    Args:
        name: What results are filed under.
        spec: What a person wrote.
        source: The images and labels.

    Raises:
        InputError: When there is nothing to learn or to test on, fewer than two classes, or too many bad rows.
    """
    _check_rejected(source)
    multilabel = source.multilabel
    if multilabel is None:
        multilabel = any(len(labels) > 1 for labels in source.labels) or any(source.ignored)
    used = np.array([multilabel or len(labels) == 1 for labels in source.labels], dtype=np.bool_)
    classes = list(source.class_names) or sorted({label for labels in source.labels for label in labels})
    if not used.any() or not any(source.labels):
        raise InputError("no image has a label", where=source.where, expected="labelled images")
    if len(classes) < 2 and not multilabel:
        raise InputError(
            f"every image is of the one class {classes[0]!r}", where=source.where, expected="two classes or more"
        )
    targets = _targets(source, classes, multilabel)
    hashes = source.hashes if source.hashes is not None else _hashes(source)
    divided = assign_splits(source.where, source.ids, source.splits, used, targets, hashes)
    if not divided.train.any():
        raise InputError("every training image is also in the test", where=source.where, expected="images that differ")
    notes = [*_notes(source, used, divided.train | divided.test | divided.shared, multilabel), *divided.notes]
    parts = [_part(source, hashes, targets, np.flatnonzero(chosen)) for chosen in (divided.train, divided.test)]
    own = np.array([part_of(name) == "val" for name in source.splits])[divided.train]
    if own.any() and not own.all():
        parts[0] = replace(parts[0], validation=own)
    return Task(
        name=name,
        spec=spec,
        class_names=classes,
        multilabel=multilabel,
        train=parts[0],
        test=parts[1],
        split_rule=divided.rule,
        fingerprint=_fingerprint(classes, parts),
        notes=notes,
    )


def _check_rejected(source: LabelledImages) -> None:
    total = len(source.ids) + len(source.rejected)
    if total == 0:
        found = "no image was found" + (f"; not read: {source.undecoded}" if source.undecoded else "")
        raise InputError(found, where=source.where, expected="labelled images")
    if len(source.rejected) > MAX_REJECTED_SHARE * total:
        first = source.rejected[0]
        raise InputError(
            f"{len(source.rejected):,} of {total:,} rows can't be used ({first.id}: {first.reason} {first.detail})",
            where=source.where,
            mend="mend or remove them",
        )


def _targets(source: LabelledImages, classes: Sequence[str], multilabel: bool) -> NDArray[Any]:
    number = {name: k for k, name in enumerate(classes)}
    if not multilabel:
        return np.array([number.get(each[0], -1) if len(each) == 1 else -1 for each in source.labels], dtype=np.int64)
    targets = np.zeros((len(source.ids), len(classes)), dtype=np.int8)
    for value, columns in ((-1, source.ignored), (1, source.labels)):
        for row, labels in enumerate(columns):
            for label in labels:
                if label in number:
                    targets[row, number[label]] = value
    return targets


def _hashes(source: LabelledImages) -> list[str]:
    """A hash of every encoded image; files are read on several threads."""

    def digest(row: int) -> str:
        image = source.images[row]
        try:
            content = image.read_bytes() if isinstance(image, Path) else image
        except OSError as error:
            raise InputError(f"can't be read ({error.strerror or error})", where=str(image)) from error
        return hashlib.blake2b(content, digest_size=16).hexdigest()

    rows = range(len(source.ids))
    return list(track(ordered_map(digest, rows, workers=readers()), "reading images", total=len(rows)))


def _notes(
    source: LabelledImages, used: NDArray[np.bool_], in_splits: NDArray[np.bool_], multilabel: bool
) -> list[str]:
    notes = []
    if source.rejected:
        notes.append(_left_out(source.rejected))
    if source.undecoded:
        notes.append(f"images that were not read: {source.undecoded}")
    if multilabel and source.multilabel is None:
        several = [name for name, labels in zip(source.ids, source.labels, strict=True) if len(labels) > 1]
        if 0 < len(several) < FEW_WITH_SEVERAL * len(source.ids):
            have = "has" if len(several) == 1 else "have"
            found = f"{len(several):,} of {len(source.ids):,} images {have} several labels, such as {several[0]}"
            notes.append(f"{found}: measured as several labels an image")
    empty = [not labels and not ignored for labels, ignored in zip(source.labels, source.ignored, strict=True)]
    without = f"{counted(sum(empty), 'image')} without a label"
    if any(empty) and not multilabel:
        of = Counter(split for split, is_empty in zip(source.splits, empty, strict=True) if is_empty and split)
        whose = f" ({listed(f'{count:,} of {split}' for split, count in sorted(of.items()))})" if of else ""
        notes.append(f"{without}{whose} {_were(sum(empty))} left out")
    elif any(empty) and source.multilabel is None:
        # A cell of labels that is empty; where each class has a column, a zero says that the image lacks it.
        notes.append(f"{without}: of none of the classes")
    unsplit = int((used & ~in_splits).sum())
    if unsplit:
        be = "is" if unsplit == 1 else "are"
        notes.append(f"{counted(unsplit, 'image')} {be} in neither part's split and {_were(unsplit)} left out")
    return notes


def counted(count: int, noun: str) -> str:
    """A number with its noun: "1 image", "1,200 images"."""
    return f"{count:,} {noun}{'' if count == 1 else 's'}"


def _were(count: int) -> str:
    return "was" if count == 1 else "were"


def _left_out(rejected: Sequence[Rejected]) -> str:
    """How many rows were left out, and which one for example."""
    first, count = rejected[0], len(rejected)
    why = " ".join(f"{first.reason}: {first.detail}".split())[:160] if first.detail else first.reason
    such = ":" if count == 1 else ", such as"
    return f"{counted(count, 'row')} could not be used and {_were(count)} left out{such} {first.id} ({why})"


def _part(source: LabelledImages, hashes: Sequence[str], targets: NDArray[Any], rows: NDArray[np.int64]) -> TaskSplit:
    return TaskSplit(
        ids=[source.ids[row] for row in rows.tolist()],
        images=ImageSubset(source.images, rows),
        hashes=[hashes[row] for row in rows.tolist()],
        targets=targets[rows],
        stored=source.stored,
        packed_side=source.packed_side,
    )


def _fingerprint(classes: Sequence[str], parts: Sequence[TaskSplit]) -> str:
    digest = hashlib.sha256("\n".join(classes).encode())
    for part in parts:
        digest.update(f"\n{len(part)}\n{part.stored}".encode())
        digest.update("".join(part.hashes).encode())
        digest.update(np.ascontiguousarray(part.targets).tobytes())
    return digest.hexdigest()[:16]
