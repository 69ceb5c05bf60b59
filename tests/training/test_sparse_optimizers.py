"""Row by row, an update is torch's own on the rows that a step has read."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import nn

from wordsight.batching.fields.tags import Tags
from wordsight.batching.sources import ConceptFacts
from wordsight.heads.concept_table import ConceptTable
from wordsight.objectives.tag_heads import TagHeads, TagSettings
from wordsight.objectives.tag_losses import TAG_LOSSES
from wordsight.training.sparse_optimizers import RowAdamW, RowSGD, clip_gradients

ADAMW: dict[str, Any] = {"lr": 0.1, "betas": (0.9, 0.95), "weight_decay": 0.2}
SGD: dict[str, Any] = {"lr": 0.1, "momentum": 0.9, "weight_decay": 0.2}
KINDS: list[tuple[type[torch.optim.Optimizer], type[torch.optim.Optimizer], dict[str, Any]]] = [
    (RowAdamW, torch.optim.AdamW, ADAMW),
    (RowSGD, torch.optim.SGD, SGD),
    (RowSGD, torch.optim.SGD, {**SGD, "nesterov": True}),
    (RowSGD, torch.optim.SGD, {**SGD, "momentum": 0.0}),
]
# Rows that each step reads, of a table of four; row 3 is never read.
STEPS = [[0, 1], [1], [1, 2], [0, 2], [1]]


def push(table: ConceptTable, rows: list[int], step: int) -> None:
    features = torch.randn(3, 5, generator=torch.Generator().manual_seed(step))
    table.some(features, torch.tensor(rows)).square().sum().backward()


@pytest.mark.parametrize(("rows", "whole", "values"), KINDS)
def test_each_row_is_updated_as_if_its_steps_were_the_only_ones(
    rows: type[torch.optim.Optimizer], whole: type[torch.optim.Optimizer], values: dict[str, Any]
) -> None:
    torch.manual_seed(0)
    table = ConceptTable(5, 4)
    alone = [nn.Linear(5, 1) for _ in range(4)]
    for number, row in enumerate(alone):
        row.weight.data, row.bias.data = table.weight.data[[number]].clone(), table.bias.data[[number]].clone()
    optimizer = rows(table.parameters(), **values)
    of_rows = [whole(row.parameters(), **values) for row in alone]
    for step, read in enumerate(STEPS):
        push(table, read, step)
        optimizer.step()
        optimizer.zero_grad()
        features = torch.randn(3, 5, generator=torch.Generator().manual_seed(step))
        for number in read:
            alone[number](features).square().sum().backward()
            of_rows[number].step()
            of_rows[number].zero_grad()
    assert torch.allclose(table.weight, torch.cat([row.weight for row in alone]), atol=1e-6)
    assert torch.allclose(table.bias, torch.cat([row.bias for row in alone]), atol=1e-6)


def test_rows_that_are_not_read_are_left_as_they_are() -> None:
    table = ConceptTable(5, 4)
    before = table.weight.detach().clone()
    optimizer = RowAdamW(table.parameters(), **ADAMW, fused=True)
    push(table, [0, 2], 0)
    optimizer.step()
    changed = (table.weight != before).any(1)
    assert changed.tolist() == [True, False, True, False]


@pytest.mark.parametrize("kind", [RowAdamW, RowSGD])
def test_other_parameters_are_updated_as_torch_does(kind: type[torch.optim.Optimizer]) -> None:
    torch.manual_seed(0)
    one, other, table = nn.Linear(3, 3), nn.Linear(3, 3), ConceptTable(5, 4)
    other.load_state_dict(one.state_dict())
    whole, values = (torch.optim.AdamW, ADAMW) if kind is RowAdamW else (torch.optim.SGD, SGD)
    first, second = kind([*one.parameters(), *table.parameters()], **values), whole(other.parameters(), **values)
    for step in range(3):
        push(table, [1], step)
        for layer, optimizer in ((one, first), (other, second)):
            layer(torch.ones(2, 3)).square().sum().backward()
            optimizer.step()
            optimizer.zero_grad()
    assert all(torch.equal(mine, theirs) for mine, theirs in zip(one.parameters(), other.parameters(), strict=True))


def test_dense_gradients_are_clipped_to_the_bit_as_torch_does() -> None:
    torch.manual_seed(0)
    one, other = nn.Linear(7, 5), nn.Linear(7, 5)
    other.load_state_dict(one.state_dict())
    for layer in (one, other):
        layer(torch.ones(2, 7)).square().sum().backward()
    assert torch.equal(clip_gradients(one.parameters(), 0.1), nn.utils.clip_grad_norm_(other.parameters(), 0.1))
    for mine, theirs in zip(one.parameters(), other.parameters(), strict=True):
        assert mine.grad is not None and theirs.grad is not None and torch.equal(mine.grad, theirs.grad)


@pytest.mark.parametrize("longest", [0.1, 1e6])
def test_sparse_and_dense_gradients_are_clipped_as_one_vector(longest: float) -> None:
    torch.manual_seed(0)
    table, layer = ConceptTable(5, 4), nn.Linear(5, 2)
    whole = nn.ParameterList([p.detach().clone() for p in (*table.parameters(), *layer.parameters())])
    push(table, [0, 3], 0)
    layer(torch.ones(2, 5)).square().sum().backward()
    parameters = [*table.parameters(), *layer.parameters()]
    for mine, theirs in zip(parameters, whole, strict=True):
        assert mine.grad is not None
        theirs.grad = mine.grad.to_dense().clone()
    norm, expected = clip_gradients(parameters, longest), nn.utils.clip_grad_norm_(whole, longest)
    assert torch.allclose(norm, expected)
    for mine, theirs in zip(parameters, whole, strict=True):
        assert mine.grad is not None and theirs.grad is not None
        assert torch.allclose(mine.grad.to_dense(), theirs.grad)


@pytest.mark.parametrize("loss", TAG_LOSSES)
def test_every_loss_is_learned(loss: str) -> None:
    """Four images that differ, each with a concept of its own and one of all."""
    torch.manual_seed(0)
    heads, grid = TagHeads(8, {"words": ConceptFacts(9)}, TagSettings(loss=loss)), torch.randn(4, 8, 1, 1)
    image_P, concept_P = torch.tensor([0, 0, 1, 1, 2, 2, 3, 3]), torch.tensor([0, 5, 1, 5, 2, 5, 3, 5])
    tags = Tags(image_P, concept_P, torch.ones(8), torch.arange(4), torch.arange(9), torch.zeros(9))
    optimizer = RowAdamW(heads.parameters(), lr=0.05)
    for _ in range(100):
        total, _ = heads.loss(grid, {"words": tags})
        total.backward()
        clip_gradients(heads.parameters(), 5.0)
        optimizer.step()
        optimizer.zero_grad()
    scores = heads(grid)["words"]
    assert (scores[:, :4].argmax(1) == torch.arange(4)).all()
    assert TAG_LOSSES[loss].drawn or (scores.topk(2).indices == 5).any(1).all()
