"""Small things to evaluate: a network that passes pictures on, tasks of a few pictures, hand-made masked captions."""

from __future__ import annotations

import io
import json
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor, nn

from wordsight.batching.batch import Batch
from wordsight.batching.masks import MaskedWords
from wordsight.corpus import Box, Corpus, Example, build_corpus
from wordsight.evaluation import CaptionedSplit, EvaluatedModel, Task, open_protocol
from wordsight.evaluation.tasks import TaskSplit
from wordsight.language.features import MaskedCaptions
from wordsight.objectives import Losses, MaskedPrediction, MaskedWordObjective, Seen
from wordsight.vision.backbones import Backbone

GRID = 4
Array = NDArray[Any]


class Shrink(nn.Module):
    """Pictures to a grid of their mean colours, times a weight for each colour."""

    def __init__(self, weights: Sequence[float]) -> None:
        super().__init__()
        self.weights = nn.Parameter(torch.tensor(weights)[:, None, None])

    def forward(self, images_BCHW: Tensor) -> Tensor:
        return nn.functional.adaptive_avg_pool2d(images_BCHW, GRID) * self.weights


def shrinking_backbone(*weights: float) -> Backbone:
    """A backbone whose features are colours."""
    return Backbone(Shrink(weights or (1.0, 1.0, 1.0)), {"grid": ""}, 3)


class LooksAtRed(MaskedWordObjective):
    """Attends to the reddest cell (or, turned round, to the least red one), and always guesses the same words."""

    def __init__(self, guesses: Sequence[int], vocabulary: int, *, sign: float = 1.0) -> None:
        super().__init__(shrinking_backbone())
        self.scores = torch.zeros(vocabulary)
        self.scores[list(guesses)] = torch.arange(len(guesses), 0, -1).float()
        self.sign = sign

    @property
    def candidates(self) -> Tensor:
        return torch.arange(len(self.scores))

    def losses(self, seen: Seen, batch: Batch) -> Losses:
        return Losses(self.scores.sum())

    def predict_masked(self, grid_BCHW: Tensor, words: MaskedWords) -> MaskedPrediction:
        redness_BL = (grid_BCHW[:, 0] - grid_BCHW[:, 2]).flatten(1) * self.sign
        captions = words.target_Bm.shape[1]
        attention_BmL = redness_BL.softmax(-1)[:, None].expand(-1, captions, -1)
        logits_BmV = self.scores.expand(len(grid_BCHW), captions, -1)
        return MaskedPrediction(logits_BmV, attention_BmL, (grid_BCHW.shape[-2], grid_BCHW.shape[-1]))


def picture(colour: tuple[int, int, int], width: int = 32, height: int = 32, noise: int = 0) -> Image.Image:
    """A picture of one colour, with some noise that tells it from others."""
    pixels = np.full((height, width, 3), colour, dtype=np.int64)
    pixels += np.random.default_rng(noise).integers(-20, 21, size=pixels.shape)
    return Image.fromarray(pixels.clip(0, 255).astype(np.uint8))


def encoded(image: Image.Image) -> bytes:
    """A picture as PNG."""
    coded = io.BytesIO()
    image.save(coded, "PNG")
    return coded.getvalue()


def settings_of(name: str, **changes: Any) -> Any:
    """The settings of a protocol, some of them changed."""
    return replace(open_protocol(name).settings, **changes)


def array_task(train: Array, test: Array, classes: int) -> Task:
    """A task that is targets alone; its images are named by their number."""

    def part(targets: Array, first: int) -> TaskSplit:
        ids = [f"image-{first + row}" for row in range(len(targets))]
        return TaskSplit(ids, [each.encode() for each in ids], ids, targets)

    names = [f"class-{k}" for k in range(classes)]
    return Task("arrays", "arrays", names, train.ndim == 2, part(train, 0), part(test, len(train)), "made", "made")


@dataclass(frozen=True)
class MadeReader:
    """Examples that a test wrote down."""

    examples: list[Example] = field(default_factory=list)

    def __iter__(self) -> Iterator[Example]:
        yield from self.examples

    def sources(self) -> list[str]:
        return ["a test"]

    def label_names(self) -> list[str]:
        return []


@pytest.fixture
def colour_folder(tmp_path: Path) -> Path:
    """Class folders ``blue`` and ``red`` under ``train`` and ``test``: 12 and 4 pictures a class."""
    folder = tmp_path / "colours"
    for number, (name, colour) in enumerate({"red": (180, 60, 60), "blue": (60, 60, 180)}.items()):
        for split, count in (("train", 12), ("test", 4)):
            for i in range(count):
                file = folder / split / name / f"{i}.png"
                file.parent.mkdir(parents=True, exist_ok=True)
                picture(colour, noise=1000 * number + 100 * (split == "test") + i).save(file)
    return folder


@pytest.fixture
def model(tmp_path: Path) -> EvaluatedModel:
    """A backbone that sees colours; randomly initialised it sees only brightness."""
    return EvaluatedModel(
        name="seer",
        backbone=shrinking_backbone(1.0, 1.0, 1.0),
        random_backbone=lambda: shrinking_backbone(0.0, 1.0, 0.0),
        image_size=16,
        results_folder=tmp_path / "results",
    )


def write_masked(
    folder: Path, examples: Sequence[int], targets: Sequence[int], concepts: Sequence[int], count: int
) -> Path:
    """Masked captions of one shape: [CLS] [MASK] [SEP], with features of zeros."""
    folder.mkdir(parents=True)
    rows = len(examples)
    columns: dict[str, Array] = {
        "example": np.array(examples, dtype=np.int64),
        "caption": np.zeros(rows, dtype=np.int32),
        "position": np.ones(rows, dtype=np.int32),
        "target": np.array(targets, dtype=np.int32),
        "concept": np.array(concepts, dtype=np.int32),
        "sentence": np.arange(rows, dtype=np.int64),
        "sentence_offsets": np.arange(rows + 1, dtype=np.int64) * 3,
        "example_offsets": np.searchsorted(examples, np.arange(count + 1)).astype(np.int64),
        "ids": np.tile(np.array([0, 1, 2], dtype=np.int32), rows),
        "features": np.zeros((3 * rows, 2), dtype=np.float16),
    }
    for name, column in columns.items():
        np.save(folder / f"{name}.npy", column, allow_pickle=False)
    info = {"fingerprint": folder.name, "width": 2, "vocabulary": 10, "live": False, "rows": rows, "tokens": 3 * rows}
    (folder / "masked.json").write_text(json.dumps(info), "utf-8")
    return folder


MakeSplit = Callable[..., CaptionedSplit]


@pytest.fixture
def make_split(tmp_path: Path) -> MakeSplit:
    """Builds a captioned split from pictures with boxes, and what is masked in them."""

    def make(
        pictures: Sequence[tuple[Image.Image, Sequence[Box]]],
        words: Sequence[tuple[int, int, int]],
        concepts: Sequence[str],
        train: Sequence[int] = (),
    ) -> CaptionedSplit:
        examples = [
            Example(f"{i}.png", encoded(image), captions=("a thing in a picture",), boxes=tuple(boxes))
            for i, (image, boxes) in enumerate(pictures)
        ]
        corpus: Corpus = build_corpus(MadeReader(examples), tmp_path / "made")
        example, target, concept = zip(*words, strict=True)
        masked = MaskedCaptions(write_masked(tmp_path / "masked", example, target, concept, len(corpus)))
        learned = None
        if train:
            learned = MaskedCaptions(
                write_masked(tmp_path / "learned", [0] * len(train), train, [0] * len(train), len(corpus))
            )
        return CaptionedSplit(corpus, "all", masked, list(concepts), train=learned)

    return make
