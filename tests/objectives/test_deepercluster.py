"""Clusters of features, their product with rotations, and what is made anew when images are clustered again."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from sklearn.decomposition import PCA
from sklearn.metrics import adjusted_rand_score

from wordsight.batching.batch import Batch
from wordsight.errors import InputError
from wordsight.objectives import EpochFeatures, Facts, build_objective
from wordsight.objectives.clustering import cluster, whitened
from wordsight.objectives.deepercluster import DeeperCluster
from wordsight.objectives.rotation import rotated
from wordsight.vision.backbones import build_backbone

SETTINGS = {"clusters": 3, "every_epochs": 2, "components": 8}


def groups(per_group: int = 20, groups_: int = 3, width: int = 12) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
    """Features of images that fall into groups."""
    random = np.random.default_rng(0)
    centres = random.normal(size=(groups_, width)) * 8
    labels = np.repeat(np.arange(groups_), per_group)
    return (centres[labels] + random.normal(size=(len(labels), width))).astype(np.float32), labels


def build(**values: int | bool) -> DeeperCluster:
    torch.manual_seed(0)
    built = build_objective("deepercluster", {**SETTINGS, **values}, build_backbone("resnet18"), Facts(images=60))
    assert isinstance(built, DeeperCluster)
    return built


def look() -> EpochFeatures:
    # Examples of a corpus of which not all are trained on.
    return EpochFeatures(torch.arange(60) * 3, torch.from_numpy(groups()[0]))


def never() -> EpochFeatures:
    raise AssertionError("nobody should look")


def test_whitening_agrees_with_an_independent_one() -> None:
    features = groups()[0]
    expected = PCA(5, whiten=True).fit_transform(features.astype(np.float64))
    expected /= np.linalg.norm(expected, axis=1, keepdims=True)
    found = whitened(features, 5)
    assert np.allclose(np.abs((found * expected).sum(0)), (expected**2).sum(0), atol=1e-4), "equal but for signs"


def test_directions_without_variance_are_left_out() -> None:
    features = np.concatenate([groups()[0], np.ones((60, 4), np.float32)], axis=1)
    assert whitened(features, 16).shape[1] == 12
    assert np.isfinite(whitened(np.ones((5, 4), np.float32), 4)).all()


@pytest.mark.parametrize("faiss", [True, False])
def test_groups_are_found_and_the_same_seed_finds_them_again(faiss: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    if faiss:
        pytest.importorskip("faiss")
    else:
        monkeypatch.setattr("wordsight.concepts.kmeans.find_spec", lambda name: None)
    features, labels = groups(per_group=60)
    found = [cluster(features, 3, 2, seed=5) for _ in range(2)]
    assert np.array_equal(found[0], found[1])
    assert adjusted_rand_score(labels, found[0]) > 0.95


def test_classes_are_the_product_of_clusters_and_rotations() -> None:
    objective = build(balance=False).eval()
    objective.before_epoch(0, look)
    batch = Batch.of_images(torch.randint(0, 256, (4, 3, 64, 64), dtype=torch.uint8), torch.tensor([9, 0, 177, 63]))
    with torch.no_grad():
        found = objective(batch)
        shown, turns = rotated(batch, 4)
        logits = objective.head(objective.grid(shown))
    # Example 9 is the fourth that is trained on, and so on.
    cluster_B = objective.cluster_n[torch.tensor([3, 0, 59, 21] * 4)]
    expected = torch.nn.functional.cross_entropy(logits, turns * 3 + cluster_B)
    assert torch.allclose(found["loss"], expected, atol=1e-6)


def test_weights_are_the_inverse_of_the_cluster_s_size_and_one_in_the_mean() -> None:
    objective = build()
    objective.before_epoch(0, look)
    sizes = torch.bincount(objective.cluster_n, minlength=3)
    products = objective.weight_K * sizes
    assert torch.allclose(products[sizes > 0], torch.full_like(products[sizes > 0], 60 / int((sizes > 0).sum())))
    assert float(objective.weight_K[objective.cluster_n].mean()) == pytest.approx(1)


def test_only_every_second_epoch_images_are_clustered_and_the_last_layer_starts_again() -> None:
    objective = build()
    last = objective.head.last
    before = [parameter.clone() for parameter in last.parameters()]
    anew = list(objective.before_epoch(0, look))
    assert [id(parameter) for parameter in anew] == [id(parameter) for parameter in last.parameters()]
    assert not any(torch.equal(one, other) for one, other in zip(before, anew, strict=True))
    assert list(objective.before_epoch(1, never)) == []


def test_more_clusters_than_images_are_refused() -> None:
    with pytest.raises(InputError, match="61 clusters are asked for, there are 60 images"):
        build(clusters=61)


def test_an_image_counts_in_the_loss_by_the_weight_of_its_cluster() -> None:
    objective = build(balance=True, copies=4).eval()
    objective.before_epoch(0, look)
    # A large cluster, a small one and one between, whatever was found.
    objective.cluster_n.copy_(torch.arange(60).clamp_max(50) // 25)
    objective.weight_K.copy_(torch.tensor([0.5, 2.0, 3.0]))
    batch = Batch.of_images(torch.randint(0, 256, (3, 3, 64, 64), dtype=torch.uint8), torch.tensor([0, 90, 177]))
    with torch.no_grad():
        found = objective(batch)["loss"]
        shown, turns = rotated(batch, 4)
        logits = objective.head(objective.grid(shown)).double()
    cluster_B = torch.tensor([0, 1, 2] * 4)
    chances = logits.softmax(1)[torch.arange(12), turns * 3 + cluster_B]
    weights = torch.tensor([0.5, 2.0, 3.0] * 4, dtype=torch.float64)
    assert float(found) == pytest.approx(float((-weights * chances.log()).sum() / 12), rel=1e-5)


def test_an_empty_cluster_has_no_part_in_the_mean_weight(monkeypatch: pytest.MonkeyPatch) -> None:
    assigned = np.repeat(np.array([0, 2], dtype=np.int64), [45, 15])
    monkeypatch.setattr("wordsight.objectives.deepercluster.cluster", lambda *_: assigned)
    objective = build()
    objective.before_epoch(0, look)
    assert objective.weight_K[[0, 2]].tolist() == pytest.approx([60 / 90, 60 / 30])
    assert float(objective.weight_K[objective.cluster_n].mean()) == pytest.approx(1)
    assert bool(objective.weight_K.isfinite().all())


def test_a_rotation_is_right_whatever_cluster_is_predicted_with_it(monkeypatch: pytest.MonkeyPatch) -> None:
    objective = build().eval()
    objective.before_epoch(0, look)
    logits = torch.randn(32, 12, generator=torch.Generator().manual_seed(1))
    monkeypatch.setattr(objective.head, "forward", lambda grid: logits)
    batch = Batch.of_images(torch.randint(0, 256, (8, 3, 64, 64), dtype=torch.uint8), torch.arange(8) * 21)
    with torch.no_grad():
        found = objective(batch)
    pairs = [divmod(one, 3) for one in logits.argmax(1).tolist()]
    clusters = objective.cluster_n[torch.arange(8) * 7].tolist() * 4
    # Of four copies, the first eight are not turned, the next eight by a quarter, and so on.
    right = [turn == k // 8 for k, (turn, _) in enumerate(pairs)]
    both = [one and kind == wanted for one, (_, kind), wanted in zip(right, pairs, clusters, strict=True)]
    assert float(found["rotation_accuracy"]) == pytest.approx(np.mean(right))
    assert float(found["accuracy"]) == pytest.approx(np.mean(both))
    assert 0 < np.mean(both) < np.mean(right) < 1


@pytest.mark.parametrize("scale", [1e-4, 1e4])
def test_whitening_does_not_depend_on_the_scale_of_the_features(scale: float) -> None:
    features = groups()[0]
    np.testing.assert_allclose(
        np.abs(whitened(features * np.float32(scale), 8)), np.abs(whitened(features, 8)), atol=1e-3
    )
