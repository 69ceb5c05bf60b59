"""The decoder's layers are torch's; a token knows nothing of those after it; what is written goes on as it was read."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional

from wordsight.errors import InputError
from wordsight.heads.caption_decoder import CaptionDecoder, DecoderShape
from wordsight.heads.decoder_layer import DecoderLayer
from wordsight.heads.multi_head_attention import MultiHeadAttention

WIDTH, HEADS = 8, 2


def torchs_layer(ours: DecoderLayer) -> nn.TransformerDecoderLayer:
    """Torch's own layer with the same weights."""
    layer = nn.TransformerDecoderLayer(
        WIDTH, HEADS, 4 * WIDTH, 0.0, activation="gelu", batch_first=True, norm_first=ours.norm_first
    )

    def copy(attention: MultiHeadAttention, to: nn.MultiheadAttention) -> None:
        assert to.in_proj_weight is not None and to.in_proj_bias is not None
        to.in_proj_weight.copy_(torch.cat([attention.query.weight, attention.key_value.weight]))
        to.in_proj_bias.copy_(torch.cat([attention.query.bias, attention.key_value.bias]))
        to.out_proj.load_state_dict(attention.out.state_dict())

    assert ours.image is not None and ours.norm_image is not None
    with torch.no_grad():
        copy(ours.among, layer.self_attn)
        copy(ours.image, layer.multihead_attn)
        for mine, theirs in [
            (ours.norm_among, layer.norm1),
            (ours.norm_image, layer.norm2),
            (ours.norm_out, layer.norm3),
            (ours.widen, layer.linear1),
            (ours.narrow, layer.linear2),
        ]:
            assert isinstance(theirs, nn.Module)
            theirs.load_state_dict(mine.state_dict())
    return layer


@pytest.mark.parametrize("norm_first", [False, True])
@pytest.mark.parametrize("all_tokens", [False, True])
def test_a_layer_is_torchs_value_and_gradient(norm_first: bool, all_tokens: bool) -> None:
    torch.manual_seed(0)
    ours = DecoderLayer(WIDTH, HEADS, norm_first=norm_first)
    theirs = torchs_layer(ours)
    tokens_BcTD, cells_BLD = torch.randn(2, 3, 5, WIDTH), torch.randn(2, 4, WIDTH)
    found = []
    for layer in (ours, theirs):
        tokens, cells = tokens_BcTD.clone().requires_grad_(), cells_BLD.clone().requires_grad_()
        if layer is ours:
            allowed = torch.ones(1, 1, 5, 5, dtype=torch.bool).expand(2, 3, 5, 5) if all_tokens else None
            out = ours(tokens, ours.read_image(cells), allowed)
        else:
            mask = None if all_tokens else nn.Transformer.generate_square_subsequent_mask(5)
            out = theirs(tokens.flatten(0, 1), cells.repeat_interleave(3, 0), tgt_mask=mask).view(2, 3, 5, WIDTH)
        out.square().sum().backward()
        assert tokens.grad is not None and cells.grad is not None
        found.append((out, tokens.grad, cells.grad))
    for one, other in zip(*found, strict=True):
        torch.testing.assert_close(one, other, rtol=1e-5, atol=1e-5)


def decoder(layers: int = 2, directions: int = 1) -> CaptionDecoder:
    torch.manual_seed(0)
    shape = DecoderShape(words=11, width=WIDTH, layers=layers, heads=HEADS, dropout=0.0, max_tokens=6)
    built = CaptionDecoder(channels=3, shape=shape, directions=directions)
    for parameter in built.parameters():
        # BERT's small first weights would hide a mix-up.
        nn.init.normal_(parameter, std=0.5)
    return built


def test_a_token_knows_nothing_of_those_after_it_and_nothing_of_other_captions() -> None:
    built = decoder()
    image = built.read(torch.randn(2, 4, 3))
    ids_BcT = torch.randint(11, (2, 3, 6))
    other_BcT = ids_BcT.clone()
    other_BcT[:, 1, 3] = (other_BcT[:, 1, 3] + 1) % 11
    one, other = built(ids_BcT, image), built(other_BcT, image)
    same_BcT = torch.isclose(one, other, atol=1e-6).all(-1)
    changed = torch.zeros(2, 3, 6, dtype=torch.bool)
    changed[:, 1, 3:] = True
    assert torch.equal(~same_BcT, changed)


def test_each_image_is_seen_by_its_own_captions_alone() -> None:
    built = decoder()
    cells_BLC, ids_BcT = torch.randn(2, 4, 3), torch.randint(11, (2, 3, 6))
    one = built(ids_BcT, built.read(cells_BLC))
    other = built(ids_BcT, built.read(torch.stack([cells_BLC[0], cells_BLC[1] + 1])))
    assert torch.equal(one[0], other[0]) and not torch.isclose(one[1], other[1]).all(-1).any()


def test_a_second_direction_has_layers_of_its_own_alone() -> None:
    one, two = decoder(), decoder(directions=2)
    names = {name for name, _ in two.named_parameters()} - {name for name, _ in one.named_parameters()}
    assert names and all(name.startswith("directions.1.") for name in names)
    cells_BLC, ids_BcT = torch.randn(1, 4, 3), torch.randint(11, (1, 1, 6))
    forward, backward = (two(ids_BcT, two.read(cells_BLC, way), direction=way) for way in range(2))
    assert not torch.isclose(forward, backward).all()


def test_what_is_written_token_by_token_is_what_is_read_at_once() -> None:
    built = decoder()
    cells_BLC, ids_BcT = torch.randn(2, 4, 3), torch.randint(11, (2, 3, 6))
    known_BcTD = built(ids_BcT, built.read(cells_BLC))
    writer, same_Bc = built.writer(cells_BLC), torch.arange(3).expand(2, 3)
    for place in range(6):
        wanted = built.embedding.scores(known_BcTD[:, :, place]).log_softmax(-1)
        torch.testing.assert_close(writer(ids_BcT[:, :, place], same_Bc), wanted, rtol=1e-5, atol=1e-5)


def test_a_written_caption_goes_on_from_the_one_that_it_is_told() -> None:
    built = decoder()
    cells_BLC, first_Bc, next_Bc = torch.randn(2, 4, 3), torch.tensor([[1, 2], [3, 4]]), torch.tensor([[5, 6], [7, 8]])
    writer = built.writer(cells_BLC)
    writer(first_Bc, torch.zeros(2, 2, dtype=torch.long))
    origin_Bc = torch.tensor([[1, 1], [1, 0]])
    found = writer(next_Bc, origin_Bc)
    ids_BcT = torch.stack([first_Bc.gather(1, origin_Bc), next_Bc], 2)
    wanted = built.embedding.scores(built(ids_BcT, built.read(cells_BLC))[:, :, -1]).log_softmax(-1)
    torch.testing.assert_close(found, wanted, rtol=1e-5, atol=1e-5)


def looked_at(built: CaptionDecoder, cells_BLC: Tensor, ids_BcT: Tensor) -> Tensor:
    """The attention of the last layer, by torch's own."""
    tokens = built.embedding(ids_BcT).flatten(0, 1)
    cells = built.project(cells_BLC).repeat_interleave(ids_BcT.shape[1], 0)
    (ours,) = (each for each in built.modules() if isinstance(each, DecoderLayer))
    layer = torchs_layer(ours)
    mask = nn.Transformer.generate_square_subsequent_mask(ids_BcT.shape[-1])
    tokens = layer.norm1(tokens + layer.self_attn(tokens, tokens, tokens, attn_mask=mask)[0])
    weights: Tensor = layer.multihead_attn(tokens, cells, cells)[1]
    return weights.view(*ids_BcT.shape, -1)


def test_where_it_looks_is_the_attention_of_the_last_layer() -> None:
    built = decoder(layers=1)
    cells_BLC, ids_BcT = torch.randn(2, 4, 3), torch.randint(11, (2, 3, 6))
    found = built.looks(ids_BcT, built.read(cells_BLC))
    torch.testing.assert_close(found, looked_at(built, cells_BLC, ids_BcT))
    torch.testing.assert_close(found.sum(-1), torch.ones(2, 3, 6))


def test_the_loss_is_torchs_over_tied_vectors_and_of_no_token_nothing() -> None:
    embedding = decoder().embedding
    features_MD, target_M = torch.randn(7, WIDTH, requires_grad=True), torch.randint(11, (7,))
    wanted = functional.cross_entropy(features_MD @ embedding.words.weight.T + embedding.bias_V, target_M)
    found, _ = embedding.loss(features_MD, target_M)
    torch.testing.assert_close(found, wanted)
    leaves = [features_MD, embedding.words.weight, embedding.bias_V]
    for one, other in zip(*(torch.autograd.grad(each, leaves) for each in (found, wanted)), strict=True):
        torch.testing.assert_close(one, other)
    nothing, _ = embedding.loss(features_MD[:0], target_M[:0])
    nothing.backward()
    assert float(nothing.detach()) == 0 and embedding.bias_V.grad is not None


def test_heads_have_to_divide_the_width() -> None:
    with pytest.raises(InputError, match="a width of 10 is not a multiple of 4 heads"):
        MultiHeadAttention(10, 4)
