"""What an objective can be asked besides its loss; `parts_of` finds the part of a sum that can answer."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from wordsight.batching.masks import MaskedWords
from wordsight.heads.caption_search import CaptionSearch, NextTokens, search_captions
from wordsight.language.text_tokenizer import TextTokenizer
from wordsight.language.wordpiece import CLS, MASK, PAD, SEP, UNK
from wordsight.objectives.objective import Objective, parts_of
from wordsight.objectives.tag_heads import TagHeads


@dataclass(frozen=True)
class MaskedPrediction:
    """What an objective on masked words predicts of each masked word.

    Args:
        logits_BmV: Scores of the candidates (all of the vocabulary, or the maskable words).
        attention_BmL: Where it looked, over the grid's L cells, each row summing to one.
        grid: Rows and columns of the grid.
        unseen_Bm: For objectives that can look at no cell (a null cell), the share of the attention that does; the
            rest is spread over the cells as ``attention_BmL`` says. None for others.
    """

    logits_BmV: Tensor
    attention_BmL: Tensor
    grid: tuple[int, int]
    unseen_Bm: Tensor | None = None


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


class GridTextObjective(ImageTextObjective):
    """One that embeds an image by its grid, so that it can be asked where in an image a text is."""

    @abstractmethod
    def embed_grid(self, grid_BCHW: Tensor) -> Tensor:
        """Images whose grids are at hand to embeddings, as `embed_images`: also grids of a single cell.

        Args:
            grid_BCHW: What the backbone makes of the images.
        """

    def embed_images(self, images_BCHW: Tensor) -> Tensor:
        """Images to what `embed_grid` makes of their grids."""
        return self.embed_grid(self.backbone(images_BCHW))

    @property
    def text_tokenizer(self) -> TextTokenizer | None:
        """What reads texts, where that is one tokenizer."""
        return None


@dataclass(frozen=True)
class CaptionAttention:
    """Where an objective looks for each token of a caption, one caption for each image.

    Args:
        ids_BT: The tokens as it reads them: [CLS], the pieces of words, [SEP]; 0 where absent.
        attention_BTL: Where it looks when it predicts each token, over the grid's L cells. Each row sums to one; those
            of [CLS] and of absent tokens are 0.
        grid: Rows and columns of the grid.
    """

    ids_BT: Tensor
    attention_BTL: Tensor
    grid: tuple[int, int]

    @classmethod
    def after(cls, before_BTL: Tensor, ids_BT: Tensor, present_BT: Tensor, grid_BCHW: Tensor) -> CaptionAttention:
        """That of a captioner: a token is predicted at the one before it.

        Args:
            before_BTL: Where each token but the last of each row looks.
            ids_BT: The tokens.
            present_BT: Where there is one.
            grid_BCHW: The grid that is looked at.
        """
        attention_BTL = torch.cat([torch.zeros_like(before_BTL[:, :1]), before_BTL], 1) * present_BT[..., None]
        rows, columns = grid_BCHW.shape[-2:]
        return cls(ids_BT, attention_BTL, (rows, columns))


class CaptionAttentionObjective(Objective):
    """An objective that looks at the grid for each token of a caption, by cross-attention.

    Like those of other capabilities, its methods are called in evaluation mode, without gradients.
    """

    tokenizer: TextTokenizer
    """What reads captions."""

    @abstractmethod
    def attend(self, grid_BCHW: Tensor, captions: Sequence[str]) -> CaptionAttention:
        """Where it looks for each token of given captions.

        Args:
            grid_BCHW: The images' grids.
            captions: A caption for each.
        """

    def encoded(self, captions: Sequence[str], device: torch.device) -> tuple[Tensor, Tensor]:
        """Captions as the objective reads them: vocabulary ids, and where there is a token, ``[B, T]`` each.

        Args:
            captions: B captions.
            device: Where they are wanted.
        """
        ids_BT, present_BT = self.tokenizer.encode(captions)
        return torch.from_numpy(ids_BT).to(device), torch.from_numpy(present_BT).to(device)


@dataclass(frozen=True)
class WrittenCaption:
    """A caption that an objective has written.

    Args:
        text: The caption.
        log_probability: Of the whole of it, its end included; natural logarithm.
        tokens: How many tokens that is the sum of.
        ended: Whether it came to an end, and was not cut off at the longest that the objective writes.
    """

    text: str
    log_probability: float
    tokens: int
    ended: bool


class CaptioningObjective(CaptionAttentionObjective):
    """An objective that writes captions."""

    protocol = "captioning"

    @abstractmethod
    def writer(self, grid_BCHW: Tensor) -> NextTokens:
        """What knows how captions of images go on.

        Args:
            grid_BCHW: The images' grids.
        """

    def generate(self, grid_BCHW: Tensor, search: CaptionSearch) -> list[WrittenCaption]:
        """Write a caption for each image; special tokens and [UNK] are never in it.

        Args:
            grid_BCHW: The images' grids.
            search: How to search for it.
        """
        found = search_captions(
            self.writer(grid_BCHW),
            len(grid_BCHW),
            search,
            first=CLS,
            last=SEP,
            never=(PAD, UNK, CLS, MASK),
            most=self.tokenizer.max_tokens - 1,
            device=grid_BCHW.device,
        )
        columns = (found.ids_BT, found.log_probability_B, found.count_B.long(), found.ended_B)
        return [
            WrittenCaption(self.tokenizer.text_of(ids), log_probability, tokens, ended)
            for ids, log_probability, tokens, ended in zip(*(column.tolist() for column in columns), strict=True)
        ]


def tag_heads_of(objective: object) -> TagHeads | None:
    """The tag heads of an objective, or of the first part of a sum that has some; None where none has."""
    return next((found.tag_heads for found in parts_of(objective, TagObjective)), None)
