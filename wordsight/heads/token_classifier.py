"""The masked-token classifier of BERT (Devlin et al. 2019): dense, GELU, LayerNorm, then the vocabulary matrix V.

https://arxiv.org/abs/1810.04805
"""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor, nn

from wordsight.heads.vocabulary import Vocabulary


class TokenClassifier(nn.Module):
    """Scores of every vocabulary entry from a transformed masked token.

    Args:
        vocabulary: Candidate words and their frozen vectors.
        weights: The language model's own classifier where it has one (``dense.weight``, ``dense.bias``,
            ``norm.weight``, ``norm.bias``, ``bias`` [V]); it is then frozen. Without it the classifier is trained.
    """

    def __init__(self, vocabulary: Vocabulary, weights: Mapping[str, Tensor] | None = None) -> None:
        super().__init__()
        width = vocabulary.width
        self.dense = nn.Linear(width, width)
        self.norm = nn.LayerNorm(width, eps=1e-12)
        self.vocabulary = vocabulary
        self.bias = nn.Parameter(torch.zeros(len(vocabulary)))
        if weights is not None:
            with torch.no_grad():
                self.dense.weight.copy_(weights["dense.weight"])
                self.dense.bias.copy_(weights["dense.bias"])
                self.norm.weight.copy_(weights["norm.weight"])
                self.norm.bias.copy_(weights["norm.bias"])
                self.bias.copy_(vocabulary.narrow(weights["bias"]))
            for parameter in self.parameters():
                parameter.requires_grad_(False)

    def forward(self, features: Tensor) -> Tensor:
        """[..., D] to logits [..., V]."""
        return self.vocabulary.scores(self.transform(features)) + self.bias

    def transform(self, features: Tensor) -> Tensor:
        """The layers before the vocabulary matrix: [..., D] to [..., D]."""
        transformed: Tensor = self.norm(nn.functional.gelu(self.dense(features)))
        return transformed
