"""A transformer that says what is in a grid, token by token (the textual head of VirTex, Desai and Johnson 2021).

Tokens of captions are embedded with their places, go through layers that attend to each other and to the grid's cells
(`decoder_layer.py`), and are scored by the same vectors that embed them (tied embeddings, Section 3 of the paper). A
second direction, from right to left, has layers of its own and shares all else.

https://arxiv.org/abs/2006.06666
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from wordsight.heads.decoder_layer import DecoderLayer
from wordsight.heads.multi_head_attention import KeysValues
from wordsight.heads.word_loss import word_loss


@dataclass(frozen=True)
class DecoderShape:
    """What a decoder is made of.

    Args:
        words: Tokens V of the vocabulary.
        width: Width D of a token.
        layers: Layers.
        heads: Attention heads.
        dropout: Dropout of embeddings and layers.
        max_tokens: The longest caption in tokens.
        norm_first: Whether layer norm stands before each part of a layer, and once more after the last.
    """

    words: int
    width: int = 256
    layers: int = 1
    heads: int = 4
    dropout: float = 0.1
    max_tokens: int = 30
    norm_first: bool = False


# What is read of an image once for all its captions: keys and values for each layer.
ImageRead = list[KeysValues | None]


class TokenEmbedding(nn.Module):
    """Vectors of tokens and of their places, added, normed; and the scores that the same vectors give.

    Args:
        shape: Words, width, longest caption, dropout.
    """

    def __init__(self, shape: DecoderShape) -> None:
        super().__init__()
        self.words = nn.Embedding(shape.words, shape.width)
        self.places = nn.Parameter(torch.empty(shape.max_tokens, shape.width))
        self.norm = nn.LayerNorm(shape.width)
        self.drop = nn.Dropout(shape.dropout)
        self.bias_V = nn.Parameter(torch.zeros(shape.words))
        nn.init.normal_(self.places, std=0.02)

    def forward(self, ids_nT: Tensor, first: int = 0) -> Tensor:
        """Embed tokens, ``[..., T, D]``.

        Args:
            ids_nT: Vocabulary ids, any leading sizes.
            first: The place of the first of them in its caption.
        """
        placed = self.words(ids_nT) + self.places[first : first + ids_nT.shape[-1]]
        embedded: Tensor = self.drop(self.norm(placed))
        return embedded

    def scores(self, features_nD: Tensor) -> Tensor:
        """The score of every word, ``[..., V]``."""
        return nn.functional.linear(features_nD, self.words.weight, self.bias_V)

    def loss(self, features_MD: Tensor, target_M: Tensor) -> tuple[Tensor, Tensor]:
        """Mean cross-entropy of some tokens, and the share of them that are predicted right.

        Args:
            features_MD: What each is predicted from.
            target_M: The vocabulary id of each; of none the loss is 0.
        """
        if not len(target_M):
            nothing = 0 * (features_MD.sum() + self.words.weight.sum() + self.bias_V.sum())
            return nothing, nothing.detach()
        return word_loss(features_MD, self.words.weight, target_M, self.bias_V)


class CaptionDecoder(nn.Module):
    """From a grid and the tokens of captions to what their next, or hidden, tokens are predicted from.

    Args:
        channels: Channels C of the grid.
        shape: What it is made of.
        directions: 1, or 2 with layers of their own for captions from right to left.

    Examples:
        >>> import torch
        >>> decoder = CaptionDecoder(channels=512, shape=DecoderShape(words=100, width=64))
        >>> image = decoder.read(torch.randn(2, 49, 512))
        >>> features_BcTD = decoder(torch.randint(100, (2, 3, 8)), image)
        >>> tuple(features_BcTD.shape), tuple(decoder.embedding.scores(features_BcTD).shape)
        ((2, 3, 8, 64), (2, 3, 8, 100))
    """

    def __init__(self, channels: int, shape: DecoderShape, directions: int = 1) -> None:
        super().__init__()
        self.project = nn.Linear(channels, shape.width)
        self.embedding = TokenEmbedding(shape)
        self.directions = nn.ModuleList(
            nn.ModuleList(
                DecoderLayer(shape.width, shape.heads, shape.dropout, norm_first=shape.norm_first)
                for _ in range(shape.layers)
            )
            for _ in range(directions)
        )
        self.norm = nn.LayerNorm(shape.width) if shape.norm_first else nn.Identity()
        self.apply(drawn_as_bert)

    def read(self, cells_BLC: Tensor, direction: int = 0) -> ImageRead:
        """What its layers read of images.

        Args:
            cells_BLC: The grids, flattened.
            direction: 0 from left to right, 1 from right to left.
        """
        cells_BLD = self.project(cells_BLC)
        return [layer.read_image(cells_BLD) for layer in self._layers(direction)]

    def forward(
        self, ids_BcT: Tensor, image: ImageRead, allowed_BcST: Tensor | None = None, direction: int = 0
    ) -> Tensor:
        """What is known at each token, ``[B, c, T, D]``.

        Args:
            ids_BcT: Vocabulary ids of c captions of each image.
            image: What :meth:`read` gave.
            allowed_BcST: Which tokens T each token S may look at; None for itself and those before it.
            direction: As :meth:`read`.
        """
        tokens_BcTD = self.embedding(ids_BcT)
        for layer, read in zip(self._layers(direction), image, strict=True):
            tokens_BcTD = layer(tokens_BcTD, read, allowed_BcST)
        known_BcTD: Tensor = self.norm(tokens_BcTD)
        return known_BcTD

    def looks(self, ids_BcT: Tensor, image: ImageRead, allowed_BcST: Tensor | None = None) -> Tensor:
        """Where each token looks in the grid in the last layer, ``[B, c, T, L]``, from left to right.

        Args:
            ids_BcT: As :meth:`forward`.
            image: As :meth:`forward`.
            allowed_BcST: As :meth:`forward`.
        """
        layers = self._layers(0)
        tokens_BcTD = self.embedding(ids_BcT)
        for layer, read in zip(layers[:-1], image[:-1], strict=True):
            tokens_BcTD = layer(tokens_BcTD, read, allowed_BcST)
        assert image[-1] is not None, "every layer sees the image"
        return layers[-1].looks(tokens_BcTD, image[-1], allowed_BcST)

    def writer(self, cells_BLC: Tensor) -> CaptionWriter:
        """Captions of images, about to be written token by token.

        Args:
            cells_BLC: The grids, flattened.
        """
        return CaptionWriter(self.embedding, self._layers(0), self.read(cells_BLC), self.norm)

    def _layers(self, direction: int) -> list[DecoderLayer]:
        found = self.directions[direction]
        assert isinstance(found, nn.ModuleList)
        return [layer for layer in found if isinstance(layer, DecoderLayer)]


class CaptionWriter:
    """The c captions of each of B images as far as they are written: what `caption_search.py` goes on with.

    Args:
        embedding: Embeds and scores tokens.
        layers: The layers.
        image: What each of them has read of the images; None for one that sees none.
        norm: What comes after the last.
    """

    def __init__(
        self, embedding: TokenEmbedding, layers: list[DecoderLayer], image: ImageRead, norm: nn.Module
    ) -> None:
        self._embedding, self._layers, self._image, self._norm = embedding, layers, image, norm
        self._past: list[KeysValues | None] = [None] * len(layers)
        self._written, self._captions = 0, 0

    def __call__(self, ids_Bc: Tensor, origin_Bc: Tensor) -> Tensor:
        """Go on with each caption by a token; gives the log-probability of what comes next, ``[B, c, V]``.

        Args:
            ids_Bc: The tokens.
            origin_Bc: Which of the image's captions, as they were before, each of these goes on with.
        """
        if self._written:
            images = torch.arange(len(ids_Bc), device=ids_Bc.device)[:, None]
            rows_n = (images * self._captions + origin_Bc).flatten()
            self._past = [None if past is None else past.of(rows_n) for past in self._past]
        self._captions = ids_Bc.shape[1]
        tokens_BcD = self._embedding(ids_Bc.unsqueeze(-1), self._written).squeeze(2)
        for number, (layer, read) in enumerate(zip(self._layers, self._image, strict=True)):
            tokens_BcD, self._past[number] = layer.go_on(tokens_BcD, self._past[number], read)
        self._written += 1
        return self._embedding.scores(self._norm(tokens_BcD)).float().log_softmax(-1)


def drawn_as_bert(module: nn.Module) -> None:
    """Draw a module's weights as BERT and VirTex draw them at the beginning: for ``nn.Module.apply``.

    Args:
        module: A linear layer or an embedding; others stay as they are.
    """
    if isinstance(module, nn.Linear | nn.Embedding):
        nn.init.normal_(module.weight, std=0.02)
    if isinstance(module, nn.Linear):
        nn.init.zeros_(module.bias)
