"""A layer of a transformer decoder (Vaswani et al. 2017, Section 3.1): over tokens, over an image, feed-forward.

https://arxiv.org/abs/1706.03762
"""

from __future__ import annotations

from collections.abc import Callable

from torch import Tensor, nn
from torch.nn import functional

from wordsight.heads.multi_head_attention import KeysValues, MultiHeadAttention


class DecoderLayer(nn.Module):
    """Self-attention over the tokens of a caption, attention to an image, and a feed-forward of four widths (GELU).

    All captions of an image share what was read of it.

    Args:
        width: Width D of the tokens.
        heads: Attention heads.
        dropout: Dropout of attention, of what each part adds, and within the feed-forward.
        sees: Whether it attends to an image.
        norm_first: Whether layer norm stands before each part, within the residual, or after it.
    """

    def __init__(
        self, width: int, heads: int, dropout: float = 0.0, *, sees: bool = True, norm_first: bool = False
    ) -> None:
        super().__init__()
        self.norm_first = norm_first
        self.among = MultiHeadAttention(width, heads, dropout)
        self.norm_among = nn.LayerNorm(width)
        self.image = MultiHeadAttention(width, heads, dropout) if sees else None
        self.norm_image = nn.LayerNorm(width) if sees else None
        self.widen, self.narrow = nn.Linear(width, 4 * width), nn.Linear(4 * width, width)
        self.norm_out = nn.LayerNorm(width)
        self.drop = nn.Dropout(dropout)

    def read_image(self, cells_BLD: Tensor) -> KeysValues | None:
        """Keys and values of an image's cells; None for a layer that sees none."""
        return None if self.image is None else self.image.read(cells_BLD)

    def forward(self, tokens_BcTD: Tensor, image: KeysValues | None, allowed_BcST: Tensor | None = None) -> Tensor:
        """The tokens after the layer.

        Args:
            tokens_BcTD: c captions of B images.
            image: What :meth:`read_image` gave.
            allowed_BcST: Which tokens T each token S may look at; None for itself and those before it.
        """
        return self._after(self._among(tokens_BcTD, allowed_BcST), image)

    def go_on(self, tokens_BcD: Tensor, past: KeysValues | None, image: KeysValues | None) -> tuple[Tensor, KeysValues]:
        """The next token of each caption, after the ones that went before.

        Args:
            tokens_BcD: The next tokens.
            past: What was given back for the tokens before, with B * c rows; None at the first.
            image: What :meth:`read_image` gave.

        Returns:
            The tokens after the layer, and the past with them.
        """
        kept: list[KeysValues] = []

        def among(each_Bc1D: Tensor) -> Tensor:
            rows_n1D = each_Bc1D.flatten(0, 1)
            read = self.among.read(rows_n1D)
            kept.append(read if past is None else past.with_more(read))
            found_n1D: Tensor = self.among(rows_n1D, kept[0])
            return found_n1D.view_as(each_Bc1D)

        tokens_Bc1D = self._added(tokens_BcD.unsqueeze(2), self.norm_among, among)
        return self._after(tokens_Bc1D, image).squeeze(2), kept[0]

    def looks(self, tokens_BcTD: Tensor, image: KeysValues, allowed_BcST: Tensor | None = None) -> Tensor:
        """Where each token looks in the image, ``[B, c, T, L]``: the mean over heads, summing to one.

        Args:
            tokens_BcTD: As :meth:`forward`.
            image: As :meth:`forward`.
            allowed_BcST: As :meth:`forward`.
        """
        assert self.image is not None and self.norm_image is not None, "this layer sees no image"
        tokens_BcTD = self._among(tokens_BcTD, allowed_BcST)
        asking_BcTD = self.norm_image(tokens_BcTD) if self.norm_first else tokens_BcTD
        looks_BSL = self.image.weights(asking_BcTD.flatten(1, 2), image)
        return looks_BSL.view(*tokens_BcTD.shape[:3], -1)

    def _among(self, tokens_BcTD: Tensor, allowed_BcST: Tensor | None) -> Tensor:
        """Self-attention, and what it is added to."""
        allowed = None if allowed_BcST is None else allowed_BcST.flatten(0, 1).unsqueeze(1)

        def among(each_BcTD: Tensor) -> Tensor:
            rows_nTD = each_BcTD.flatten(0, 1)
            found_nTD: Tensor = self.among(rows_nTD, self.among.read(rows_nTD), allowed, causal=allowed is None)
            return found_nTD.view_as(each_BcTD)

        return self._added(tokens_BcTD, self.norm_among, among)

    def _after(self, tokens_BcTD: Tensor, image: KeysValues | None) -> Tensor:
        """What follows self-attention."""
        if self.image is not None and self.norm_image is not None and image is not None:
            attend, read = self.image, image

            def seen(each_BcTD: Tensor) -> Tensor:
                found_BSD: Tensor = attend(each_BcTD.flatten(1, 2), read)
                return found_BSD.view_as(each_BcTD)

            tokens_BcTD = self._added(tokens_BcTD, self.norm_image, seen)

        def fed(each_BcTD: Tensor) -> Tensor:
            out_BcTD: Tensor = self.narrow(self.drop(functional.gelu(self.widen(each_BcTD))))
            return out_BcTD

        return self._added(tokens_BcTD, self.norm_out, fed)

    def _added(self, tokens: Tensor, norm: nn.LayerNorm, part: Callable[[Tensor], Tensor]) -> Tensor:
        added: Tensor = (
            tokens + self.drop(part(norm(tokens))) if self.norm_first else norm(tokens + self.drop(part(tokens)))
        )
        return added
