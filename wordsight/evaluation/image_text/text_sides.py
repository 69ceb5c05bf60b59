"""Text sides: how an objective compares images with texts, whatever it learned from.

What an objective can be asked by follows from what it has, not from its name: towers (`TextTowers`), tag heads, a
masked-word head. A new objective that has one of these has a text side; another way to compare is a line in
``TEXT_SIDES``.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from typing import Literal

import torch
from torch import Tensor

from wordsight.concepts.apply import can_be_masked
from wordsight.corpus.encoded_images import EncodedImage
from wordsight.errors import InputError, listed, unknown
from wordsight.evaluation.features.extract import view_batches
from wordsight.evaluation.image_text.masked_word_side import MaskedWordSide
from wordsight.evaluation.image_text.similarity import UNKNOWN, DotProduct, TextQueries, TextQuery, TextSide, Vectors
from wordsight.evaluation.image_text.tag_side import TagSide
from wordsight.evaluation.image_text.tower_side import TextTowers, TowerSide
from wordsight.evaluation.models.evaluated_model import EvaluatedModel
from wordsight.objectives.objective import MaskedWordObjective
from wordsight.objectives.tag_heads import tag_heads_of
from wordsight.progress import progress_bar
from wordsight.vision.backbones import Backbone
from wordsight.vision.inference import ready

__all__ = [
    "AUTO",
    "TEXT_SIDES",
    "UNKNOWN",
    "DotProduct",
    "TextQueries",
    "TextQuery",
    "TextSide",
    "TextTowers",
    "Vectors",
    "asking",
    "chosen_similarity",
    "see_images",
    "text_sides",
    "with_backbone",
]

AUTO: Literal["auto"] = "auto"


def _towers(model: EvaluatedModel) -> dict[str, TextSide]:
    objective: object = model.objective
    return {"text tower": TowerSide(objective, model.device)} if isinstance(objective, TextTowers) else {}


def _tags(model: EvaluatedModel) -> dict[str, TextSide]:
    objective = model.objective
    heads = None if objective is None else tag_heads_of(objective)
    if objective is None or heads is None:
        return {}
    means = model.log_means()
    return {
        name: TagSide(
            name,
            model.concepts[name],
            head,
            heads.losses[name],
            lambda seen: objective.backbone(seen),
            model.device,
            means.get(name),
        )
        for name, head in heads.named.items()
        if name in model.concepts
    }


def _masked_words(model: EvaluatedModel) -> dict[str, TextSide]:
    if not isinstance(model.objective, MaskedWordObjective) or model.language is None:
        return {}
    # Those that were masked are the first of words.
    sets = [one.concepts for one in model.concepts.values() if can_be_masked(one.concepts)]
    masked = sets[0] if sets else None
    return {"masked words": MaskedWordSide(model.objective, model.language, model.device, masked)}


# In the order in which an objective that has several is asked by one of them.
TEXT_SIDES: dict[str, Callable[[EvaluatedModel], dict[str, TextSide]]] = {
    "towers": _towers,
    "tags": _tags,
    "masked-words": _masked_words,
}


def text_sides(model: EvaluatedModel, wanted: str = AUTO) -> Mapping[str, TextSide]:
    """How a model's objective compares images with texts, by name; several where it has tag heads of several sets.

    Args:
        model: Its objective is asked.
        wanted: One of ``TEXT_SIDES``, or ``auto`` for the first that there is.

    Raises:
        InputError: When there is none.
    """
    if wanted != AUTO and wanted not in TEXT_SIDES:
        raise unknown("text side", wanted, [AUTO, *TEXT_SIDES], where="text_side")
    for name, of in TEXT_SIDES.items():
        if wanted in (AUTO, name) and (found := of(model)):
            return found
    has = f"has no {wanted.replace('-', ' ')} to compare" if wanted != AUTO else "can't compare"
    raise InputError(
        f"its objective {has} images with texts",
        where=model.name,
        expected="a run of tag-prediction, of ICMLM, or of another objective with a text side",
    )


def chosen_similarity(side: TextSide, wanted: str) -> str:
    """The similarity that is wanted, or a text side's default for ``auto``.

    Raises:
        InputError: When the text side can't give it.
    """
    if wanted == AUTO:
        return side.similarities[0]
    if wanted not in side.similarities:
        raise InputError(
            f"{wanted!r} can't be asked of the {side.name}",
            where="similarity",
            expected=f"one of: {listed([AUTO, *side.similarities])}",
        )
    return wanted


@contextmanager
def asking(model: EvaluatedModel) -> Iterator[None]:
    """The objective in evaluation mode on the model's device, without gradients: texts are asked about inside."""
    assert model.objective is not None, "a text side is an objective's"
    with ExitStack() as stack:
        stack.enter_context(ready(model.objective, model.device))
        stack.enter_context(torch.inference_mode())
        yield


@contextmanager
def with_backbone(model: EvaluatedModel, backbone: Backbone) -> Iterator[None]:
    """The objective's heads on another backbone, for as long as the context lasts."""
    assert model.objective is not None, "a text side is an objective's"
    own = model.objective.backbone
    model.objective.backbone = backbone
    try:
        yield
    finally:
        model.objective.backbone = own


def see_images(
    model: EvaluatedModel,
    queries: TextQueries,
    images: Sequence[EncodedImage],
    crop_share: float = 1.0,
    what: str = "images",
) -> Vectors:
    """Vectors of images, to be compared with the texts that were asked about; within :func:`asking`.

    Args:
        model: Its objective sees the images.
        queries: The texts.
        images: Encoded images.
        crop_share: Side of the centre square that is looked at, as a share of the image's shorter side.
        what: What the progress bar says.

    Raises:
        InputError: When an image can't be decoded, or what is seen is no finite number.
    """
    parts: list[Tensor] = []
    with progress_bar() as bar:
        progress = bar.add_task(what, total=len(images), note="")
        for views in view_batches(images, model.image_size, crop_share, model.framing):
            parts.append(queries.see(model.backbone.prepare(views.to(model.device))).float())
            bar.advance(progress, len(views))
    kept_ND = torch.cat(parts)
    if not torch.isfinite(kept_ND).all():
        raise InputError(
            "what its heads say of the images is no finite number",
            where=model.name,
            mend="training diverged: lower the learning rate, or train in float32",
        )
    return queries.images(kept_ND)
