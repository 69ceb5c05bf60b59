"""Masked-word predictions: the five likeliest words, and the grid cell with the most attention.

The grid of an image is computed once for all its masked words.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from wordsight.batching.masks import MaskedWords, gather_masks
from wordsight.corpus.encoded_images import CorpusImages, ImageSubset
from wordsight.device import autocast
from wordsight.errors import InputError, NoAnswerError
from wordsight.evaluation.features.extract import BATCH, view_batches
from wordsight.evaluation.models.evaluated_model import EvaluatedModel
from wordsight.evaluation.tasks.caption_split import CaptionedSplit
from wordsight.objectives.capabilities import MaskedWordObjective
from wordsight.objectives.objective import parts_of
from wordsight.progress import progress_bar
from wordsight.vision.inference import ready

TOP_K = 5
# Masked words of an image predicted together: bounds the memory of the logits, 64 x 8 x 30,522 floats are 60 MB.
_TOGETHER = 8


@dataclass(frozen=True)
class MaskedWordPredictions:
    """Predictions for n masked words.

    Args:
        rows: Rows of the masked captions ``[n]``, ascending.
        guesses: Vocabulary ids of the likeliest words, likeliest first ``[n, 5]``; -1 where there are fewer candidates.
        peak: The grid cell with the most attention, as row and column ``[n, 2]``.
        grid: Rows and columns of the grid.
    """

    rows: NDArray[np.int64]
    guesses: NDArray[np.int64]
    peak: NDArray[np.int64]
    grid: tuple[int, int]


def masked_word_objective(model: EvaluatedModel) -> MaskedWordObjective:
    """The model's objective, or the part of it that predicts masked words.

    Raises:
        InputError: When it predicts no masked words.
    """
    found = parts_of(model.objective, MaskedWordObjective)
    if not found:
        raise NoAnswerError(
            "its objective predicts no masked words", where=model.name, expected="a run of icmlm-tfm or icmlm-attfc"
        )
    return found[0]


def predict_masked_words(
    model: EvaluatedModel,
    data: CaptionedSplit,
    rows: NDArray[np.int64],
    crop_share: float = 1.0,
    *,
    wrong_images: bool = False,
) -> MaskedWordPredictions:
    """Predict the masked words of each image's captions.

    Args:
        model: Its objective predicts.
        data: Images and masked captions.
        rows: Which masked captions to predict for, ascending.
        crop_share: Side of the centre crop, as a share of the image's shorter side.
        wrong_images: Show another image of the split with each caption, to see what the caption alone gives away.

    Raises:
        InputError: When the objective predicts no masked words, or there is none to predict.
    """
    objective = masked_word_objective(model)
    if len(rows) == 0:
        raise InputError(
            "no masked word to predict", where=data.name, expected="captions with words of the concept set"
        )
    found: list[tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.int64]]] = []
    grid = (0, 0)
    last: Tensor | None = None
    assert model.objective is not None, "it has a part that predicts"
    with ready(model.objective, model.device), torch.inference_mode(), progress_bar() as bar:
        progress = bar.add_task("masked words", total=len(rows), note="")
        for views, rows_per_image in _by_image(data, rows, model, crop_share):
            with autocast(model.device):
                grid_BCHW = objective.backbone(objective.backbone.prepare(views.to(model.device)))
            if wrong_images:
                # Each is shown the image before it, across batches too: a last batch may hold one image alone.
                before, shown = grid_BCHW[-1:], grid_BCHW[:-1]
                grid_BCHW = torch.cat([before if last is None else last, shown])
                last = before
            grid = (grid_BCHW.shape[-2], grid_BCHW.shape[-1])
            # The heads run in float32: two of thousands of scores are often equal in bf16.
            for images, some in _rounds(rows_per_image):
                words = _with_tokens(gather_masks(data.masked, some, max(map(len, some))), model)
                found.append(_predict(objective, grid_BCHW.float()[images], words, np.concatenate(some)))
                bar.advance(progress, len(found[-1][0]))
    found_rows, guesses, cells = (np.concatenate(column) for column in zip(*found, strict=True))
    order = np.argsort(found_rows)
    peak = np.stack(np.divmod(cells[order], grid[1]), axis=1)
    return MaskedWordPredictions(found_rows[order], guesses[order], peak, grid)


def _by_image(
    data: CaptionedSplit, rows: NDArray[np.int64], model: EvaluatedModel, crop_share: float
) -> Iterator[tuple[Tensor, list[NDArray[np.int64]]]]:
    """Views of a batch of images, and the rows of each."""
    examples, first = np.unique(data.masked.example_M[rows], return_index=True)
    rows_of = np.split(rows, first[1:])
    images = ImageSubset(CorpusImages(data.corpus), examples)
    views = view_batches(images, model.image_size, crop_share, model.framing)
    for number, batch in enumerate(views):
        yield batch, rows_of[number * BATCH : number * BATCH + len(batch)]


def _rounds(rows_per_image: list[NDArray[np.int64]]) -> Iterator[tuple[list[int], list[NDArray[np.int64]]]]:
    """A few rows of every image at a time, and the images that still have some."""
    for first in range(0, max(map(len, rows_per_image)), _TOGETHER):
        images = [image for image, rows in enumerate(rows_per_image) if len(rows) > first]
        yield images, [rows_per_image[image][first : first + _TOGETHER] for image in images]


def _with_tokens(words: MaskedWords, model: EvaluatedModel) -> MaskedWords:
    """The masked words with float32 token features, from the cache or from the language model."""
    words = words.to(model.device)
    if words.tokens_BmTD is not None:
        return words.with_tokens(words.tokens_BmTD.float())
    if model.language is None:
        raise InputError("has no language model to compute token features with", where=model.name)
    return words.read_by(model.language)


def _predict(
    objective: MaskedWordObjective, grid_BCHW: Tensor, words: MaskedWords, rows: NDArray[np.int64]
) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.int64]]:
    prediction = objective.predict_masked(grid_BCHW, words)
    real = words.weight_Bm.flatten() > 0
    best = prediction.logits_BmV.flatten(0, 1)[real].topk(min(TOP_K, prediction.logits_BmV.shape[-1]), dim=-1).indices
    guesses = torch.full((len(best), TOP_K), -1, dtype=torch.long)
    guesses[:, : best.shape[1]] = objective.candidates.to(best.device)[best].cpu()
    cells = prediction.attention_BmL.flatten(0, 1)[real].argmax(-1).cpu()
    return rows, guesses.numpy(), cells.numpy()
