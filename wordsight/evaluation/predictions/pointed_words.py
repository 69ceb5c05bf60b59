"""Where the maps of an objective have their peaks, for words of captions that a box of the image is named by."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray

from wordsight.corpus.captions import names_in
from wordsight.corpus.encoded_images import CorpusImages, ImageSubset
from wordsight.corpus.example import Box
from wordsight.device import autocast
from wordsight.errors import InputError
from wordsight.evaluation.features.extract import BATCH, view_batches
from wordsight.evaluation.models.evaluated_model import EvaluatedModel
from wordsight.evaluation.tasks.caption_split import CorpusSplit
from wordsight.objectives.maps import AskedWord, MapSources, WordMaps, lettered_words, no_map, word_maps
from wordsight.progress import progress_bar
from wordsight.vision.inference import ready


@dataclass(frozen=True)
class NamedWord:
    """A word of a caption, and the boxes of its image that it names.

    Args:
        example: Index of the image in the corpus.
        asked: The word.
        boxes: The boxes.
    """

    example: int
    asked: AskedWord
    boxes: tuple[Box, ...]


@dataclass(frozen=True)
class PointedWords:
    """The peaks of n words' maps.

    Args:
        peak: The cell that speaks most for each word, as row and column ``[n, 2]``.
        grid: Rows and columns of the grid.
    """

    peak: NDArray[np.int64]
    grid: tuple[int, int]


def maps_of_model(model: EvaluatedModel) -> WordMaps:
    """The maps of a model's objective.

    Args:
        model: The model.

    Raises:
        InputError: When it has none.
    """
    concepts = {name: learned.concepts.names for name, learned in model.concepts.items()}
    found = None if model.objective is None else word_maps(model.objective, MapSources(model.language, concepts))
    if found is None:
        raise no_map(model.name)
    return found


def no_named_box(where: str) -> InputError:
    """The error for images of which no box is named by a word that can be asked about.

    Args:
        where: The split.
    """
    return InputError(
        "no box bears the name of a word that the run can be asked about",
        where=where,
        expected="boxes named as the captions name things",
    )


def named_words(data: CorpusSplit, maps: WordMaps) -> list[NamedWord]:
    """The words of a split's captions that a box is named by, alone or in a phrase, and that there is a map of.

    Args:
        data: Images with boxes and captions.
        maps: The maps.

    Raises:
        InputError: When there is none.
    """
    found = []
    for example in data.corpus.indices(data.split).tolist():
        boxes = data.corpus.boxes(example)
        told = [names_in(box.name) for box in boxes]
        if not boxes:
            continue
        for caption in data.corpus.captions(example):
            for span in lettered_words(caption):
                word = AskedWord(caption, span)
                named = [box for box, names in zip(boxes, told, strict=True) if word.word.lower() in names]
                if named and maps.can_ask(word):
                    found.append(NamedWord(example, word, tuple(named)))
    if not found:
        raise no_named_box(data.name)
    return found


def pointed_words(
    model: EvaluatedModel, data: CorpusSplit, maps: WordMaps, words: Sequence[NamedWord], crop_share: float = 1.0
) -> PointedWords:
    """The peaks of words' maps; the grid of an image is computed once for all its words.

    Args:
        model: Its objective is asked.
        data: The images.
        maps: The maps of the objective.
        words: The words, those of an image side by side, images ascending.
        crop_share: Side of the centre crop, as a share of the image's shorter side.
    """
    examples, first = np.unique([word.example for word in words], return_index=True)
    of_image = [words[begin:end] for begin, end in zip(first, [*first[1:], len(words)], strict=True)]
    images = ImageSubset(CorpusImages(data.corpus), examples)
    peaks: list[int] = []
    grid = (0, 0)
    assert model.objective is not None, "it has a part with maps"
    backbone = model.objective.backbone
    with ready(model.objective, model.device), torch.no_grad(), progress_bar() as bar:
        progress = bar.add_task("pointing", total=len(words), note="")
        for number, views in enumerate(view_batches(images, model.image_size, crop_share, model.framing)):
            with autocast(model.device):
                grid_BCHW = backbone(backbone.prepare(views.to(model.device)))
            grid = (grid_BCHW.shape[-2], grid_BCHW.shape[-1])
            some = of_image[number * BATCH : number * BATCH + len(views)]
            for row, asked in enumerate(some):
                seen = maps.maps(grid_BCHW[row : row + 1].float(), [word.asked for word in asked])
                peaks += [int(one.values_HW.argmax()) for one in seen]
                bar.advance(progress, len(asked))
    return PointedWords(np.stack(np.divmod(np.array(peaks), grid[1]), axis=1), grid)
