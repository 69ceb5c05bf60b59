"""What an objective can be asked besides its loss; `parts_of` finds the part of a sum that can answer."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass

from torch import Tensor

from wordsight.batching.masks import MaskedWords
from wordsight.objectives.objective import Objective, parts_of
from wordsight.objectives.tag_heads import TagHeads


@dataclass(frozen=True)
class MaskedPrediction:
    """What an objective on masked words predicts of each masked word.

    Args:
        logits_BmV: Scores of the candidates (all of the vocabulary, or the maskable words).
        attention_BmL: Where it looked, over the grid's L cells, each row summing to one.
        grid: Rows and columns of the grid.
    """

    logits_BmV: Tensor
    attention_BmL: Tensor
    grid: tuple[int, int]


class MaskedWordObjective(Objective):
    """An objective that predicts masked words, and so can be asked for them and for where it looks."""

    protocol = "masked-words"

    @abstractmethod
    def predict_masked(self, grid_BCHW: Tensor, words: MaskedWords) -> MaskedPrediction:
        """Predict the masked words of images whose grid is at hand."""

    @property
    @abstractmethod
    def candidates(self) -> Tensor:
        """Vocabulary ids that the columns of the logits stand for."""


class TagObjective(Objective):
    """An objective that predicts concepts, and so can be asked how probable each is."""

    tag_heads: TagHeads
    """Its heads, one for each concept set."""


class ImageTextObjective(Objective):
    """An objective with a tower for images and one for texts: both give embeddings in one space.

    Both methods are called in evaluation mode, without gradients, with the objective on the device that is computed
    on. The image tower has to go through ``backbone``, so that its randomly initialised copy can be asked too.
    """

    protocol = "retrieval"

    @abstractmethod
    def embed_images(self, images_BCHW: Tensor) -> Tensor:
        """Images as a backbone reads them (float, normalised) to embeddings ``[B, Z]``; any length will do.

        Or to one for each cell ``[B, L, Z]``: then texts have one for each token.
        """

    @abstractmethod
    def embed_texts(self, texts: Sequence[str]) -> Tensor:
        """Texts to embeddings in the same space ``[B, Z]``; any length will do.

        Or to one for each token ``[B, T, Z]``, zeros where a text has none: then scores are late interaction.
        """


def tag_heads_of(objective: object) -> TagHeads | None:
    """The tag heads of an objective, or of the first part of a sum that has some; None where none has."""
    return next((found.tag_heads for found in parts_of(objective, TagObjective)), None)
