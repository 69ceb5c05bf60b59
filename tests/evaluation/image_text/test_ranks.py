"""Ranks counted block by block against orders made by hand, by brute force, and as open_clip and torchmetrics do."""

from __future__ import annotations

from itertools import permutations

import numpy as np
import pytest
import torch
from sklearn.metrics import average_precision_score
from torchmetrics.functional.retrieval import retrieval_hit_rate, retrieval_recall

from wordsight.evaluation.image_text import ranks as module
from wordsight.evaluation.image_text.ranks import Ranks, chance_ranks, class_precision, pair_ranks
from wordsight.evaluation.image_text.similarity import UNKNOWN, DotProduct, LazyEmbeddings, StoredEmbeddings


def made(images: int, captions: int, seed: int = 0, ties: bool = False) -> tuple[DotProduct, np.ndarray, np.ndarray]:
    """Random vectors, the image of each text, and all scores."""
    random = np.random.default_rng(seed)
    image_of_T = np.repeat(np.arange(images), random.integers(1, captions + 1, images))
    sides = [random.normal(size=(n, 5)).astype(np.float32) for n in (images, len(image_of_T))]
    if ties:
        sides = [side.round() for side in sides]
    offset = random.normal(size=len(image_of_T)).astype(np.float32).round()
    compared = DotProduct(
        StoredEmbeddings(torch.from_numpy(sides[0])),
        StoredEmbeddings(torch.from_numpy(sides[1])),
        torch.from_numpy(offset),
    )
    return compared, image_of_T, sides[0] @ sides[1].T + offset


def brute_force(scores_NT: np.ndarray, right_NT: np.ndarray) -> Ranks:
    """Every score looked at in plain Python."""
    counts = []
    for scores, right in zip(scores_NT.tolist(), right_NT.tolist(), strict=True):
        best = max(score for score, own in zip(scores, right, strict=True) if own)
        above = sum(score > best + 1e-4 for score in scores)
        equal = [own for score, own in zip(scores, right, strict=True) if abs(score - best) < 1e-4]
        counts.append((above, len(equal) - sum(equal), sum(equal)))
    return Ranks(*np.array(counts).T)


def same(first: Ranks, second: Ranks) -> bool:
    return all(np.array_equal(getattr(first, name), getattr(second, name)) for name in ("above_n", "tied_n", "own_n"))


@pytest.mark.parametrize("ties", [False, True])
def test_ranks_are_those_of_brute_force_whatever_the_blocks(ties: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    compared, image_of_T, scores = made(37, 5, ties=ties)
    right = image_of_T[None] == np.arange(37)[:, None]
    for images, block in ((1024, 1 << 24), (7, 7 * 11), (1, 1)):
        monkeypatch.setattr(module, "_IMAGES", images)
        monkeypatch.setattr(module, "BLOCK", block)
        by_image, by_text = pair_ranks(compared, image_of_T)
        assert same(by_image, brute_force(scores, right))
        assert same(by_text, brute_force(scores.T, right.T))


def test_no_more_than_a_block_of_scores_is_made_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    compared, image_of_T, _ = made(40, 5)
    sizes = []
    original = DotProduct.combine

    def watched(self: DotProduct, *vectors: torch.Tensor) -> torch.Tensor:
        found = original(self, *vectors)
        sizes.append(found.numel())
        return found

    monkeypatch.setattr(DotProduct, "combine", watched)
    monkeypatch.setattr(module, "_IMAGES", 8)
    monkeypatch.setattr(module, "BLOCK", 80)
    pair_ranks(compared, image_of_T)
    assert max(sizes) <= 80


def test_recall_and_median_rank_are_open_clip_s() -> None:
    # open_clip's `get_metrics`: one text an image, places of the right ones in the sorted logits.
    random = np.random.default_rng(3)
    images, texts = (torch.nn.functional.normalize(torch.tensor(random.normal(size=(51, 9))).float()) for _ in range(2))
    found = pair_ranks(DotProduct(StoredEmbeddings(images), StoredEmbeddings(texts), torch.zeros(51)), np.arange(51))
    logits = images @ texts.T
    for ranks, scores in zip(found, (logits, logits.T), strict=True):
        places = torch.where(scores.argsort(dim=-1, descending=True) == torch.arange(51)[:, None])[1].numpy()
        for k in (1, 5, 10):
            assert ranks.within(k).mean() == pytest.approx(np.mean(places < k))
        assert np.median(ranks.mean_n) == np.floor(np.median(places)) + 1
        assert ranks.mean_n.mean() == pytest.approx(places.mean() + 1)


def test_recall_is_torchmetrics_hit_rate_with_several_captions() -> None:
    compared, image_of_T, scores = made(23, 5, seed=4)
    by_image, by_text = pair_ranks(compared, image_of_T)
    right = torch.from_numpy(image_of_T[None] == np.arange(23)[:, None])
    for ranks, values, holds in ((by_image, scores, right), (by_text, scores.T, right.T)):
        for k in (1, 5, 10):
            hits = [
                float(retrieval_hit_rate(torch.from_numpy(np.ascontiguousarray(one)), own, top_k=k))
                for one, own in zip(values, holds, strict=True)
            ]
            np.testing.assert_allclose(ranks.within(k), hits)


def test_an_image_is_found_by_any_of_its_five_captions_and_a_caption_by_its_own_image() -> None:
    # Two images, five captions each. The first image's third caption is nearest to it, its others are far.
    image_of_T = np.repeat([0, 1], 5)
    scores = torch.tensor(
        [[0.0, 0.1, 0.9, 0.2, 0.3, 0.8, 0.7, 0.6, 0.5, 0.4], [0.0, 0.2, 0.1, 0.1, 0.1, 0.3, 0.9, 0.8, 0.7, 0.6]]
    )
    compared = DotProduct(StoredEmbeddings(torch.eye(2)), StoredEmbeddings(scores.T.contiguous()), torch.zeros(10))
    by_image, by_text = pair_ranks(compared, image_of_T)
    # Any of the five is enough ...
    assert by_image.within(1).tolist() == [1, 1]
    # ... where the share of them that is found would be a fifth at most.
    own = torch.from_numpy(image_of_T == 0)
    assert float(retrieval_recall(scores[0], own, top_k=1)) == pytest.approx(0.2)
    # Captions of the first image: the first ties, the second is nearer to the other image.
    assert by_text.within(1).tolist() == [0.5, 0, 1, 1, 1, 0, 1, 1, 1, 1]


def test_ties_are_the_mean_over_all_orders() -> None:
    # One score is higher, two right ones and three wrong ones tie.
    ranks = Ranks(np.array([1]), np.array([3]), np.array([2]))
    firsts = [1 + 1 + min(order.index(0), order.index(1)) for order in permutations(range(5))]
    assert ranks.mean_n[0] == pytest.approx(np.mean(firsts))
    for k in range(7):
        assert ranks.within(k)[0] == pytest.approx(np.mean([first <= k for first in firsts]))


def test_the_same_score_for_all_is_chance() -> None:
    compared = DotProduct(StoredEmbeddings(torch.zeros(6, 2)), StoredEmbeddings(torch.ones(12, 2)), torch.zeros(12))
    by_image, by_text = pair_ranks(compared, np.repeat(np.arange(6), 2))
    assert same(by_image, chance_ranks(np.full(6, 10), np.full(6, 2)))
    assert same(by_text, chance_ranks(np.full(12, 5), np.full(12, 1)))
    np.testing.assert_allclose(by_text.within(1), 1 / 6)
    np.testing.assert_allclose(by_text.mean_n, 3.5)
    np.testing.assert_allclose(by_image.within(1), 2 / 12)
    np.testing.assert_allclose(by_image.mean_n, 13 / 3)


def test_a_text_that_is_unknown_comes_last_and_tells_images_apart_by_chance() -> None:
    images = torch.tensor([[1.0, 0], [0, 1]])
    texts = torch.tensor([[0.0, 0], [-9, -9], [0, 1]])
    compared = DotProduct(StoredEmbeddings(images), StoredEmbeddings(texts), torch.tensor([UNKNOWN, 0, 0]))
    by_image, by_text = pair_ranks(compared, np.array([0, 0, 1]))
    assert by_image.mean_n.tolist() == [2, 1]
    assert by_text.mean_n[0] == 1.5


def test_equal_texts_tie_also_where_their_block_has_another_shape(monkeypatch: pytest.MonkeyPatch) -> None:
    random = np.random.default_rng(5)
    images, text = random.normal(size=(33, 64)).astype(np.float32), random.normal(size=64).astype(np.float32)
    texts = np.tile(text, (33, 1))
    monkeypatch.setattr(module, "_IMAGES", 8)
    monkeypatch.setattr(module, "BLOCK", 8 * 13)
    by_image, _ = pair_ranks(
        DotProduct(
            StoredEmbeddings(torch.from_numpy(images)), StoredEmbeddings(torch.from_numpy(texts)), torch.zeros(33)
        ),
        np.arange(33),
    )
    assert by_image.tied_n.tolist() == [32] * 33


@pytest.mark.parametrize("ties", [False, True])
def test_class_precision_is_scikit_learn_s_in_both_directions(ties: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    compared, image_of_T, scores = made(15, 3, seed=6, ties=ties)
    labels = np.random.default_rng(7).random((15, 4)) < 0.4
    labels[labels.sum(1) == 0, 0] = True
    monkeypatch.setattr(module, "BLOCK", 100)
    texts = np.arange(len(image_of_T))
    of_images = class_precision(compared, labels, (np.arange(15), image_of_T), np.arange(15))
    of_texts = class_precision(compared.turned(), labels, (image_of_T, np.arange(15)), texts)
    shares = (labels.astype(int) @ labels.T.astype(int)) > 0
    for i in range(15):
        assert of_images[i] == pytest.approx(100 * average_precision_score(shares[i][image_of_T], scores[i]), rel=1e-5)
    for t, i in enumerate(image_of_T):
        assert of_texts[t] == pytest.approx(100 * average_precision_score(shares[i], scores[:, t]), rel=1e-5)


def test_vectors_can_be_made_when_they_are_wanted() -> None:
    compared, image_of_T, _ = made(20, 3)
    lazy = LazyEmbeddings(compared.images.block(slice(0, 20)) / 2, lambda some: 2 * some)
    found = pair_ranks(DotProduct(lazy, compared.texts, compared.offset_T), image_of_T)
    assert all(same(one, other) for one, other in zip(found, pair_ranks(compared, image_of_T), strict=True))
