"""tp: from the grid to a score for every concept (ICMLM, Section 3.1, and "Networks" in Section 4).

https://arxiv.org/abs/2008.01392
"""

from __future__ import annotations

from collections import OrderedDict
from typing import Literal

from torch import Tensor, nn

from wordsight.heads.concept_table import ConceptTable

TagHeadKind = Literal["linear", "mlp", "cnn"]


class TagHead(nn.Module):
    """Tag scores from a grid.

    Args:
        channels: Channels C of the grid.
        concepts: Number K of concepts.
        kind: ``linear``: global average pooling, linear. ``mlp``: global average pooling, two layers (the paper's with
            ResNet50). ``cnn``: four convolutions, global average pooling, linear (the paper's with VGG16).
        hidden: Width of the hidden layers; 0 takes C.
        dropout: Dropout before the last layer.
        table: Whether the last layer can be asked for some concepts alone.

    Examples:
        >>> import torch
        >>> head = TagHead(channels=512, concepts=1000)
        >>> head(torch.zeros(2, 512, 7, 7)).shape
        torch.Size([2, 1000])
    """

    def __init__(
        self,
        channels: int,
        concepts: int,
        kind: TagHeadKind = "linear",
        hidden: int = 0,
        dropout: float = 0.0,
        table: bool = False,
    ) -> None:
        super().__init__()
        hidden = hidden or channels
        convolutions: list[nn.Module] = []
        if kind == "cnn":
            for number in range(4):
                convolutions += [
                    nn.Conv2d(channels if number == 0 else hidden, hidden, 3, padding=1, bias=False),
                    nn.BatchNorm2d(hidden),
                    nn.ReLU(inplace=True),
                ]
        between: list[nn.Module] = []
        if kind == "mlp":
            between = [nn.Linear(channels, hidden), nn.BatchNorm1d(hidden), nn.ReLU(inplace=True)]
        if dropout > 0:
            between.append(nn.Dropout(dropout))
        self.layers = nn.Sequential(
            OrderedDict(
                convolutions=nn.Sequential(*convolutions),
                pool=nn.AdaptiveAvgPool2d(1),
                flat=nn.Flatten(),
                between=nn.Sequential(*between),
                scores=(ConceptTable if table else nn.Linear)(channels if kind == "linear" else hidden, concepts),
            )
        )

    def hidden(self, grid_BCHW: Tensor) -> Tensor:
        """Grid [B, C, H, W] to what the last layer reads, [B, width]."""
        hidden_BD: Tensor = self.layers[:-1](grid_BCHW)
        return hidden_BD

    @property
    def reads_features(self) -> bool:
        """Whether the last layer reads the backbone's own features, averaged: nothing is learned between."""
        return not any(True for _ in self.layers[:-1].parameters())

    @property
    def last(self) -> nn.Linear:
        """The last layer: a row for every concept."""
        last = self.layers.scores
        assert isinstance(last, nn.Linear)
        return last

    def forward(self, grid_BCHW: Tensor) -> Tensor:
        """Grid [B, C, H, W] to logits [B, K]."""
        logits_BK: Tensor = self.layers(grid_BCHW)
        return logits_BK

    def some(self, grid_BCHW: Tensor, rows_C: Tensor) -> Tensor:
        """Grid to the logits of some concepts, [B, C], for a head with a ``table``.

        Args:
            grid_BCHW: The grid.
            rows_C: Numbers of the concepts, ascending, each once.
        """
        *before, table = self.layers
        assert isinstance(table, ConceptTable), "a head is made with a table where some concepts are asked for"
        features = grid_BCHW
        for layer in before:
            features = layer(features)
        return table.some(features, rows_C)
