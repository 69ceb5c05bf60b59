"""Scores are what a loop over all pairs gives, however they are made."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import numpy as np
import pytest
import torch
from torch import Tensor
from torch.nn import functional

from wordsight.evaluation.image_text import similarity
from wordsight.evaluation.image_text.ranks import pair_ranks
from wordsight.evaluation.image_text.similarity import (
    UNKNOWN,
    DotProduct,
    LateInteraction,
    SimilarityScores,
    StoredEmbeddings,
)

WIDTH = 4


def cells(count: int, most: int, seed: int) -> list[Tensor]:
    """Unit vectors of some items, one to ``most`` for each."""
    random = np.random.default_rng(seed)
    lengths = random.integers(1, most + 1, count)
    return [functional.normalize(torch.from_numpy(random.normal(size=(n, WIDTH))).float(), dim=1) for n in lengths]


def end_to_end(items: list[Tensor], most: int) -> StoredEmbeddings:
    padded = [functional.pad(each, (0, 0, 0, most - len(each))) for each in items]
    return StoredEmbeddings(torch.stack(padded).flatten(1))


def by_loop(image: Tensor, text: Tensor) -> float:
    """FILIP's two similarities (equations 4 and 5), and their mean."""
    of_cells = [max(float(cell @ token) for token in text) for cell in image]
    of_tokens = [max(float(cell @ token) for cell in image) for token in text]
    return (sum(of_cells) / len(of_cells) + sum(of_tokens) / len(of_tokens)) / 2


@pytest.mark.parametrize("products", [1 << 24, 200, 1])
def test_late_interaction_is_the_loop_over_cells_and_tokens(products: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(similarity, "_PRODUCTS", products)
    images, texts = cells(6, 9, seed=0), cells(11, 5, seed=1)
    scores = LateInteraction(end_to_end(images, 9), end_to_end(texts, 5), torch.zeros(11), WIDTH)
    wanted = np.array([[by_loop(image, text) for text in texts] for image in images])
    np.testing.assert_allclose(scores.scores(slice(None), slice(None)), wanted, atol=1e-6)
    np.testing.assert_allclose(scores.scores(slice(1, 4), slice(2, 9)), wanted[1:4, 2:9], atol=1e-6)
    np.testing.assert_allclose(scores.turned().scores(slice(None), slice(None)), wanted.T, atol=1e-6)
    np.testing.assert_allclose(scores.of_images([4, 1]).scores(slice(None), slice(None)), wanted[[4, 1]], atol=1e-6)


def test_with_one_cell_and_one_token_late_interaction_is_the_dot_product() -> None:
    images, texts = (end_to_end(cells(count, 1, seed=count), 1) for count in (5, 7))
    offset = torch.arange(7.0)
    late, plain = (
        kind(slice(None), slice(None))
        for kind in (LateInteraction(images, texts, offset, WIDTH).scores, DotProduct(images, texts, offset).scores)
    )
    torch.testing.assert_close(late, plain)


def test_texts_of_one_class_are_averaged_by_their_scores() -> None:
    images, texts = cells(6, 3, seed=2), cells(5, 4, seed=3)
    # Two classes of two texts and of three: the first has no third.
    blank = torch.zeros(0, WIDTH)
    classes = [[*texts[:2], blank], texts[2:]]
    rows = torch.stack([end_to_end(one, 4).vectors_NZ.flatten() for one in classes])
    scores = LateInteraction(end_to_end(images, 3), StoredEmbeddings(rows), torch.zeros(2), WIDTH, prompts=3)
    wanted = [[np.mean([by_loop(image, text) for text in one if len(text)]) for one in classes] for image in images]
    np.testing.assert_allclose(scores.scores(slice(None), slice(None)), wanted, atol=1e-6)


def test_ranks_by_late_interaction_are_those_of_brute_force() -> None:
    images, texts = cells(8, 6, seed=4), cells(16, 5, seed=5)
    image_of_T = np.repeat(np.arange(8), 2)
    scores = LateInteraction(end_to_end(images, 6), end_to_end(texts, 5), torch.zeros(16), WIDTH)
    matrix = np.array([[by_loop(image, text) for text in texts] for image in images])
    of_images, of_texts = pair_ranks(scores, image_of_T)
    best = np.where(image_of_T[None] == np.arange(8)[:, None], matrix, -np.inf).max(1)
    assert of_images.above_n.tolist() == [int((row > own).sum()) for row, own in zip(matrix, best, strict=True)]
    right = matrix[image_of_T, np.arange(16)]
    assert of_texts.above_n.tolist() == [int((column > own).sum()) for column, own in zip(matrix.T, right, strict=True)]


@pytest.mark.parametrize("kind", [DotProduct, partial(LateInteraction, width=WIDTH)])
def test_a_text_that_nothing_is_known_of_scores_below_all(kind: Callable[..., SimilarityScores]) -> None:
    images, texts = (end_to_end(cells(count, 1, seed=count), 1) for count in (3, 4))
    scores = kind(images, texts, torch.tensor([0, UNKNOWN, 0, UNKNOWN])).scores(slice(None), slice(None))
    assert (scores[:, [1, 3]] == UNKNOWN).all()
    assert (scores[:, [0, 2]] > -2).all()
