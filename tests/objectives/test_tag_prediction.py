"""Eq. 2 by hand."""

from __future__ import annotations

import math

import pytest
import torch

from wordsight.batching.fields.tags import Tags
from wordsight.objectives.tag_losses import tag_loss


def tags(pairs: list[tuple[int, int, float]]) -> Tags:
    image, concept, value = zip(*pairs, strict=True)
    return Tags(torch.tensor(image), torch.tensor(concept), torch.tensor(value), torch.zeros(0, dtype=torch.int64))


def test_tag_loss_follows_equation_2_by_hand() -> None:
    logits = torch.tensor([[1.0, 2.0, 0.0], [0.5, 0.5, 3.0]])
    # The first image has tags 0 and 1, a half each once normalised; the second has tag 2.
    found = tag_loss(logits, tags([(0, 0, 1.0), (0, 1, 1.0), (1, 2, 1.0)]))
    first_total = math.log(math.exp(1) + math.exp(2) + math.exp(0))
    second_total = math.log(2 * math.exp(0.5) + math.exp(3))
    first = -(0.5 * (1 - first_total) + 0.5 * (2 - first_total))
    second = -(3 - second_total)
    assert float(found) == pytest.approx((first + second) / 2)


def test_tag_loss_equals_cross_entropy_on_normalised_labels() -> None:
    torch.manual_seed(0)
    logits, labels = torch.randn(5, 7), (torch.rand(5, 7) > 0.5).float()
    labels[:, 0] = 1
    image, concept = labels.nonzero(as_tuple=True)
    expected = torch.nn.functional.cross_entropy(logits, labels / labels.sum(1, keepdim=True))
    found = tag_loss(logits, Tags(image, concept, labels[image, concept], torch.zeros(0, dtype=torch.int64)))
    assert torch.allclose(found, expected)


def test_images_without_tags_do_not_count() -> None:
    logits = torch.randn(3, 4)
    both = tag_loss(logits[:2], tags([(0, 1, 1.0), (1, 3, 1.0)]))
    assert torch.allclose(tag_loss(logits, tags([(0, 1, 1.0), (1, 3, 1.0)])), both)
