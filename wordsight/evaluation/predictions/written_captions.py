"""The captions that an objective writes for images."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import torch

from wordsight.corpus.encoded_images import EncodedImage
from wordsight.device import autocast
from wordsight.errors import InputError, NoAnswerError
from wordsight.evaluation.features.extract import view_batches
from wordsight.evaluation.models.evaluated_model import EvaluatedModel
from wordsight.heads.caption_search import CaptionSearch
from wordsight.objectives.capabilities import CaptioningObjective, WrittenCaption
from wordsight.objectives.objective import parts_of
from wordsight.progress import progress_bar
from wordsight.vision.inference import ready


def captioning_objective(model: EvaluatedModel) -> CaptioningObjective:
    """The model's objective, or the part of it that writes captions.

    Args:
        model: The model.

    Raises:
        NoAnswerError: When it writes none.
    """
    found = parts_of(model.objective, CaptioningObjective)
    if not found:
        expected = "a run of captioning or coca"
        raise NoAnswerError("its objective writes no captions", where=model.name, expected=expected)
    return found[0]


def write_captions(
    model: EvaluatedModel, images: Sequence[EncodedImage], search: CaptionSearch, crop_share: float = 1.0
) -> list[WrittenCaption]:
    """A caption for each image.

    Args:
        model: Its objective writes them.
        images: The images.
        search: How captions are searched for.
        crop_share: Side of the centre crop, as a share of the image's shorter side.

    Raises:
        InputError: When the objective writes no captions, or an image can't be read.
    """
    writer, written = captioning_objective(model), list[WrittenCaption]()
    assert model.objective is not None, "it has a part that writes"
    with ready(model.objective, model.device), torch.inference_mode(), progress_bar() as bar:
        progress = bar.add_task("captions", total=len(images), note="")
        for views in view_batches(images, model.image_size, crop_share, model.framing):
            with autocast(model.device):
                grid_BCHW = writer.backbone(writer.backbone.prepare(views.to(model.device)))
            # The decoder runs in float32: two of thousands of scores are often equal in bf16.
            written += writer.generate(grid_BCHW.float(), search)
            bar.advance(progress, len(views))
    return written


def unreadable_images(images: Mapping[str, EncodedImage]) -> dict[str, InputError]:
    """Which of some images can't be read, and why.

    Args:
        images: The images, by what they are called.
    """
    failures = {}
    for name, image in images.items():
        try:
            next(view_batches([image], 1, where=name))
        except InputError as error:
            failures[name] = error
    return failures
