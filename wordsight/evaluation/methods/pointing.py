"""The protocol ``pointing``: does the attention's peak fall inside a box of the masked word's object?

A box counts for a word that is its name, or a word of its name (Visual Genome names its boxes by whole phrases). The
peak is the centre of the grid cell with the most attention. Boxes are mapped through the view that evaluation sees;
words whose object is cut away by it are not asked about. Read beside a random cell, and beside the image's centre.
"""

from __future__ import annotations

from collections.abc import Sequence
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
from wordsight.evaluation.predictions.row_samples import sample_rows
from wordsight.evaluation.protocol import EvalProtocol
from wordsight.evaluation.results.result import Result
from wordsight.evaluation.tasks.caption_split import CaptionedSplit
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


def measure(model: EvaluatedModel, data: CaptionedSplit, protocol: EvalProtocol) -> Result:
    """Ask where the masked words of a split are.

    Args:
        model: Its objective is asked.
        data: Images with boxes, and masked captions.
        protocol: The protocol.

    Raises:
        InputError: When the objective predicts no masked words, or no box bears the name of one.
    """
    settings: PointingSettings = protocol.settings
    objective = masked_word_objective(model)
    rows, edges = named_boxes(data, settings.crop_share, model.framing)
    rows = sample_rows(rows, settings.most_words)
    predictions = predict_masked_words(model, data, rows, settings.crop_share)
    inside = points_inside(_centres(predictions.peak, predictions.grid), [edges[int(row)] for row in rows])
    middle = points_inside(np.full((len(rows), 2), 0.5), [edges[int(row)] for row in rows])
    example = data.masked.example_M[rows]
    return Result(
        task=data.name,
        protocol=protocol.name,
        metric="peak inside the object's box",
        value=100 * float(inside.mean()),
        baselines={
            "chance": 100 * float(np.mean([share_inside(edges[int(row)], predictions.grid) for row in rows])),
            "image centre": 100 * float(middle.mean()),
        },
        standard_error=clustered_error(inside, example),
        per_class=per_concept(inside, data.masked.concept_M[rows], data),
        counts={"masked_words": len(rows), "of_masked_words": len(edges), "images": len(np.unique(example))},
        settings=recorded_settings(protocol, model, data, grid=list(predictions.grid)),
        weights=weights_fingerprint(objective),
        data=data.fingerprint,
        warnings=data.seen_in_training(model),
    )


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
