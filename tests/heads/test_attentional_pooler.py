"""Attentional pooling is open_clip's, value and gradient; its weights say where each query looks."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from wordsight.heads.attentional_pooler import AttentionalPooler


def test_it_is_open_clip_s_value_and_gradient() -> None:
    transformer = pytest.importorskip("open_clip.transformer", reason="open_clip is not installed")
    torch.manual_seed(0)
    ours = AttentionalPooler(6, 8, 3, 2).double()
    theirs = transformer.AttentionalPooler(8, 6, n_head=2, n_queries=3, norm_layer=nn.LayerNorm).double()
    with torch.no_grad():
        for parameter in ours.parameters():
            parameter.normal_()
        theirs.query.copy_(ours.queries_qD)
        theirs.ln_q.load_state_dict(ours.norm_queries.state_dict())
        theirs.ln_k.load_state_dict(ours.norm_places.state_dict())
        key, value = ours.attention.key_value.weight.chunk(2)
        for name, weight in (("q", ours.attention.query.weight), ("k", key), ("v", value)):
            getattr(theirs.attn, f"{name}_proj_weight").copy_(weight)
        theirs.attn.in_proj_bias.copy_(torch.cat([ours.attention.query.bias, ours.attention.key_value.bias]))
        theirs.attn.out_proj.load_state_dict(ours.attention.out.state_dict())
    found = []
    for pooler in (ours, theirs):
        places = torch.randn(4, 5, 6, generator=torch.Generator().manual_seed(1)).double().requires_grad_()
        out = pooler(places)
        out.square().sum().backward()
        queries = ours.queries_qD.grad if pooler is ours else theirs.query.grad
        found.append((out, places.grad, queries))
    for one, other in zip(*found, strict=True):
        torch.testing.assert_close(one, other, rtol=1e-5, atol=1e-5)
    asked = theirs.ln_q(theirs.query).expand(4, -1, -1)
    places = torch.randn(4, 5, 6, generator=torch.Generator().manual_seed(1)).double()
    weights = theirs.attn(asked, theirs.ln_k(places), theirs.ln_k(places))[1]
    torch.testing.assert_close(ours.weights(places).double(), weights, rtol=1e-5, atol=1e-5)
