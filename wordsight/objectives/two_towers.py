"""What objectives with a tower for images and one for texts share: the embeddings of all pairs of a step.

An objective of this family is :class:`TwoTowers` with a loss of its own over :class:`Pairs` (`clip.py`).
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, ClassVar

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional

from wordsight.batching.batch import Batch
from wordsight.batching.fields import Field
from wordsight.batching.fields.sentences import DrawnSentences
from wordsight.batching.fields.texts import TextFacts, Texts, TextsNeed
from wordsight.batching.needs import Needs
from wordsight.language.text_tokenizer import TextTokenizer
from wordsight.language.towers import TowerSettings, build_tower
from wordsight.objectives.capabilities import GridTextObjective
from wordsight.objectives.caption_variety import check_captions_differ
from wordsight.objectives.comparing import ComparingObjective
from wordsight.objectives.gather import gathered
from wordsight.objectives.objective import Facts, Losses, Plot
from wordsight.objectives.seen import Seen
from wordsight.ranges import AtLeastOne, Width, check_ranges
from wordsight.vision.backbones import Backbone

# How a learned temperature is drawn.
TEMPERATURE = Plot("temperature", "value", "what similarities are divided by; it is learned")


@dataclass(frozen=True)
class TwoTowerSettings:
    """Values of objectives with a tower for texts.

    Args:
        width: Width of the space in which images and texts are compared.
        captions: Captions of an image in a step.
        caption_language: Captions in this language alone; "" for all.
        text_tower: Values of the text tower.
    """

    width: Width = 256
    captions: AtLeastOne = 1
    caption_language: str = ""
    text_tower: TowerSettings = field(default_factory=TowerSettings)

    def __post_init__(self) -> None:
        check_ranges(self, "objective_settings")


@dataclass(frozen=True)
class Matching:
    """Which of the T captions of a step belong to which of its B images, over all processes.

    Args:
        image_T: The image that each caption was drawn for.
        negative_BT: Whether a caption is another's than the image's: it was written for another image, and reads unlike
            all captions that were drawn for this one. An image or a caption may have none.
        real_n: Of all places for captions, c an image, whether there is one in it: T of them.
    """

    image_T: Tensor
    negative_BT: Tensor
    real_n: Tensor

    @property
    def positive_BT(self) -> Tensor:
        """Whether a caption was drawn for the image."""
        places_B = torch.arange(len(self.negative_BT), device=self.image_T.device)
        return places_B[:, None] == self.image_T[None]


def matching(batch: Batch, kind: type[Texts | DrawnSentences] = Texts) -> Matching:
    """Which captions are whose.

    Args:
        batch: This process's share of the step.
        kind: What holds the captions.
    """
    texts = batch.of(kind)
    example_B, text_Bc, weight_Bc = map(gathered, (batch.examples_B, texts.text_Bc, texts.weight_Bc))
    real_n = weight_Bc.flatten() > 0
    captions = weight_Bc.shape[1]
    image_T = torch.arange(len(example_B), device=example_B.device).repeat_interleave(captions)[real_n]
    return Matching(image_T, negatives(example_B, text_Bc, example_B[image_T], text_Bc.flatten()[real_n]), real_n)


def negatives(example_B: Tensor, text_Bc: Tensor, example_T: Tensor, text_T: Tensor) -> Tensor:
    """Whether captions are others' than some images': written for another example, unlike all that the image has here.

    Args:
        example_B: The images' numbers in the corpus.
        text_Bc: Numbers of the captions that were drawn for them; captions that read alike share one.
        example_T: The example that each caption was written for.
        text_T: The captions' numbers.

    Returns:
        ``[B, T]``.
    """
    # An example may stand in a step twice, where images are drawn by concepts.
    own_BT = example_B[:, None] == example_T[None]
    reads_alike_BT = (text_Bc[:, :, None] == text_T[None, None]).any(1)
    return ~(own_BT | reads_alike_BT)


@dataclass(frozen=True)
class Pairs:
    """The B images and T captions of a step, over all processes, in float32.

    Args:
        images_BZ: Embeddings of the images, of unit length.
        texts_TZ: Embeddings of the captions, of unit length.
        matching: Which are whose.
    """

    images_BZ: Tensor
    texts_TZ: Tensor
    matching: Matching

    @property
    def cosine_BT(self) -> Tensor:
        """The cosine of every image with every caption."""
        return self.images_BZ @ self.texts_TZ.T


class TwoTowers(ComparingObjective, GridTextObjective):
    """A backbone with a projection, and a text tower; a subclass says how they are compared.

    Args:
        backbone: The backbone.
        facts: How captions are tokenised, and the language model where the text tower is made of one.
        settings: Its values.
    """

    asks = "to tell the captions of a picture from those of other pictures"
    # What the batch holds its texts in, and what is known of these.
    texts_kind: ClassVar[type[Texts]] = Texts
    facts_kind: ClassVar[type[TextFacts]] = TextFacts
    # Whether the texts' tokens are compared, and not one vector a text.
    reads_tokens: ClassVar[bool] = False

    def __init__(self, backbone: Backbone, facts: Facts, settings: TwoTowerSettings) -> None:
        super().__init__(backbone)
        texts = facts.of(self.facts_kind)
        self.image_projection: nn.Module = nn.Linear(backbone.out_channels, settings.width, bias=False)
        self.text_tower = build_tower(settings.text_tower, settings.width, texts.tokenizer, texts.language)

    @classmethod
    def needs(cls, settings: TwoTowerSettings) -> Needs:
        """Captions, as the text tower reads them."""
        tower, captions, language = settings.text_tower, settings.captions, settings.caption_language
        return Needs({"texts": TextsNeed.of_tower(tower, captions, language, pooled=not cls.reads_tokens)})

    @classmethod
    def check_data(
        cls, settings: Any, fields: Mapping[str, Field[Any, Any]], examples: NDArray[np.int64], batch_size: int
    ) -> None:
        """Refuse captions that all read alike; say in how many batches no two differ."""
        check_captions_differ(fields, examples, batch_size)

    def embed(self, seen: Seen, batch: Batch) -> dict[str, Tensor]:
        """Unit vectors: ``images`` ``[B, Z]`` and ``texts`` ``[B, c, Z]``."""
        texts = batch.of(self.texts_kind)
        kept_nD = None if texts.vectors_BcD is None else texts.vectors_BcD.flatten(0, 1)
        pooled_nZ = self.text_tower.pooled(texts.ids_BcT.flatten(0, 1), texts.present_BcT.flatten(0, 1), kept_nD)
        return {
            "images": unit(self.embed_grid(seen.grid())),
            "texts": unit(pooled_nZ).unflatten(0, texts.weight_Bc.shape),
        }

    def embed_texts(self, texts: Sequence[str]) -> Tensor:
        """Texts to embeddings ``[B, Z]``."""
        return self.text_tower.read(texts).pooled_BZ

    def embed_grid(self, grid_BCHW: Tensor) -> Tensor:
        """Grids to embeddings ``[B, Z]``."""
        projected_BZ: Tensor = self.image_projection(grid_BCHW.mean((2, 3)))
        return projected_BZ

    @property
    def text_tokenizer(self) -> TextTokenizer:
        """The text tower's."""
        return self.text_tower.tokenizer


class PairTowers(TwoTowers):
    """Two towers with a loss over all pairs of a step, which a subclass gives.

    Args:
        backbone: The backbone.
        facts: How captions are tokenised, and the language model where the text tower is made of one.
        settings: Its values.
    """

    @abstractmethod
    def loss(self, pairs: Pairs) -> Losses:
        """The loss over all images and captions of a step; every process computes it whole.

        Args:
            pairs: The pairs. A mean over them leaves the learning rate what it is when the batch grows.
        """

    def compare(self, embedded: Mapping[str, Tensor], batch: Batch) -> Losses:
        """The loss over the step's pairs."""
        found = matching(batch, self.texts_kind)
        texts_nZ = gathered(embedded["texts"]).flatten(0, 1)
        return self.loss(Pairs(gathered(embedded["images"]), texts_nZ[found.real_n], found))


def unit(embedding_BZ: Tensor) -> Tensor:
    """Embeddings as unit vectors, in float32.

    Args:
        embedding_BZ: Of any length.
    """
    return functional.normalize(embedding_BZ.float(), dim=1)


def in_places(rows_TZ: Tensor, real_n: Tensor) -> Tensor:
    """Rows of the captions that there are, each in its place; zeros in the others, which had no part in making them.

    Args:
        rows_TZ: A row for each caption.
        real_n: Whether a place has one.

    Returns:
        ``[n, Z]``.
    """
    return rows_TZ.new_zeros(len(real_n), rows_TZ.shape[1]).masked_scatter(real_n[:, None], rows_TZ)
