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
from wordsight.evaluation.image_text.similarity import UNKNOWN, Asked, Compared, Text, TextSide, Vectors
from wordsight.evaluation.image_text.tag_side import TagSide
from wordsight.evaluation.image_text.tower_side import TextTowers, TowerSide
from wordsight.evaluation.models.evaluated_model import Subject
from wordsight.objectives.objective import MaskedWordObjective
from wordsight.objectives.tag_heads import tag_heads_of
from wordsight.progress import progress_bar
from wordsight.vision.backbones import Backbone
from wordsight.vision.inference import ready

__all__ = [
    "AUTO",
    "TEXT_SIDES",
    "UNKNOWN",
    "Asked",
    "Compared",
    "Text",
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


def _towers(subject: Subject) -> dict[str, TextSide]:
    objective: object = subject.objective
    return {"text tower": TowerSide(objective, subject.device)} if isinstance(objective, TextTowers) else {}


def _tags(subject: Subject) -> dict[str, TextSide]:
    objective = subject.objective
    heads = None if objective is None else tag_heads_of(objective)
    if objective is None or heads is None:
        return {}
    means = subject.log_means()
    return {
        name: TagSide(
            name,
            subject.concepts[name],
            head,
            heads.losses[name],
            lambda seen: objective.backbone(seen),
            subject.device,
            means.get(name),
        )
        for name, head in heads.named.items()
        if name in subject.concepts
    }


def _masked_words(subject: Subject) -> dict[str, TextSide]:
    if not isinstance(subject.objective, MaskedWordObjective) or subject.language is None:
        return {}
    # Those that were masked are the first of words.
    sets = [one.concepts for one in subject.concepts.values() if can_be_masked(one.concepts)]
    masked = sets[0] if sets else None
    return {"masked words": MaskedWordSide(subject.objective, subject.language, subject.device, masked)}


# In the order in which an objective that has several is asked by one of them.
TEXT_SIDES: dict[str, Callable[[Subject], dict[str, TextSide]]] = {
    "towers": _towers,
    "tags": _tags,
    "masked-words": _masked_words,
}


def text_sides(subject: Subject, wanted: str = AUTO) -> Mapping[str, TextSide]:
    """How a subject's objective compares images with texts, by name; several where it has tag heads of several sets.

    Args:
        subject: Its objective is asked.
        wanted: One of ``TEXT_SIDES``, or ``auto`` for the first that there is.

    Raises:
        InputError: When there is none.
    """
    if wanted != AUTO and wanted not in TEXT_SIDES:
        raise unknown("text side", wanted, [AUTO, *TEXT_SIDES], where="text_side")
    for name, of in TEXT_SIDES.items():
        if wanted in (AUTO, name) and (found := of(subject)):
            return found
    has = f"has no {wanted.replace('-', ' ')} to compare" if wanted != AUTO else "can't compare"
    raise InputError(
        f"its objective {has} images with texts",
        where=subject.name,
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
def asking(subject: Subject) -> Iterator[None]:
    """The objective in evaluation mode on the subject's device, without gradients: texts are asked about inside."""
    assert subject.objective is not None, "a text side is an objective's"
    with ExitStack() as stack:
        stack.enter_context(ready(subject.objective, subject.device))
        stack.enter_context(torch.inference_mode())
        yield


@contextmanager
def with_backbone(subject: Subject, backbone: Backbone) -> Iterator[None]:
    """The objective's heads on another backbone, for as long as the context lasts."""
    assert subject.objective is not None, "a text side is an objective's"
    own = subject.objective.backbone
    subject.objective.backbone = backbone
    try:
        yield
    finally:
        subject.objective.backbone = own


def see_images(
    subject: Subject, asked: Asked, images: Sequence[EncodedImage], crop_share: float = 1.0, what: str = "images"
) -> Vectors:
    """Vectors of images, to be compared with the texts that were asked about; within :func:`asking`.

    Args:
        subject: Its objective sees the images.
        asked: The texts.
        images: Encoded images.
        crop_share: Side of the centre square that is looked at, as a share of the image's shorter side.
        what: What the progress bar says.

    Raises:
        InputError: When an image can't be decoded, or what is seen is no finite number.
    """
    parts: list[Tensor] = []
    with progress_bar() as bar:
        progress = bar.add_task(what, total=len(images), note="")
        for views in view_batches(images, subject.image_size, crop_share, subject.framing):
            parts.append(asked.see(subject.backbone.prepare(views.to(subject.device))).float())
            bar.advance(progress, len(views))
    kept_ND = torch.cat(parts)
    if not torch.isfinite(kept_ND).all():
        raise InputError(
            "what its heads say of the images is no finite number",
            where=subject.name,
            mend="training diverged: lower the learning rate, or train in float32",
        )
    return asked.images(kept_ND)
