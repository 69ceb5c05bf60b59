"""Text sides: how an objective compares images with texts, whatever it learned from.

What an objective can be asked by follows from what it has, not from its name: towers (`ImageTextObjective`), tag
heads, a masked-word head. A new objective that has one of these has a text side; another way to compare is a line in
``TEXT_SIDES``.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass

import torch
from torch import Tensor

from wordsight.concepts.apply import can_be_masked
from wordsight.corpus.encoded_images import EncodedImage
from wordsight.errors import InputError, NoAnswerError, listed, unknown
from wordsight.evaluation.features.extract import view_batches
from wordsight.evaluation.image_text.masked_word_side import MaskedWordSide
from wordsight.evaluation.image_text.queries import TextQueries, TextSide
from wordsight.evaluation.image_text.similarity import Vectors
from wordsight.evaluation.image_text.tag_side import TagSide
from wordsight.evaluation.image_text.tower_side import TowerSide
from wordsight.evaluation.models.evaluated_model import EvaluatedModel
from wordsight.objectives.capabilities import ImageTextObjective, MaskedWordObjective, TagObjective, tag_heads_of
from wordsight.objectives.objective import Objective, parts_of
from wordsight.progress import progress_bar
from wordsight.vision.backbones import Backbone
from wordsight.vision.inference import ready

AUTO = "auto"


@dataclass(frozen=True)
class TextSideKind:
    """A kind of text side.

    Args:
        of: A model's text sides of this kind, by name; none where its objective has none.
        similarities: All that a score can be.
        answers: What an objective has to be to have one.
    """

    of: Callable[[EvaluatedModel], Mapping[str, TextSide]]
    similarities: Sequence[str]
    answers: type[Objective]


def _towers(model: EvaluatedModel) -> dict[str, TextSide]:
    towers = parts_of(model.objective, ImageTextObjective)
    return {"text tower": TowerSide(towers[0], model.device)} if towers else {}


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
    words = parts_of(model.objective, MaskedWordObjective)
    if not words or model.language is None:
        return {}
    # Those that were masked are the first of words.
    sets = [one.concepts for one in model.concepts.values() if can_be_masked(one.concepts)]
    masked = sets[0] if sets else None
    return {"masked words": MaskedWordSide(words[0], model.language, model.device, masked)}


# In the order in which an objective that has several is asked by one of them.
TEXT_SIDES: dict[str, TextSideKind] = {
    "towers": TextSideKind(_towers, TowerSide.SIMILARITIES, ImageTextObjective),
    "tags": TextSideKind(_tags, TagSide.SIMILARITIES, TagObjective),
    "masked-words": TextSideKind(_masked_words, MaskedWordSide.SIMILARITIES, MaskedWordObjective),
}


def check_text_side(text_side: str, similarity: str) -> None:
    """Refuse settings that name no text side, or a similarity that the text side never has.

    Args:
        text_side: ``auto``, or a name in ``TEXT_SIDES``.
        similarity: ``auto``, or one of its similarities; with ``auto`` of any.

    Raises:
        InputError: In these cases.
    """
    if text_side != AUTO and text_side not in TEXT_SIDES:
        raise unknown("text side", text_side, [AUTO, *TEXT_SIDES], where="text_side")
    kinds = TEXT_SIDES.values() if text_side == AUTO else [TEXT_SIDES[text_side]]
    known = list(dict.fromkeys(name for kind in kinds for name in kind.similarities))
    if similarity not in (AUTO, *known):
        raise unknown("similarity", similarity, [AUTO, *known], where="similarity")


def text_sides(model: EvaluatedModel, wanted: str = AUTO) -> Mapping[str, TextSide]:
    """How a model's objective compares images with texts, by name; several where it has tag heads of several sets.

    Args:
        model: Its objective is asked.
        wanted: One of ``TEXT_SIDES``, or ``auto`` for the first that there is.

    Raises:
        NoAnswerError: When there is none.
    """
    check_text_side(wanted, AUTO)
    for name, kind in TEXT_SIDES.items():
        if wanted in (AUTO, name) and (found := kind.of(model)):
            return found
    has = f"has no {wanted.replace('-', ' ')} to compare" if wanted != AUTO else "can't compare"
    raise NoAnswerError(
        f"its objective {has} images with texts",
        where=model.name,
        expected="a run of tag-prediction, of ICMLM, or of another objective with a text side",
    )


def others_unasked(model: EvaluatedModel, wanted: str = AUTO) -> list[str]:
    """A sentence on which of several text sides is asked, where a protocol names none.

    Args:
        model: Its objective is asked.
        wanted: What the protocol names.
    """
    has = [name for name, kind in TEXT_SIDES.items() if parts_of(model.objective, kind.answers)]
    if wanted != AUTO or len(has) < 2:
        return []
    asked, *others = (name.replace("-", " ") for name in has)
    return [f"asked of its {asked}; of its {' or '.join(others)} by a protocol with text_side: {' or '.join(has[1:])}"]


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
        InputError: When an image can't be decoded, or what is seen is not a finite number.
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
            "what its heads say of the images is not a finite number",
            where=model.name,
            mend="training diverged: lower the learning rate, or train in float32",
        )
    return queries.images(kept_ND)
