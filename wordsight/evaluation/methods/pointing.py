"""The protocol ``pointing``: does the peak of a word's map fall inside a box of the word's object?

A box counts for a word that is its name, or a word of its name (Visual Genome names its boxes by whole phrases). The
peak is the centre of the grid cell that speaks most for the word: the most attention to it where it was hidden, and
the map of `wordsight.objectives.maps` that the run's objective has where it hides none. Boxes are mapped through the
view that evaluation sees; words whose object is cut away by it are not asked about. Read beside a random cell, and
beside the image's centre.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray

from wordsight.corpus.captions import names_in
from wordsight.corpus.example import Box
from wordsight.errors import InputError
from wordsight.evaluation.methods.masked_words import per_concept
from wordsight.evaluation.methods.recorded_settings import recorded_settings
from wordsight.evaluation.metrics.classification import clustered_error
from wordsight.evaluation.models.evaluated_model import EvaluatedModel
from wordsight.evaluation.predictions.masked_word_predictions import masked_word_objective, predict_masked_words
from wordsight.evaluation.predictions.pointed_words import maps_of_model, named_words, no_named_box, pointed_words
from wordsight.evaluation.predictions.row_samples import sample_rows
from wordsight.evaluation.protocol import EvalProtocol
from wordsight.evaluation.results.result import Result
from wordsight.evaluation.tasks.caption_split import CaptionedSplit, CorpusSplit
from wordsight.objectives import MaskedWordObjective, Objective, parts_of
from wordsight.objectives.maps import map_name
from wordsight.ranges import AtLeastOne, Fraction, check_ranges
from wordsight.vision.crops import boxes_in_view
from wordsight.vision.inference import weights_fingerprint
from wordsight.vision.preprocessing import Framing
from wordsight.vision.views import eval_view_crop


@dataclass(frozen=True)
class PointingSettings:
    """Settings of the protocol.

    Args:
        most_words: With more masked words than this, so many are asked, always the same ones.
        crop_share: Side of the centre square that is looked at, as a share of the image's shorter side.
    """

    most_words: AtLeastOne = 20_000
    crop_share: Fraction = 1.0

    def __post_init__(self) -> None:
        check_ranges(self)


def measure(model: EvaluatedModel, data: CorpusSplit, protocol: EvalProtocol) -> Result:
    """Ask where the words of a split's captions are.

    Args:
        model: Its objective is asked.
        data: Images with boxes and captions; a `CaptionedSplit` for an objective that predicts masked words.
        protocol: The protocol.

    Raises:
        InputError: When the objective knows no words, or no box bears the name of one.
    """
    settings: PointingSettings = protocol.settings
    if parts_of(model.objective, MaskedWordObjective) and isinstance(data, CaptionedSplit):
        asked = _hidden_words(model, data, settings)
    else:
        asked = _mapped_words(model, data, settings)
    assert model.objective is not None, "it was asked"
    inside = points_inside(_centres(asked.peak, asked.grid), asked.edges)
    middle = points_inside(np.full((len(inside), 2), 0.5), asked.edges)
    return Result(
        task=data.name,
        protocol=protocol.name,
        metric="peak inside the object's box",
        value=100 * float(inside.mean()),
        baselines={
            "chance": 100 * float(np.mean([share_inside(box, asked.grid) for box in asked.edges])),
            "image centre": 100 * float(middle.mean()),
        },
        standard_error=clustered_error(inside, asked.example),
        per_class=asked.per_class(inside),
        counts={**asked.counts, "images": len(np.unique(asked.example))},
        settings=recorded_settings(protocol, model, data, grid=list(asked.grid), map=asked.map),
        weights=weights_fingerprint(asked.part),
        data=data.fingerprint,
        warnings=data.seen_in_training(model),
    )


@dataclass(frozen=True)
class _PointedAt:
    """What n words were found by: their peaks ``[n, 2]`` in a grid, their boxes and images, and how they are told."""

    peak: NDArray[np.int64]
    grid: tuple[int, int]
    edges: list[NDArray[np.float64]]
    example: NDArray[np.int64]
    per_class: Callable[[NDArray[np.bool_]], dict[str, float]]
    counts: dict[str, int]
    part: Objective
    map: str


def _hidden_words(model: EvaluatedModel, data: CaptionedSplit, settings: PointingSettings) -> _PointedAt:
    """Words that are hidden, one at a time."""
    rows, edges = named_boxes(data, settings.crop_share, model.framing)
    rows = sample_rows(rows, settings.most_words)
    predictions = predict_masked_words(model, data, rows, settings.crop_share)
    return _PointedAt(
        predictions.peak,
        predictions.grid,
        [edges[int(row)] for row in rows],
        data.masked.example_M[rows],
        lambda inside: per_concept(inside, data.masked.concept_M[rows], data),
        {"masked_words": len(rows), "of_masked_words": len(edges)},
        masked_word_objective(model),
        "hidden-words",
    )


def _mapped_words(model: EvaluatedModel, data: CorpusSplit, settings: PointingSettings) -> _PointedAt:
    """Words that are read as they are."""
    maps = maps_of_model(model)
    words, edges = [], []
    for word in named_words(data, maps):
        size = data.corpus.image_size(word.example)
        seen = boxes_seen(word.boxes, *size, settings.crop_share, model.framing)
        if len(seen):
            words.append(word)
            edges.append(seen)
    if not words:
        raise no_named_box(data.name)
    rows = sample_rows(np.arange(len(words)), settings.most_words)
    asked = [words[row] for row in rows.tolist()]
    pointed = pointed_words(model, data, maps, asked, settings.crop_share)
    return _PointedAt(
        pointed.peak,
        pointed.grid,
        [edges[row] for row in rows.tolist()],
        np.array([word.example for word in asked], dtype=np.int64),
        lambda inside: _per_word(inside, [word.asked.word.lower() for word in asked]),
        {"words": len(asked), "of_words": len(words)},
        maps.part,
        map_name(maps),
    )


def _per_word(right: NDArray[np.bool_], words: Sequence[str]) -> dict[str, float]:
    """Share in percent of each word that came out right."""
    names, of_word = np.unique(np.array(words), return_inverse=True)
    shares = np.bincount(of_word, weights=right) / np.bincount(of_word)
    return {str(name): 100 * float(share) for name, share in zip(names, shares, strict=True)}


def named_boxes(
    data: CaptionedSplit, crop_share: float = 1.0, framing: Framing = "crop"
) -> tuple[NDArray[np.int64], dict[int, NDArray[np.float64]]]:
    """The masked words that a box is named by, alone or in a phrase, and where these boxes are in the view.

    Args:
        data: Images with boxes, and masked captions.
        crop_share: Side of the view as a share of the image's shorter side.
        framing: How an image that is not square becomes one.

    Returns:
        Rows of the masked captions, ascending, and for each the boxes ``[boxes, 4]`` of :func:`boxes_seen`.

    Raises:
        InputError: When there is no such word.
    """
    masked, corpus = data.masked, data.corpus
    edges: dict[int, NDArray[np.float64]] = {}
    for example in np.unique(masked.example_M):
        boxes = corpus.boxes(int(example))
        if not boxes:
            continue
        size, told = corpus.image_size(int(example)), [names_in(box.name) for box in boxes]
        for row in masked.of_example(int(example)):
            name = data.concepts[int(masked.concept_M[row])].lower()
            named = [box for box, names in zip(boxes, told, strict=True) if name in names]
            seen = boxes_seen(named, *size, crop_share, framing)
            if len(seen):
                edges[int(row)] = seen
    if not edges:
        raise InputError(
            "no box bears the name of a masked word",
            where=data.name,
            expected="boxes named as the captions name things",
        )
    return np.array(sorted(edges), dtype=np.int64), edges


def boxes_seen(
    boxes: Sequence[Box], width: int, height: int, crop_share: float = 1.0, framing: Framing = "crop"
) -> NDArray[np.float64]:
    """Boxes of an image as the view of evaluation shows them; what is cut away is left out.

    Args:
        boxes: In fractions of the image.
        width: Of the image, in pixels.
        height: Of the image, in pixels.
        crop_share: Side of the view as a share of the shorter side.
        framing: How an image that is not square becomes one.

    Returns:
        Left, top, right and bottom in fractions of the view ``[boxes, 4]``.
    """
    crop = torch.tensor(eval_view_crop(width, height, crop_share, framing), dtype=torch.float64)
    edges = [(box.x, box.y, box.x + box.width, box.y + box.height) for box in boxes]
    seen_N4, share_N = boxes_in_view(torch.tensor(edges, dtype=torch.float64).view(-1, 4), crop)
    return np.asarray(seen_N4[share_N > 0].numpy())


def points_inside(points_n2: NDArray[np.float64], edges: Sequence[NDArray[np.float64]]) -> NDArray[np.bool_]:
    """Whether each point lies in one of its boxes.

    Args:
        points_n2: Across and down, in fractions of the view.
        edges: The boxes of each point.
    """
    return np.array(
        [
            bool(np.any((box[:, 0] <= x) & (x <= box[:, 2]) & (box[:, 1] <= y) & (y <= box[:, 3])))
            for (x, y), box in zip(points_n2, edges, strict=True)
        ],
        dtype=np.bool_,
    )


def share_inside(box: NDArray[np.float64], grid: tuple[int, int]) -> float:
    """Share of the grid's cells whose centres lie in one of the boxes: what pointing at a random cell would score."""
    cells = np.stack(np.meshgrid(np.arange(grid[0]), np.arange(grid[1]), indexing="ij"), axis=-1).reshape(-1, 2)
    return float(points_inside(_centres(cells, grid), [box] * len(cells)).mean())


def _centres(cells_n2: NDArray[np.int64], grid: tuple[int, int]) -> NDArray[np.float64]:
    """Row and column of grid cells to their centres, across and down, in fractions of the view."""
    return np.stack([(cells_n2[:, 1] + 0.5) / grid[1], (cells_n2[:, 0] + 0.5) / grid[0]], axis=1)
