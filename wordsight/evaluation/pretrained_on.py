"""Overlap of test images with those that a run was pretrained on: such a result gets a warning."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace

from wordsight.corpus.known_images import KnownImages, side_of
from wordsight.evaluation.features.cache import key_of, load_baseline, store_baseline
from wordsight.evaluation.models.evaluated_model import EvaluatedModel
from wordsight.evaluation.results.result import Result
from wordsight.evaluation.tasks import Task
from wordsight.evaluation.tasks.caption_split import CorpusSplit

# The count in a result.
PRETRAINED_ON = "test_images_pretrained_on"
_NOT_CHECKED = "not checked: whether test images were pretrained on"
_ABOUT = re.compile(r"test images? (was|were) pretrained on")


@dataclass(frozen=True)
class PretrainingOverlap:
    """How many of the images that are tested on were pretrained on.

    Args:
        count: How many; None where that could not be checked.
        images: Of how many.
        doubt: What could not be compared, a sentence; "" for nothing.
    """

    count: int | None
    images: int
    doubt: str = ""

    def warnings(self) -> list[str]:
        """What a reader should know, a sentence each."""
        if self.count is None:
            return [f"{_NOT_CHECKED} ({self.doubt})"]
        doubt = f" ({self.doubt})" if self.doubt else ""
        if self.count == 0:
            return [f"{_NOT_CHECKED} as well{doubt}"] if self.doubt else []
        least = "at least " if self.doubt else ""
        of = f"{least}{self.count:,} of {self.images:,} test images"
        be = "was" if self.count == 1 else "were"
        return [f"{of} {be} pretrained on{doubt}: this is not a held-out result"]


def pretraining_overlap(model: EvaluatedModel, data: Task | CorpusSplit) -> PretrainingOverlap | None:
    """How many of the images of a task or split were pretrained on, by the hashes of their pixels.

    Args:
        model: What is measured.
        data: The task, whose test images count; or a split of a corpus.

    Returns:
        None for a network that is no run's: what it was pretrained on is not known here; and for a corpus that is the
        run's own, which says itself that it was trained on.
    """
    if not model.trained_on or (isinstance(data, CorpusSplit) and data.seen_in_training(model)):
        return None
    known = model.pretrained
    if isinstance(data, Task):
        images, side = len(data.test), data.test.packed_side
    else:
        images, side = len(data.corpus.indices(data.split)), side_of(data.corpus)
    if known is None:
        why = "the run keeps no hashes of its images, and its corpus is not there or holds others now"
        return PretrainingOverlap(None, images, why)
    hashes = _hashes_of(data, known)
    sides = f"large photos could not be compared: their hashes are of {side} and {known.shorter_side} px"
    doubt = sides if side and side != known.shorter_side and len(known) else ""
    return PretrainingOverlap(int(known.hold(hashes).sum()), images, doubt)


def with_overlap(result: Result, seen: PretrainingOverlap | None) -> Result:
    """A result with the number of its test images that were pretrained on, in place of an earlier one.

    Args:
        result: The result.
        seen: How many.
    """
    warnings = [each for each in result.warnings if not _ABOUT.search(each)]
    counts = {name: count for name, count in result.counts.items() if name != PRETRAINED_ON}
    if seen is not None:
        warnings = [*seen.warnings(), *warnings]
        counts |= {} if seen.count is None else {PRETRAINED_ON: seen.count}
    return replace(result, warnings=warnings, counts=counts)


def is_about_held_out(warning: str) -> bool:
    """Whether a warning is that the result is not a held-out one, or that this was not checked."""
    return _ABOUT.search(warning) is not None or warning.endswith("not a held-out result")


def _hashes_of(data: Task | CorpusSplit, known: KnownImages) -> Sequence[str]:
    if isinstance(data, CorpusSplit):
        return [data.corpus.image_hash(int(row)) for row in data.corpus.indices(data.split)]
    part = data.test
    if part.packed_side:
        return part.hashes
    if len(known) == 0:
        return []
    # Decoding every test image takes as long as looking at it: it is done once.
    key = key_of("hashes of pictures", known.shorter_side, list(part.hashes))
    cached = (load_baseline(key) or {}).get("hashes")
    if isinstance(cached, list) and len(cached) == len(part):
        return [str(each) for each in cached]
    found = known.hashes_of(part.images)
    store_baseline(key, {"hashes": [each[:16] for each in found], "task": data.name})
    return found
