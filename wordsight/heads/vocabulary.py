"""The words that a masked word may turn out to be, and their frozen vectors (V in ICMLM, Eq. 6).

https://arxiv.org/abs/2008.01392
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from wordsight.heads.word_loss import word_loss


class Vocabulary(nn.Module):
    """The matrix V of the language model, or the rows of it that are candidates.

    The matrix is frozen and belongs to the language model, so it is not saved with a run.

    Args:
        vectors_VD: Word vectors of the language model.
        candidates: Vocabulary ids that are candidates; None takes all, which is the paper's Eq. 6.

    Examples:
        >>> import torch
        >>> vocabulary = Vocabulary(torch.eye(3), candidates=torch.tensor([0, 2]))
        >>> vocabulary.scores(torch.tensor([[1.0, 5.0, 2.0]]))
        tensor([[1., 2.]])
    """

    vectors_VD: Tensor
    row_of: Tensor
    ids: Tensor

    def __init__(self, vectors_VD: Tensor, candidates: Tensor | None = None) -> None:
        super().__init__()
        size = len(vectors_VD)
        ids = torch.arange(size) if candidates is None else candidates.long().unique()
        row_of = torch.full((size,), -1, dtype=torch.long)
        row_of[ids] = torch.arange(len(ids))
        self._low_VD: Tensor | None = None
        self.register_buffer("vectors_VD", vectors_VD[ids].detach().clone(), persistent=False)
        self.register_buffer("row_of", row_of, persistent=False)
        self.register_buffer("ids", ids, persistent=False)

    def __len__(self) -> int:
        return len(self.vectors_VD)

    @property
    def width(self) -> int:
        """Width D of a word vector."""
        return self.vectors_VD.shape[1]

    def scores(self, features: Tensor) -> Tensor:
        """Dot products with every candidate (Eq. 6): [..., D] to [..., V]."""
        return nn.functional.linear(features, self.vectors_VD.to(features.dtype))

    def loss(self, features_MD: Tensor, target_M: Tensor, bias_V: Tensor | None = None) -> tuple[Tensor, Tensor]:
        """Mean cross-entropy of masked words and the share guessed right (Eq. 7), as :func:`word_loss`.

        Args:
            features_MD: What each masked word is predicted from.
            target_M: Candidate number of the masked word (see :meth:`rows`).
            bias_V: Bias of each candidate.
        """
        vectors_VD = self.vectors_VD
        if torch.is_autocast_enabled(features_MD.device.type) and not vectors_VD.requires_grad:
            # Autocast would cast the frozen matrix anew in every step.
            dtype = torch.get_autocast_dtype(features_MD.device.type)
            if self._low_VD is None or self._low_VD.dtype != dtype or self._low_VD.device != vectors_VD.device:
                self._low_VD = vectors_VD.to(dtype)
            vectors_VD = self._low_VD
        return word_loss(features_MD, vectors_VD, target_M, bias_V)

    def rows(self, ids: Tensor) -> Tensor:
        """Vocabulary ids to candidate numbers; -1 for a word that is no candidate."""
        return self.row_of[ids]

    def narrow(self, values_V: Tensor) -> Tensor:
        """Values for the whole vocabulary to values for the candidates."""
        return values_V[self.ids]
