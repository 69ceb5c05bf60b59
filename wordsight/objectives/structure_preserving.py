"""Structure-preserving embeddings (Wang, Li and Lazebnik 2016): two branches on frozen features and sentence vectors.

Their Equation 5: by a margin, an image is nearer to its captions than to others, a caption nearer to its images than to
others, an image nearer to images of the same captions than to others, and a caption nearer to captions of the same
image than to others; of each pair that should be near, only the farthest violations count. Distances are Euclidean, of
unit vectors. A caption that reads like one of an image's own belongs to that image too.

https://arxiv.org/abs/1511.06078
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from wordsight.batching.batch import Batch
from wordsight.batching.fields import Field
from wordsight.batching.fields.sentences import DrawnSentences, SentenceFacts, SentencesNeed
from wordsight.batching.needs import Needs
from wordsight.language.sentence_vectors import Pool, vectors_of
from wordsight.objectives.capabilities import GridTextObjective
from wordsight.objectives.caption_variety import check_captions_differ
from wordsight.objectives.comparing import ComparingObjective
from wordsight.objectives.gather import gathered
from wordsight.objectives.objective import Facts, Losses, Plot
from wordsight.objectives.seen import Seen
from wordsight.objectives.two_towers import in_places, matching, unit
from wordsight.ranges import AtLeastOne, Limit, LossWeight, Positive, Width, check_ranges
from wordsight.vision.backbones import Backbone
from wordsight.vision.locking import lock


@dataclass(frozen=True)
class StructurePreservingSettings:
    """Values of structure-preserving embeddings.

    Args:
        width: Width of the space in which images and texts are compared.
        hidden: Width of each branch's hidden layer.
        batch_norm: Whether each branch ends with batch norm.
        captions: Captions of an image in a step; with one alone, captions have no neighbours to stay near to.
        margin: By how much what belongs together should be nearer.
        to_image: Weight of captions that choose among images; images that choose among captions have 1.
        image_structure: Weight of images among images.
        text_structure: Weight of captions among captions.
        violations: How many of the farthest violations of each pair count; 0 for all.
        pool: The vector of a text: the mean of its tokens' features, or that of the first token, ``cls``.
        caption_language: Captions in this language alone; "" for all.
    """

    width: Width = 512
    hidden: Width = 2048
    batch_norm: bool = True
    captions: AtLeastOne = 2
    margin: Positive = 0.1
    to_image: LossWeight = 2.0
    image_structure: LossWeight = 0.0
    text_structure: LossWeight = 0.2
    violations: Limit = 50
    pool: Pool = "mean"
    caption_language: str = ""

    def __post_init__(self) -> None:
        check_ranges(self, "objective_settings")


class StructurePreserving(ComparingObjective, GridTextObjective):
    """A branch of two layers for pooled features, and one for vectors of texts.

    Args:
        backbone: The backbone; it stays as it is.
        facts: What makes vectors of texts.
        settings: Its values.
    """

    asks = "to bring the features of pictures near to the vectors of their captions"
    starts_from_weights = True

    def __init__(self, backbone: Backbone, facts: Facts, settings: StructurePreservingSettings) -> None:
        super().__init__(backbone)
        lock(backbone)
        # No module: the language model is none of the run's weights.
        self._sentences, self.settings = facts.of(SentenceFacts), settings
        self.image_branch = _branch(backbone.out_channels, settings)
        self.text_branch = _branch(self._sentences.language.width, settings)

    @classmethod
    def needs(cls, settings: StructurePreservingSettings) -> Needs:
        """Vectors of captions."""
        return Needs({"sentences": SentencesNeed(settings.captions, settings.pool, settings.caption_language)})

    @classmethod
    def check_data(
        cls, settings: Any, fields: Mapping[str, Field[Any, Any]], examples: NDArray[np.int64], batch_size: int
    ) -> None:
        """Refuse captions that all read alike; say in how many batches no two differ."""
        check_captions_differ(fields, examples, batch_size)

    @classmethod
    def plots(cls, settings: StructurePreservingSettings) -> Mapping[str, Plot]:
        """How often it is right."""
        return {"accuracy": Plot("accuracy", "share", "share of captions whose picture is the nearest of the step's")}

    def embed(self, seen: Seen, batch: Batch) -> dict[str, Tensor]:
        """Unit vectors: ``images`` ``[B, Z]`` and ``texts`` ``[B, c, Z]``."""
        drawn = batch.of(DrawnSentences)
        real_n = drawn.weight_Bc.flatten() > 0
        # What is no caption has no part in the statistics of batch norm.
        texts_nZ = in_places(unit(self.text_branch(drawn.vectors_BcD.flatten(0, 1)[real_n])), real_n)
        return {"images": self.embed_grid(seen.grid()), "texts": texts_nZ.unflatten(0, drawn.weight_Bc.shape)}

    def compare(self, embedded: Mapping[str, Tensor], batch: Batch) -> Losses:
        """The loss over the step's images and captions, and ``accuracy`` of finding a caption's image among them."""
        found = matching(batch, DrawnSentences)
        images_BZ = gathered(embedded["images"])
        texts_TZ = gathered(embedded["texts"]).flatten(0, 1)[found.real_n]
        total = structure_preserving_loss(images_BZ, texts_TZ, ~found.negative_BT, self.settings)
        nearest_T = (images_BZ @ texts_TZ.T).detach().argmax(0)
        return Losses(total, {"accuracy": (nearest_T == found.image_T).float().mean()})

    def embed_grid(self, grid_BCHW: Tensor) -> Tensor:
        """Grids to embeddings ``[B, Z]``."""
        return unit(self.image_branch(grid_BCHW.float().mean((2, 3))))

    def embed_texts(self, texts: Sequence[str]) -> Tensor:
        """Texts to embeddings ``[B, Z]``."""
        device = next(self.text_branch.parameters()).device
        vectors_BD = torch.from_numpy(vectors_of(texts, self._sentences.language.to(device), self._sentences.pool))
        return unit(self.text_branch(vectors_BD.float().to(device)))


def structure_preserving_loss(
    images_BZ: Tensor, texts_TZ: Tensor, near_BT: Tensor, settings: StructurePreservingSettings
) -> Tensor:
    """Equation 5, divided by the number of pairs of an image and a caption that belong together.

    Args:
        images_BZ: Unit vectors of images.
        texts_TZ: Unit vectors of captions.
        near_BT: Which belong together.
        settings: Margin, weights, and how many violations count.
    """
    pairs = near_BT.sum().clamp_min(1)
    distance_BT = _distance(images_BZ, texts_TZ)
    total = _violated(distance_BT, near_BT, settings)
    total = total + settings.to_image * _violated(distance_BT.T, near_BT.T, settings)
    near = near_BT.float()
    for weight, unit_NZ, share_NN in (
        (settings.image_structure, images_BZ, near @ near.T),
        (settings.text_structure, texts_TZ, near.T @ near),
    ):
        if weight:
            own_NN = torch.eye(len(unit_NZ), dtype=torch.bool, device=unit_NZ.device)
            total = total + weight * _violated(_distance(unit_NZ, unit_NZ), share_NN > 0, settings, own_NN)
    return total / pairs


def _violated(
    distance_AC: Tensor, near_AC: Tensor, settings: StructurePreservingSettings, own_AC: Tensor | None = None
) -> Tensor:
    """The sum, over all pairs that should be near, of by how much others are too near: the greatest of them."""
    row_p, column_p = (near_AC if own_AC is None else near_AC & ~own_AC).nonzero(as_tuple=True)
    excess_pC = settings.margin + distance_AC[row_p, column_p][:, None] - distance_AC[row_p]
    excess_pC = excess_pC.clamp_min(0).masked_fill(near_AC[row_p], 0)
    if 0 < settings.violations < excess_pC.shape[1]:
        excess_pC = excess_pC.topk(settings.violations, dim=1, sorted=False).values
    return excess_pC.sum()


def _distance(first_AZ: Tensor, second_CZ: Tensor) -> Tensor:
    # The square root of nothing has no gradient.
    return (2 - 2 * first_AZ @ second_CZ.T).clamp_min(1e-12).sqrt()


def _branch(width: int, settings: StructurePreservingSettings) -> nn.Sequential:
    layers = [nn.Linear(width, settings.hidden), nn.ReLU(), nn.Linear(settings.hidden, settings.width)]
    return nn.Sequential(*layers, *([nn.BatchNorm1d(settings.width)] if settings.batch_norm else []))
