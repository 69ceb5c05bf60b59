"""DeViSE (Frome et al. 2013): an image is projected onto the vectors of words, which know what words have in common.

Their Equation 1, a hinge rank loss: of an image with the concept c, the vector of c should score higher by a margin
than those of all concepts that the image does not have. The vectors stay as the language model gives them, so that an
image can be asked for words that were never trained on. Of an image with several concepts the loss is their mean.

https://papers.nips.cc/paper/5204-devise-a-deep-visual-semantic-embedding-model
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from wordsight.batching.batch import Batch
from wordsight.batching.fields.tags import Tags, TagsNeed
from wordsight.batching.fields.word_vectors import WordVectorFacts, WordVectorsNeed
from wordsight.batching.needs import Needs
from wordsight.language.word_vectors import WordVectorKind
from wordsight.objectives.capabilities import GridTextObjective
from wordsight.objectives.objective import Facts, Losses, Plot
from wordsight.objectives.processes import global_mean_scale
from wordsight.objectives.seen import Seen
from wordsight.ranges import Positive, check_ranges
from wordsight.vision.backbones import Backbone


@dataclass(frozen=True)
class DeviseSettings:
    """Values of DeViSE.

    Args:
        margin: By how much an image's own concepts should score higher than others.
        word_vectors: ``contextual``: a word's vector is the mean of the language model's token features of it;
            ``vocabulary``: the mean of the vocabulary matrix's rows of its tokens.
        concept_set: The concept set whose names are learned, where the run has several; "" for the only one.
    """

    margin: Positive = 0.1
    word_vectors: WordVectorKind = "contextual"
    concept_set: str = ""

    def __post_init__(self) -> None:
        check_ranges(self, "objective_settings")


class Devise(GridTextObjective):
    """A linear projection of the pooled grid onto the vectors of words.

    Args:
        backbone: The backbone.
        facts: The vectors of the concepts' names.
        settings: Its values.
    """

    asks = "to come close to the words of its captions, or to its labels, in the space of a language model"
    divisible = True
    names_KD: Tensor

    def __init__(self, backbone: Backbone, facts: Facts, settings: DeviseSettings) -> None:
        super().__init__(backbone)
        known = facts.of(WordVectorFacts)
        self.margin, self.concept_set = settings.margin, known.concept_set
        self.projection = nn.Linear(backbone.out_channels, known.names_KD.shape[1], bias=False)
        # The run keeps them with what is known of its data.
        self.register_buffer("names_KD", known.names_KD, persistent=False)
        # No module: neither optimisers nor the run's weights have a part of it.
        self._words = known.words

    @classmethod
    def needs(cls, settings: DeviseSettings) -> Needs:
        """Concepts, and the vectors of their names."""
        names = WordVectorsNeed(settings.word_vectors, settings.concept_set)
        return Needs({"tags": TagsNeed(), "word-vectors": names})

    @classmethod
    def plots(cls, settings: DeviseSettings) -> Mapping[str, Plot]:
        """How often it is right."""
        says = "share of pairs of a concept that the picture has and one that it has not, the first scoring higher"
        return {"ranked": Plot("ranked right", "share", says)}

    def losses(self, seen: Seen, batch: Batch) -> Losses:
        """The mean over images with a concept, and ``ranked``: how often the right concept scores higher."""
        assert batch.tags is not None, "batching fills what `needs` names"
        tags = batch.tags[self.concept_set]
        scores_BK = self.embed_grid(seen.grid()).float() @ self.names_KD.T
        total, ranked = hinge_rank_loss(scores_BK, tags, self.margin)
        return Losses(total, {"ranked": ranked.detach()})

    def embed_grid(self, grid_BCHW: Tensor) -> Tensor:
        """Grids to the space of word vectors ``[B, D]``."""
        projected_BD: Tensor = self.projection(grid_BCHW.mean((2, 3)))
        return projected_BD

    def embed_texts(self, texts: Sequence[str]) -> Tensor:
        """Any words or texts to their vectors ``[B, D]``; nothing of them was learned."""
        return self._words.to(self.names_KD.device).of(texts).to(self.names_KD.device)


def hinge_rank_loss(scores_BK: Tensor, tags: Tags, margin: float) -> tuple[Tensor, Tensor]:
    """Equation 1, summed over the concepts that an image has not, as a mean over the images that have one.

    (The paper goes through the wrong concepts in random order and stops at the first that violates the margin.)

    Args:
        scores_BK: The score of each concept for each image.
        tags: Which concepts hold.
        margin: By how much these should score higher.

    Returns:
        The loss, and the share of pairs of a right and a wrong concept of which the right one scores higher.
    """
    images = len(scores_BK)
    wrong_BK = torch.ones_like(scores_BK, dtype=torch.bool)
    wrong_BK[tags.image_P, tags.concept_P] = False
    right_P = scores_BK[tags.image_P, tags.concept_P]
    gap_PK = right_P[:, None] - scores_BK[tags.image_P]
    wrong_PK = wrong_BK[tags.image_P]
    loss_P = ((margin - gap_PK).clamp_min(0) * wrong_PK).sum(1)
    concepts_B = torch.bincount(tags.image_P, minlength=images)
    has = (concepts_B > 0).sum()
    scale = global_mean_scale(has, scores_BK.device, tags.mean_count)
    total = (loss_P / concepts_B[tags.image_P]).sum() / has.clamp_min(1) * scale
    ranked = ((gap_PK > 0) & wrong_PK).sum() / wrong_PK.sum().clamp_min(1)
    return total, ranked
