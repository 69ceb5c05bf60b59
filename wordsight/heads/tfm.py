"""tfm: a transformer encoder over the grid and the caption together (ICMLM, Section 3.2).

Only the output at the masked position is read. In the last layer the keys and values of all other positions are
therefore all that is needed of them: their queries, outputs and feed-forward are never computed, and the keys and
values of an image's cells are shared by all its masked captions. The result is that of the full layer, to rounding.

https://arxiv.org/abs/2008.01392
"""

from __future__ import annotations

import math
from typing import NamedTuple

import torch
from torch import Tensor, nn

from wordsight.errors import InputError


class MaskedOutput(NamedTuple):
    """What :class:`FusionTransformer` gives for each masked caption.

    Args:
        features_BmD: The transformed masked token.
        attention_BmL: What the masked token attends to among the grid's cells, mean over heads, summing to one.
    """

    features_BmD: Tensor
    attention_BmL: Tensor


class FusionTransformer(nn.Module):
    """Fuses projected cells and token features, and returns the transformed masked token.

    Args:
        channels: Channels C of the grid.
        text_width: Width D of the token features, which is the transformer's.
        heads: Attention heads.
        layers: Encoder layers; the paper found one to work well.
        dropout: Dropout within the layers.

    Examples:
        >>> import torch
        >>> fusion = FusionTransformer(channels=512, text_width=384)
        >>> cells_BLC, tokens_BmTD = torch.randn(2, 49, 512), torch.randn(2, 4, 12, 384)
        >>> present_BmT, position_Bm = torch.ones(2, 4, 12, dtype=torch.bool), torch.full((2, 4), 5)
        >>> [tuple(part.shape) for part in fusion(cells_BLC, tokens_BmTD, present_BmT, position_Bm)]
        [(2, 4, 384), (2, 4, 49)]
    """

    def __init__(self, channels: int, text_width: int, heads: int = 12, layers: int = 1, dropout: float = 0.1) -> None:
        super().__init__()
        if text_width % heads:
            raise InputError(
                f"{heads} heads do not divide the {text_width} features of a token",
                where="objective_settings.heads",
                expected=f"a divisor of {text_width}",
            )
        self.project = nn.Linear(channels, text_width)
        self.earlier = nn.ModuleList(_encoder_layer(text_width, heads, dropout) for _ in range(layers - 1))
        self.last = _encoder_layer(text_width, heads, dropout)

    def forward(self, cells_BLC: Tensor, tokens_BmTD: Tensor, present_BmT: Tensor, position_Bm: Tensor) -> MaskedOutput:
        """Fuse.

        Args:
            cells_BLC: The grid, flattened.
            tokens_BmTD: Token features of m masked captions an image.
            present_BmT: True where there is a token, False at padding.
            position_Bm: Which token of each caption is masked.
        """
        visual_BLD = self.project(cells_BLC)
        tokens_BmTD = tokens_BmTD.to(visual_BLD.dtype)
        index_Bm1D = position_Bm[:, :, None, None].expand(-1, -1, 1, tokens_BmTD.shape[-1])
        if not self.earlier:
            queries_BmD = tokens_BmTD.gather(2, index_Bm1D).squeeze(2)
            return last_layer(self.last, queries_BmD, visual_BLD, tokens_BmTD, present_BmT)
        cells = visual_BLD.shape[1]
        stacked_BmSD = torch.cat([visual_BLD[:, None].expand(-1, tokens_BmTD.shape[1], -1, -1), tokens_BmTD], dim=2)
        absent_BmS = torch.cat([present_BmT.new_zeros(*present_BmT.shape[:2], cells), ~present_BmT], dim=2)
        shape = stacked_BmSD.shape
        stacked, absent = stacked_BmSD.flatten(0, 1), absent_BmS.flatten(0, 1)
        for layer in self.earlier:
            stacked = layer(stacked, src_key_padding_mask=absent)
        # After a layer, cells have seen their caption: from here every masked caption has a grid of its own.
        own_visual, own_tokens = stacked[:, :cells], stacked[:, None, cells:]
        flat_index = index_Bm1D.flatten(0, 1)[:, None]
        queries = own_tokens.gather(2, flat_index).squeeze(2)
        out = last_layer(self.last, queries, own_visual, own_tokens, present_BmT.flatten(0, 1)[:, None])
        return MaskedOutput(out.features_BmD.view(*shape[:2], -1), out.attention_BmL.view(*shape[:2], -1))


def last_layer(
    layer: nn.TransformerEncoderLayer, queries_BmD: Tensor, visual_BLD: Tensor, tokens_BmTD: Tensor, present_BmT: Tensor
) -> MaskedOutput:
    """A post-norm encoder layer's output at the masked position alone.

    Args:
        layer: The layer; its parameters are used as :class:`torch.nn.TransformerEncoderLayer` would.
        queries_BmD: The masked token's features.
        visual_BLD: The image's cells.
        tokens_BmTD: All tokens of the caption.
        present_BmT: True where there is a token.
    """
    attention = layer.self_attn
    heads, width = attention.num_heads, attention.embed_dim
    weight, bias = attention.in_proj_weight, attention.in_proj_bias
    query_BmNd = nn.functional.linear(queries_BmD, weight[:width], bias[:width]).unflatten(-1, (heads, -1))
    cell_key, cell_value = _keys_values(visual_BLD, weight[width:], bias[width:], heads)
    token_key, token_value = _keys_values(tokens_BmTD, weight[width:], bias[width:], heads)
    scale = 1 / math.sqrt(width // heads)
    cell_scores_BNmL = torch.einsum("bmnd,blnd->bnml", query_BmNd, cell_key).float() * scale
    token_scores_BNmT = torch.einsum("bmnd,bmtnd->bnmt", query_BmNd, token_key).float() * scale
    # Finite, so that a row of padding alone gives no NaN.
    token_scores_BNmT = token_scores_BNmT.masked_fill(~present_BmT[:, None], -1e4)
    weights_BNmS = torch.cat([cell_scores_BNmL, token_scores_BNmT], dim=-1).softmax(-1)
    cells = visual_BLD.shape[1]
    attended_BmL = weights_BNmS[..., :cells].mean(1)
    dropped = nn.functional.dropout(weights_BNmS, attention.dropout, layer.training).to(cell_value.dtype)
    mixed_BmNd = torch.einsum("bnml,blnd->bmnd", dropped[..., :cells], cell_value) + torch.einsum(
        "bnmt,bmtnd->bmnd", dropped[..., cells:], token_value
    )
    out_BmD = layer.norm1(queries_BmD + layer.dropout1(attention.out_proj(mixed_BmNd.flatten(-2))))
    hidden = layer.dropout(layer.activation(layer.linear1(out_BmD)))
    out_BmD = layer.norm2(out_BmD + layer.dropout2(layer.linear2(hidden)))
    return MaskedOutput(out_BmD, attended_BmL / attended_BmL.sum(-1, keepdim=True).clamp_min(1e-9))


def _keys_values(features: Tensor, weight: Tensor, bias: Tensor, heads: int) -> tuple[Tensor, Tensor]:
    both = nn.functional.linear(features, weight, bias)
    key, value = both.chunk(2, dim=-1)
    return key.unflatten(-1, (heads, -1)), value.unflatten(-1, (heads, -1))


def _encoder_layer(width: int, heads: int, dropout: float) -> nn.TransformerEncoderLayer:
    # Post-norm, GELU and a feed-forward of four widths: BERT's own layer (Devlin et al. 2019).
    return nn.TransformerEncoderLayer(
        width, heads, dim_feedforward=4 * width, dropout=dropout, activation="gelu", batch_first=True
    )
