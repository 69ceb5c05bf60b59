"""What ``run.json`` says: what a run was trained on, and how it ended."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Literal

from wordsight.settings import from_mapping
from wordsight.vision.backbones import Backbone
from wordsight.vision.preprocessing import MEAN, STD, Preprocessing


@dataclass(frozen=True)
class RunConcepts:
    """A concept set that a run learned from.

    Args:
        folder: Where it is.
        fingerprint: Its fingerprint.
        count: Number K of concepts.
        target: Whether its values are labels or probabilities.
        unseen: How many concepts no image of the split has: all that is learned of them is that they are rare.
    """

    folder: str
    fingerprint: str
    count: int
    target: Literal["labels", "probabilities"]
    unseen: int = 0


@dataclass(frozen=True)
class RunInfo:
    """What a run was trained on, and how it ended.

    Args:
        corpus: Folder of the corpus when it was trained.
        corpus_fingerprint: Its fingerprint.
        split: The split trained on.
        examples: How many images that was.
        concepts: The concept sets, by name.
        language: Name of the language model, where one was read.
        fields: What each field of the batch keeps of itself, by the field's name.
        environment: Versions and device.
        steps: Steps in all.
        finished: Whether all of them were done.
        seconds: Time spent training.
        weights: Where a file's weights lay that it began with, and what of them was read; "" for random or published
            ones.
        warnings: What a reader of any of its numbers should know of these weights.
        corpus_from_run: The folder of the corpus as a path from the run folder: both may be moved together.
        language_fingerprint: That of the language model; "" where none was read, or by earlier versions.
        mean: Mean of each colour that its images were normalised by; None for ImageNet's.
        std: Spread of each colour; None for ImageNet's.
    """

    corpus: str
    corpus_fingerprint: str
    split: str
    examples: int
    concepts: dict[str, RunConcepts]
    language: str | None
    fields: dict[str, dict[str, Any]]
    environment: dict[str, Any]
    steps: int
    finished: bool = False
    seconds: float = 0.0
    weights: str = ""
    warnings: list[str] = field(default_factory=list)
    corpus_from_run: str = ""
    language_fingerprint: str = ""
    mean: tuple[float, ...] | None = None
    std: tuple[float, ...] | None = None

    def begun_with(self, backbone: Backbone) -> RunInfo:
        """The same with what the run's record keeps of the weights that it begins with, and of how they see."""
        found, shown = replace(self, weights=backbone.origin, warnings=list(backbone.warnings)), backbone.preprocessing
        return found if shown.usual else replace(found, mean=tuple(shown.mean), std=tuple(shown.std))

    def preprocessing(self, side: int) -> Preprocessing:
        """How its images were shown, at a side in pixels."""
        return Preprocessing(side, self.mean or MEAN, self.std or STD)


def read_info(values: Mapping[str, Any], where: str) -> RunInfo:
    """What ``run.json`` says, also that of an earlier version.

    Args:
        values: Its content.
        where: The file, for messages.

    Raises:
        InputError: When it is not such a file's content.
    """
    if isinstance(values, Mapping) and "fields" not in values and "masked" in values:
        masked = values["masked"]
        values = {name: value for name, value in values.items() if name != "masked"}
        values["fields"] = {} if masked is None else {"masked": {"folder": masked}}
    return from_mapping(RunInfo, values, where)
