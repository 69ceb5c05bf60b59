"""Some rows of a table score as the whole table does, and are the only ones with a gradient."""

from __future__ import annotations

import torch

from wordsight.heads.concept_table import ConceptTable
from wordsight.heads.tag_head import TagHead


def test_some_scores_are_those_of_the_whole_table() -> None:
    head, grid, rows = TagHead(6, 11, "mlp", table=True), torch.randn(4, 6, 3, 3), torch.tensor([2, 3, 10])
    head.eval()
    assert torch.allclose(head.some(grid, rows), head(grid)[:, rows], atol=1e-6)


def test_gradients_are_those_of_the_whole_table_and_hold_the_asked_rows_alone() -> None:
    torch.manual_seed(0)
    table, features, rows = ConceptTable(5, 9), torch.randn(4, 5), torch.tensor([0, 4, 7])
    table(features)[:, rows].square().sum().backward()
    dense = [p.grad for p in table.parameters()]
    table.zero_grad()
    table.some(features, rows).square().sum().backward()
    for parameter, expected in zip(table.parameters(), dense, strict=True):
        assert parameter.grad is not None and expected is not None and parameter.grad.is_sparse
        assert torch.allclose(parameter.grad.to_dense(), expected, atol=1e-6)
        assert parameter.grad.coalesce().indices().tolist() == [[0, 4, 7]]
