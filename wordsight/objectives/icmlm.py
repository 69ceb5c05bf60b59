"""Image-conditioned masked language modelling (ICMLM, Section 3.2): what both flavours share.

The flavours differ in how the image and the masked caption meet (`icmlm_tfm.py`, `icmlm_attfc.py`); the loss over the
masked words (Eq. 7) and its sum with tag prediction (Eq. 8) are here.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor

from wordsight.batching.batch import Batch, MaskedWords
from wordsight.errors import InputError
from wordsight.heads.tp import TagHead, TagHeadKind
from wordsight.heads.vocabulary import Vocabulary
from wordsight.objectives.objective import Facts, MaskedWordObjective, mean_over
from wordsight.objectives.tag_prediction import tag_loss
from wordsight.vision.backbones import Backbone


@dataclass(frozen=True)
class ICMLMSettings:
    """Values that both flavours of ICMLM have.

    Args:
        tag_weight: lambda of Eq. 8: weight of tag prediction beside the masked words (the paper: 1 with VGG16, 0.1 with
            ResNet50); 0 leaves tag prediction out.
        tag_head: ``linear``, ``mlp`` (the paper's with ResNet50) or ``cnn`` (with VGG16).
        tag_hidden: Width of the tag head's hidden layers; 0 takes the backbone's.
        candidates: What a masked word may turn out to be: ``vocabulary``, all of the language model's (Eq. 6), or
            ``maskable``, the words of the concept set.
    """

    tag_weight: float = 1.0
    tag_head: TagHeadKind = "linear"
    tag_hidden: int = 0
    candidates: Literal["vocabulary", "maskable"] = "vocabulary"

    def __post_init__(self) -> None:
        if self.tag_weight < 0:
            raise InputError(f"tag_weight is {self.tag_weight}", where="objective_settings", expected="0 or more")


class ICMLM(MaskedWordObjective):
    """The loss of Eq. 8 over what a flavour predicts.

    Args:
        backbone: The backbone.
        facts: Number of concepts, vocabulary matrix, maskable words.
        settings: Its values.
    """

    needs = frozenset({"tags", "masked"})

    def __init__(self, backbone: Backbone, facts: Facts, settings: ICMLMSettings) -> None:
        super().__init__(backbone)
        if facts.vectors_VD is None:
            raise InputError("masked words need a language model", where="language", expected="minilm, a folder or a name")
        self.tag_weight = settings.tag_weight
        self.vocabulary = Vocabulary(facts.vectors_VD, facts.maskable if settings.candidates == "maskable" else None)
        self.tp: TagHead | None = None
        if settings.tag_weight > 0:
            self.tp = TagHead(backbone.out_channels, facts.concepts, settings.tag_head, settings.tag_hidden)

    @property
    def candidates(self) -> Tensor:
        """Vocabulary ids that the columns of the logits stand for."""
        return self.vocabulary.ids

    def forward(self, batch: Batch) -> dict[str, Tensor]:
        """Gives ``loss`` (Eq. 8), ``masked`` (Eq. 7), ``tag`` (Eq. 2) and ``accuracy``, the share of words guessed."""
        assert batch.masked is not None and batch.tags is not None, "batching fills what `needs` names"
        grid_BCHW = self.grid(batch)
        prediction = self.predict_masked(grid_BCHW, batch.masked)
        target_Bm = self.vocabulary.rows(batch.masked.target_Bm)
        masked, accuracy = masked_word_loss(prediction.logits_BmV, target_Bm, batch.masked.weight_Bm)
        parts = {"masked": masked.detach(), "accuracy": accuracy}
        loss = masked
        if self.tp is not None:
            tag = tag_loss(self.tp(grid_BCHW), batch.tags)
            loss = masked + self.tag_weight * tag
            parts["tag"] = tag.detach()
        return {"loss": loss, **parts}


def masked_word_loss(logits_BmV: Tensor, target_Bm: Tensor, weight_Bm: Tensor) -> tuple[Tensor, Tensor]:
    """Cross-entropy of the masked words, mean over them (Eq. 7), and the share whose best candidate is right.

    Args:
        logits_BmV: Scores of the candidates.
        target_Bm: Column of the masked word.
        weight_Bm: 1 for a masked word, 0 for a place left empty.
    """
    real_M = weight_Bm.flatten() > 0
    # Places left empty are taken out before the softmax, which is where the time goes.
    logits_MV, target_M = logits_BmV.flatten(0, 1)[real_M], target_Bm.flatten()[real_M]
    if len(target_M) == 0:
        return logits_BmV.sum() * 0.0, torch.zeros((), device=logits_BmV.device)
    loss = torch.nn.functional.cross_entropy(logits_MV.float(), target_M)
    right_M = (logits_MV.detach().argmax(-1) == target_M).float()
    return loss, mean_over(right_M, torch.ones_like(right_M))


def words_present(words: MaskedWords) -> Tensor:
    """The token features, which must have been filled in by now, [B, m, T, D]."""
    assert words.tokens_BmTD is not None, "token features come from the cache or from the language model before this"
    return words.tokens_BmTD
