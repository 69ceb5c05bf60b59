"""CCA (Gong et al. 2014): frozen features and frozen sentence vectors, projected to where they correlate.

Their two-view model (Section 3): canonical correlation analysis of what a backbone sees of an image and what a language
model makes of its captions, each projection weighted by a power of its eigenvalue (Section 3.3), compared by the
cosine. It is solved from one look at all images; nothing of the backbone changes. Their kernels' feature maps are left
out: what they would map is learned already here.

https://arxiv.org/abs/1212.4522
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from wordsight.batching.batch import Batch
from wordsight.batching.fields import Field
from wordsight.batching.fields.sentences import SentenceFacts, SentencesNeed
from wordsight.batching.needs import Needs
from wordsight.errors import InputError
from wordsight.language.sentence_vectors import Pool, vectors_of
from wordsight.objectives.canonical_variates import Moments, Side, canonical
from wordsight.objectives.capabilities import GridTextObjective
from wordsight.objectives.caption_variety import refuse_one_caption
from wordsight.objectives.objective import EpochFeatures, Facts, Losses
from wordsight.objectives.seen import Seen
from wordsight.ranges import Power, Probability, Width, check_ranges
from wordsight.vision.backbones import Backbone
from wordsight.vision.locking import lock


@dataclass(frozen=True)
class CanonicalCorrelationSettings:
    """Values of canonical correlation analysis.

    Args:
        width: Dimensions of the space in which images and texts are compared.
        power: Power of the eigenvalues that dimensions are weighted by; 0 for all alike.
        penalty: What is added to the variance in every direction, as a share of the mean variance: of many dimensions
            and few images some correlate by chance.
        pool: The vector of a text: the mean of its tokens' features, or that of the first token, ``cls``.
        caption_language: Captions in this language alone; "" for all.
    """

    width: Width = 128
    power: Power = 4.0
    penalty: Probability = 1e-4
    pool: Pool = "mean"
    caption_language: str = ""

    def __post_init__(self) -> None:
        check_ranges(self, "objective_settings")


class CanonicalCorrelation(GridTextObjective):
    """Two linear projections, of an image's pooled features and of a text's vector.

    Args:
        backbone: The backbone; it stays as it is.
        facts: The vectors of captions.
        settings: Its values.

    Raises:
        InputError: When the space is wider than features or vectors are.
    """

    asks = "in no steps: features of pictures and vectors of captions were projected to where they correlate"
    learns = False
    solved = True
    starts_from_weights = True
    image_mean_C: Tensor
    image_weight_CZ: Tensor
    text_mean_D: Tensor
    text_weight_DZ: Tensor

    def __init__(self, backbone: Backbone, facts: Facts, settings: CanonicalCorrelationSettings) -> None:
        super().__init__(backbone)
        lock(backbone)
        # No module: the language model is none of the run's weights.
        self._sentences, self.settings = facts.of(SentenceFacts), settings
        channels, width = backbone.out_channels, self._sentences.language.width
        if settings.width > min(channels, width):
            raise InputError(
                f"a space of {settings.width} dimensions is asked for, features are {channels} wide and texts' vectors "
                f"{width}",
                where="objective_settings: width",
                expected=f"at most {min(channels, width)}",
            )
        self.register_buffer("image_mean_C", torch.zeros(channels))
        self.register_buffer("image_weight_CZ", torch.zeros(channels, settings.width))
        self.register_buffer("text_mean_D", torch.zeros(width))
        self.register_buffer("text_weight_DZ", torch.zeros(width, settings.width))

    @classmethod
    def needs(cls, settings: CanonicalCorrelationSettings) -> Needs:
        """Vectors of captions."""
        return Needs({"sentences": SentencesNeed(1, settings.pool, settings.caption_language)})

    @classmethod
    def check_data(
        cls, settings: Any, fields: Mapping[str, Field[Any, Any]], examples: NDArray[np.int64], batch_size: int
    ) -> None:
        """Refuse captions that all read alike."""
        refuse_one_caption(fields, examples)

    def losses(self, seen: Seen, batch: Batch) -> Losses:
        """Zero: it is not learned in steps."""
        return Losses(seen.grid().sum() * 0)

    def solve(self, look: Callable[[], EpochFeatures]) -> None:
        """Find both projections from all images and all of their captions.

        Args:
            look: Runs the backbone over all training images.

        Raises:
            InputError: When there are too few captions for so many dimensions.
        """
        found = look()
        moments = Moments(len(self.image_mean_C), len(self.text_mean_D))
        for place_N, vectors_ND in self._sentences.of_images(found.examples_n.numpy()):
            moments.add(found.features_nC[torch.from_numpy(place_N)], torch.from_numpy(vectors_ND))
        if moments.pairs <= self.settings.width:
            raise InputError(
                f"{moments.pairs:,} captions are too few for {self.settings.width} dimensions",
                where="objective_settings: width",
                expected=f"less than {moments.pairs:,}",
            )
        solution = canonical(moments, self.settings.width, self.settings.penalty, self.settings.power)
        self.image_mean_C.copy_(solution.first.mean_C)
        self.image_weight_CZ.copy_(solution.first.weight_CZ)
        self.text_mean_D.copy_(solution.second.mean_C)
        self.text_weight_DZ.copy_(solution.second.weight_CZ)

    def embed_grid(self, grid_BCHW: Tensor) -> Tensor:
        """Grids to projections ``[B, Z]``."""
        return Side(self.image_mean_C, self.image_weight_CZ)(grid_BCHW.float().mean((2, 3)))

    def embed_texts(self, texts: Sequence[str]) -> Tensor:
        """Texts to projections ``[B, Z]``."""
        language = self._sentences.language.to(self.text_mean_D.device)
        vectors_BD = torch.from_numpy(vectors_of(texts, language, self._sentences.pool)).float()
        return Side(self.text_mean_D, self.text_weight_DZ)(vectors_BD.to(self.text_mean_D.device))
