"""UniCL (Yang et al. 2022, https://arxiv.org/abs/2204.03610): contrast in the space of images, texts and labels.

Equations 3 to 5: all texts of an image's label are its positives, and all images of a text's label are the text's.
Sentences about a class have the class for their label; a caption has one of its own. An image has the labels of its
classes and those of its captions, so that images with labels, captions or both are learned from in one run: with labels
alone it is supervised contrast, with captions alone CLIP's.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn

from wordsight.batching.batch import Batch
from wordsight.batching.fields.labelled_texts import (
    LabelledTextFacts,
    LabelledTexts,
    LabelledTextsNeed,
)
from wordsight.batching.needs import Needs
from wordsight.corpus.class_names import check_templates
from wordsight.objectives.clip import bound_scale
from wordsight.objectives.gather import gathered
from wordsight.objectives.objective import Chance, Facts, Losses, Plot
from wordsight.objectives.two_towers import (
    TEMPERATURE,
    Matching,
    TwoTowers,
    TwoTowerSettings,
    matching,
)
from wordsight.ranges import Probability, Temperature
from wordsight.vision.backbones import Backbone


@dataclass(frozen=True)
class UniClSettings(TwoTowerSettings):
    """Values of UniCL, besides those of the towers; ``captions`` counts sentences about classes too.

    Args:
        temperature: What cosines are divided by when training begins; learned from there, not below 0.01.
        templates: Sentences about classes, with ``{}`` in place of a class's name; one is drawn in every step.
        class_share: Of the texts of an image with captions and labels, the share that is about its classes.
        class_names: A table of classes and names, where the corpus's own are no words; "" for the corpus's own.
    """

    temperature: Temperature = 0.07
    templates: tuple[str, ...] = (
        "a photo of a {}.",
        "a picture of a {}.",
        "a photo of the {}.",
        "a close-up photo of a {}.",
        "a {}.",
    )
    class_share: Probability = 0.5
    class_names: str = ""

    def __post_init__(self) -> None:
        super().__post_init__()
        check_templates(self.templates, "objective_settings: templates")


class LabelMatching(NamedTuple):
    """Which texts of a step are positives of which images.

    Args:
        positive_BT: Whether they have a label in common.
        counted_BT: Whether a pair counts, as positive or negative; not of a class that is to be ignored in the image.
    """

    positive_BT: Tensor
    counted_BT: Tensor


class UniCl(TwoTowers):
    """Two towers, and a softmax over the step's texts and one over its images, all of one label being right.

    Args:
        backbone: The backbone.
        facts: How texts are tokenised.
        settings: Its values.
    """

    asks = "to tell the captions of a picture, and what is said of its classes, from those of other pictures"
    texts_kind = LabelledTexts
    facts_kind = LabelledTextFacts

    def __init__(self, backbone: Backbone, facts: Facts, settings: UniClSettings) -> None:
        super().__init__(backbone, facts, settings)
        self.log_scale = nn.Parameter(torch.tensor(-math.log(settings.temperature)))

    @classmethod
    def needs(cls, settings: TwoTowerSettings) -> Needs:
        """Captions and labels, as the text tower reads them."""
        assert isinstance(settings, UniClSettings)
        need = LabelledTextsNeed.of_tower(settings.text_tower, settings.captions, settings.caption_language)
        need = replace(
            need,
            templates=settings.templates,
            class_share=settings.class_share,
            class_names=settings.class_names,
        )
        return Needs({"labelled-texts": need})

    @classmethod
    def plots(cls, settings: TwoTowerSettings) -> Mapping[str, Plot]:
        """Accuracy and temperature."""
        says = "share of texts whose nearest picture of the step's is one that they are right for, in percent"
        return {"accuracy": Plot("accuracy", "share", says), "temperature": TEMPERATURE}

    @classmethod
    def chance(cls, settings: Any, batch_size: int) -> Chance | None:
        """That of even scores, whatever is right: the mean of the logarithms of how many texts and images there are."""
        texts = settings.captions * batch_size
        says = f"ln {batch_size}" if texts == batch_size else f"the mean of ln {texts} and ln {batch_size}"
        return Chance((math.log(texts) + math.log(batch_size)) / 2, says)

    def compare(self, embedded: Mapping[str, Tensor], batch: Batch) -> Losses:
        """The loss over the step's images and texts, with ``accuracy`` and ``temperature``."""
        found = matching(batch, self.texts_kind)
        texts_TZ = gathered(embedded["texts"]).flatten(0, 1)[found.real_n]
        scale = self.log_scale.exp()
        logits_BT = scale * gathered(embedded["images"]) @ texts_TZ.T
        labels = label_matching(batch, found)
        nearest_T = logits_BT.detach().masked_fill(~labels.counted_BT, -math.inf).argmax(0, keepdim=True)
        accuracy = labels.positive_BT.gather(0, nearest_T).float().mean()
        return Losses(unified_loss(logits_BT, *labels), {"accuracy": accuracy, "temperature": 1 / scale.detach()})

    def after_update(self, step: int) -> None:
        """Keep the temperature from falling below a hundredth."""
        bound_scale(self.log_scale)


def label_matching(batch: Batch, found: Matching) -> LabelMatching:
    """Which texts of the step are positives of which images, over all processes.

    Args:
        batch: This process's share of the step.
        found: Which texts were drawn for which image, and read like one of its own.
    """
    texts = batch.of(LabelledTexts)
    class_Bc, label_Bm, ignored_Bm = map(gathered, (texts.class_Bc, texts.label_Bm, texts.ignored_Bm))
    class_T = class_Bc.flatten()[found.real_n]
    # A caption's class is -1, as is a place without a label.
    classes_BmT = label_Bm[:, :, None] == class_T
    ignored_BT = ((ignored_Bm[:, :, None] == class_T) & (class_T >= 0)).any(1)
    positive_BT = ~found.negative_BT | (classes_BmT & (class_T >= 0)).any(1)
    return LabelMatching(positive_BT, positive_BT | ~ignored_BT)


def unified_loss(logits_BT: Tensor, positive_BT: Tensor, counted_BT: Tensor) -> Tensor:
    """Equations 3 to 5, each a mean over its images or texts, and half the sum of both (their Algorithm 1).

    Args:
        logits_BT: Scores of every image with every text.
        positive_BT: Which texts are right for which images; one at least for each text, and for each image.
        counted_BT: Which pairs count, positives among them.
    """
    among_BT = logits_BT.masked_fill(~counted_BT, -math.inf)
    return (_to_positives(among_BT, positive_BT) + _to_positives(among_BT.T, positive_BT.T)) / 2


def _to_positives(among_AC: Tensor, positive_AC: Tensor) -> Tensor:
    """The mean over rows of the mean over their positives of minus the logarithm of each one's share."""
    share_AC = among_AC.log_softmax(1).masked_fill(~positive_AC, 0)
    return -(share_AC.sum(1) / positive_AC.sum(1)).mean()
