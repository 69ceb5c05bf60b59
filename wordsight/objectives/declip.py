"""DeCLIP (Li et al. 2022, https://arxiv.org/abs/2110.05208): all the supervision that images and captions hold.

Section 3.2, with the weights of the published code: 0.4 of CLIP, the mean over two views and two texts of an image; 0.2
of finding the stored text that is nearest to the image's own, the mean over the same; 0.2 of SimSiam on the two views;
and 0.2 of masked language modelling on the first text.

An image's second text is another of its captions. One that has a single caption is given that caption edited, as the
paper edits all (EDA: Wei and Zou 2019, https://arxiv.org/abs/1901.11196), without synonyms. SimSiam works on the
backbone's features. Texts of an image, and those that read like one of them, are never held against it.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

from wordsight.batching.batch import Batch
from wordsight.batching.fields.texts import TextFacts, Texts, TextsNeed
from wordsight.batching.needs import Needs, ViewNeed
from wordsight.language.wordpiece import MASK
from wordsight.objectives.clip import Clip, bound_scale, contrastive_loss
from wordsight.objectives.gather import gathered
from wordsight.objectives.masked_lm import hidden_tokens, with_hidden
from wordsight.objectives.objective import Chance, Facts, Losses, Plot
from wordsight.objectives.seen import Seen
from wordsight.objectives.simsiam import SimSiamSettings
from wordsight.objectives.text_queue import TextQueue, nearest_loss
from wordsight.objectives.two_towers import TEMPERATURE, Matching, TwoTowers, TwoTowerSettings, matching, unit
from wordsight.objectives.weighted_sum import NamedSum, SumPart
from wordsight.ranges import AtLeastOne, Fraction, LossWeight, Temperature
from wordsight.vision.backbones import Backbone

VIEWS = 2


@dataclass(frozen=True)
class DeClipSettings(TwoTowerSettings):
    """Values of DeCLIP, besides those of the towers.

    Args:
        captions: Texts of an image in a step: captions of it, and where it has fewer, these edited.
        temperature: What cosines are divided by when training begins; learned from there, not below 0.01.
        pairs_weight: The weight of contrast over all views and texts.
        nearest_weight: The weight of the nearest stored text; 0 leaves it out.
        words_weight: The weight of masked language modelling; 0 leaves it out. A frozen text tower learns none.
        views_weight: The weight of SimSiam; 0 leaves it out.
        queue: How many texts of earlier steps are stored.
        masked_share: Share of a text's tokens that are hidden; rounded up, so that it is one at least.
        views: The values of SimSiam; its view is that of both views, whatever the run's ``view`` is.
    """

    captions: AtLeastOne = 2
    temperature: Temperature = 0.07
    pairs_weight: LossWeight = 0.4
    nearest_weight: LossWeight = 0.2
    words_weight: LossWeight = 0.2
    views_weight: LossWeight = 0.2
    queue: AtLeastOne = 65_536
    masked_share: Fraction = 0.15
    views: SimSiamSettings = field(default_factory=lambda: SimSiamSettings(width=1024))

    @property
    def parts(self) -> dict[str, SumPart]:
        """What reads texts, and SimSiam where it has a weight."""
        # The registry names this sum too.
        from wordsight.objectives import ObjectiveKind, objective_kind

        parts = {"texts": SumPart(ObjectiveKind(DeClipSettings, TextSupervision), self, 1.0)}
        if self.views_weight > 0:
            parts["views"] = SumPart(objective_kind("simsiam"), self.views, self.views_weight)
        return parts

    @property
    def hides_words(self) -> bool:
        """Whether a masked language model is learned: a frozen text tower can't."""
        return self.words_weight > 0 and self.text_tower.kind != "frozen"


class DeClip(NamedSum):
    """What texts say of two views, and SimSiam on these, on one backbone.

    Args:
        backbone: The backbone.
        facts: How captions are tokenised.
        settings: Its values.
    """

    asks = Clip.asks


class TextSupervision(TwoTowers):
    """Two towers: contrast over views and texts, the nearest stored text, the text tower as a masked language model.

    Args:
        backbone: The backbone.
        facts: How captions are tokenised, and the language model where the text tower is made of one.
        settings: Its values.
    """

    def __init__(self, backbone: Backbone, facts: Facts, settings: DeClipSettings) -> None:
        super().__init__(backbone, facts, settings)
        self.settings = settings
        self.log_scale = nn.Parameter(torch.tensor(-math.log(settings.temperature)))
        self.queue = TextQueue(settings.queue, settings.width) if settings.nearest_weight > 0 else None
        language = facts.of(TextFacts).language
        self.mask_id = MASK if language is None else language.mask_id
        self.word_scores: nn.Linear | None = None
        if settings.hides_words:
            self.word_scores = nn.Linear(self.text_tower.projection.in_features, self.text_tower.tokenizer.size)
        elif settings.words_weight > 0:
            self.notes = ("the text tower is frozen: it is not trained as a masked language model (words_weight)",)
        # The step's texts, which are stored once the weights are updated.
        self._latest: tuple[Tensor, Tensor, Tensor] | None = None

    @classmethod
    def needs(cls, settings: Any) -> Needs:
        """Two views of SimSiam's kind; texts, with chance for what is hidden of them."""
        need = TextsNeed.of_tower(settings.text_tower, settings.captions, settings.caption_language)
        texts = replace(need, chance=settings.hides_words, edited=True)
        return Needs({"texts": texts}, views=(ViewNeed(view=settings.views.view),) * VIEWS)

    @classmethod
    def plots(cls, settings: Any) -> Mapping[str, Plot]:
        """The parts of the loss, accuracies and temperature."""
        says = "share of texts whose picture is the nearest of the step's, in percent"
        plots = {"pairs": Plot("pairs", "loss"), "accuracy": Plot("accuracy", "share", says)}
        if settings.nearest_weight > 0:
            plots["nearest"] = Plot("nearest text", "loss")
        if settings.hides_words:
            right = "share of hidden tokens that the text tower predicts right, in percent"
            plots |= {"words": Plot("hidden words", "loss"), "words_accuracy": Plot("hidden words", "share", right)}
        return {**plots, "temperature": TEMPERATURE}

    @classmethod
    def chance(cls, settings: Any, batch_size: int) -> Chance | None:
        """That of contrast: the logarithm of how many images, and texts of one kind, there are to choose from."""
        return Chance(math.log(batch_size), f"ln {batch_size}", "pairs")

    def embed(self, seen: Seen, batch: Batch) -> dict[str, Tensor]:
        """Unit vectors ``images`` ``[B, 2, Z]`` and ``texts`` ``[B, c, Z]``; ``words``, the loss of a text's words."""
        texts = batch.of(Texts)
        pooled_nZ = self.text_tower(texts.ids_BcT.flatten(0, 1), texts.present_BcT.flatten(0, 1)).pooled_BZ
        return {
            "images": torch.stack([unit(self.embed_grid(seen.grid(view))) for view in range(VIEWS)], 1),
            "texts": unit(pooled_nZ).unflatten(0, texts.weight_Bc.shape),
            **self._words(texts),
        }

    def _words(self, texts: Texts) -> dict[str, Tensor]:
        """Of each image the sum of the losses of its first text's hidden tokens, how many these are, how many right."""
        if self.word_scores is None:
            return {}
        hidden_BcT = hidden_tokens(texts, self.settings.masked_share)
        given_BcT = with_hidden(texts, hidden_BcT, self.text_tower.tokenizer.size, self.mask_id)
        hidden_BT, ids_BT, present_BT = hidden_BcT[:, 0], texts.ids_BcT[:, 0], texts.present_BcT[:, 0]
        known_BTD = self.text_tower.encode(given_BcT[:, 0], present_BT)
        scores_MV, target_M = self.word_scores(known_BTD[hidden_BT]).float(), ids_BT[hidden_BT]
        loss_M = functional.cross_entropy(scores_MV, target_M, reduction="none")
        image_M = hidden_BT.nonzero()[:, 0]
        count_B = hidden_BT.sum(1)
        return {
            "words": loss_M.new_zeros(len(ids_BT)).index_add(0, image_M, loss_M),
            "hidden": count_B,
            "right": torch.zeros_like(count_B).index_add(0, image_M, (scores_MV.argmax(1) == target_M).long()),
        }

    def compare(self, embedded: Mapping[str, Tensor], batch: Batch) -> Losses:
        """Gives the parts of the loss, ``accuracy`` of finding a text's image, and ``temperature``."""
        settings, scale = self.settings, self.log_scale.exp()
        images_B2Z, texts_BcZ = gathered(embedded["images"]), gathered(embedded["texts"])
        found = matching(batch)
        example_B, text_Bc = gathered(batch.examples_B), gathered(batch.of(Texts).text_Bc)
        texts_TZ, text_T = texts_BcZ.flatten(0, 1)[found.real_n], text_Bc.flatten()[found.real_n]
        slot_T = torch.arange(text_Bc.shape[1], device=text_T.device).repeat(len(text_Bc))[found.real_n]
        pairs, nearest, right = [], [], []
        for slot in range(text_Bc.shape[1]):
            mine_T = slot_T == slot
            if not mine_T.any():
                continue
            own = Matching(found.image_T[mine_T], found.negative_BT[:, mine_T], found.real_n)
            stored = None
            if self.queue is not None:
                stored = self.queue.nearest(texts_TZ[mine_T], own.image_T, example_B, text_Bc)
            for images_BZ in images_B2Z.unbind(1):
                logits_BT = scale * images_BZ @ texts_TZ[mine_T].T
                pairs.append(contrastive_loss(logits_BT, own))
                right.append((logits_BT.detach().argmax(0) == own.image_T).float().mean())
                if stored is not None:
                    nearest.append(nearest_loss(images_BZ, own, stored, scale))
        if self.training:
            self._latest = (texts_TZ.detach(), example_B[found.image_T], text_T)
        parts = {"pairs": torch.stack(pairs).mean()}
        numbers = {"accuracy": torch.stack(right).mean(), "temperature": 1 / scale.detach()}
        total = settings.pairs_weight * parts["pairs"]
        if nearest:
            parts["nearest"] = torch.stack(nearest).mean()
            total = total + settings.nearest_weight * parts["nearest"]
        if "words" in embedded:
            words, hidden, correct = (gathered(embedded[name]).sum() for name in ("words", "hidden", "right"))
            parts["words"] = words / hidden.clamp_min(1)
            numbers["words_accuracy"] = correct / hidden.clamp_min(1)
            total = total + settings.words_weight * parts["words"]
        return Losses(total, {**{name: part.detach() for name, part in parts.items()}, **numbers})

    def after_update(self, step: int) -> None:
        """Store the step's texts, and keep the temperature from falling below a hundredth."""
        bound_scale(self.log_scale)
        if self.queue is not None and self._latest is not None:
            self.queue.push(*self._latest)
        self._latest = None
