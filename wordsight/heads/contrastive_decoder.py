"""The decoder of CoCa (Yu et al. 2022, Section 3.2): its first layers read the text alone, its last ones the image too.

What the first layers make of a [CLS] token at the end of a caption is the caption's embedding; the last ones say the
caption token by token. No token sees those after it, so that one pass serves both.

https://arxiv.org/abs/2205.01917
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor, nn

from wordsight.heads.caption_decoder import CaptionWriter, DecoderShape, ImageRead, TokenEmbedding, drawn_as_bert
from wordsight.heads.decoder_layer import DecoderLayer


class ReadCaptions(NamedTuple):
    """What the first layers make of c captions of B images.

    Args:
        tokens_BcTD: Their tokens.
        whole_BcD: Each of them as one vector.
    """

    tokens_BcTD: Tensor
    whole_BcD: Tensor


class ContrastiveDecoder(nn.Module):
    """Layers that read text, and layers that read text and image.

    Args:
        shape: What it is made of; its layers are those that see the image.
        text_layers: Layers before these, which see the text alone.

    Examples:
        >>> import torch
        >>> decoder = ContrastiveDecoder(DecoderShape(words=100, width=64, norm_first=True), text_layers=2)
        >>> read = decoder.read_texts(torch.randint(100, (2, 3, 8)), torch.ones(2, 3, 8, dtype=torch.bool))
        >>> known_BcTD = decoder(read.tokens_BcTD, decoder.read_image(torch.randn(2, 9, 64)))
        >>> tuple(read.whole_BcD.shape), tuple(known_BcTD.shape)
        ((2, 3, 64), (2, 3, 8, 64))
    """

    def __init__(self, shape: DecoderShape, text_layers: int) -> None:
        super().__init__()
        self.embedding = TokenEmbedding(shape)
        self.end_D = nn.Parameter(torch.empty(shape.width))

        def layer(sees: bool) -> DecoderLayer:
            return DecoderLayer(shape.width, shape.heads, shape.dropout, sees=sees, norm_first=shape.norm_first)

        self.text_layers = nn.ModuleList(layer(False) for _ in range(text_layers))
        self.image_layers = nn.ModuleList(layer(True) for _ in range(shape.layers))
        self.norm_whole, self.norm = nn.LayerNorm(shape.width), nn.LayerNorm(shape.width)
        self.apply(drawn_as_bert)
        nn.init.normal_(self.end_D, std=0.02)

    def read_texts(self, ids_BcT: Tensor, present_BcT: Tensor) -> ReadCaptions:
        """What the text alone says.

        Args:
            ids_BcT: Vocabulary ids of c captions of each image.
            present_BcT: Where there is a token, at the beginning of each row.
        """
        tokens = ids_BcT.shape[-1]
        embedded_BcTD = self.embedding(ids_BcT)
        end_Bc1D = self.end_D.to(embedded_BcTD.dtype).expand(*ids_BcT.shape[:2], 1, -1)
        read_BcSD = torch.cat([embedded_BcTD, end_Bc1D], 2)
        before_SS = torch.ones(tokens + 1, tokens + 1, dtype=torch.bool, device=ids_BcT.device).tril()
        # The end sees what there is, whatever stands behind other captions to make them as long.
        present_BcS = torch.cat([present_BcT, torch.ones_like(present_BcT[..., :1])], 2)
        is_end_S1 = torch.arange(tokens + 1, device=ids_BcT.device)[:, None] == tokens
        allowed_BcSS = torch.where(is_end_S1, present_BcS.unsqueeze(2), before_SS)
        for layer in _layers(self.text_layers):
            read_BcSD = layer(read_BcSD, None, allowed_BcSS)
        return ReadCaptions(read_BcSD[:, :, :-1], self.norm_whole(read_BcSD[:, :, -1]))

    def read_image(self, pooled_BqD: Tensor) -> ImageRead:
        """What its last layers read of images.

        Args:
            pooled_BqD: What was pooled from their grids.
        """
        return [layer.read_image(pooled_BqD) for layer in _layers(self.image_layers)]

    def forward(self, tokens_BcTD: Tensor, image: ImageRead) -> Tensor:
        """What is known at each token, ``[B, c, T, D]``.

        Args:
            tokens_BcTD: What :meth:`read_texts` made of the tokens.
            image: What :meth:`read_image` gave.
        """
        for layer, read in zip(_layers(self.image_layers), image, strict=True):
            tokens_BcTD = layer(tokens_BcTD, read)
        known_BcTD: Tensor = self.norm(tokens_BcTD)
        return known_BcTD

    def looks(self, tokens_BcTD: Tensor, image: ImageRead) -> Tensor:
        """Where each token looks among what was pooled, in the last layer, ``[B, c, T, q]``.

        Args:
            tokens_BcTD: As :meth:`forward`.
            image: As :meth:`forward`.
        """
        layers = _layers(self.image_layers)
        for layer, read in zip(layers[:-1], image[:-1], strict=True):
            tokens_BcTD = layer(tokens_BcTD, read)
        assert image[-1] is not None, "the last layers see the image"
        return layers[-1].looks(tokens_BcTD, image[-1])

    def writer(self, pooled_BqD: Tensor) -> CaptionWriter:
        """Captions of images, about to be written token by token.

        Args:
            pooled_BqD: What was pooled from their grids.
        """
        layers = [*_layers(self.text_layers), *_layers(self.image_layers)]
        unseen: ImageRead = [None] * len(self.text_layers)
        return CaptionWriter(self.embedding, layers, [*unseen, *self.read_image(pooled_BqD)], self.norm)


def _layers(modules: nn.ModuleList) -> list[DecoderLayer]:
    return [layer for layer in modules if isinstance(layer, DecoderLayer)]
