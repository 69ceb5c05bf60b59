"""What is locked stays as it is, to the byte; the rest learns."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor, nn

from wordsight.errors import InputError
from wordsight.vision.backbones import Backbone, BackboneSettings, build_backbone
from wordsight.vision.locking import freeze_batch_norm, lock

SIDE = 32


def resnet() -> Backbone:
    torch.manual_seed(0)
    return build_backbone("resnet18", BackboneSettings(stages=2), image_size=SIDE)


def learn(backbone: Backbone, steps: int = 2) -> None:
    """Two steps of training, with a head that learns in any case and much weight decay."""
    head = nn.Linear(backbone.out_channels, 1)
    optimizer = torch.optim.AdamW(
        [weight for weight in [*backbone.parameters(), *head.parameters()] if weight.requires_grad],
        lr=0.1,
        weight_decay=0.5,
    )
    backbone.train()
    for _ in range(steps):
        head(backbone(torch.randn(4, 3, SIDE, SIDE)).mean((2, 3))).square().sum().backward()
        optimizer.step()


def bits(backbone: Backbone) -> dict[str, bytes]:
    return {name: tensor.numpy().tobytes() for name, tensor in backbone.network.state_dict().items()}


def changed(backbone: Backbone, before: dict[str, bytes]) -> set[str]:
    return {name.partition(".")[0] for name, now in bits(backbone).items() if now != before[name]}


@pytest.mark.parametrize(
    ("unlocked", "learns"),
    [(0, set()), (1, {"layer2"}), (2, {"layer1", "layer2"}), (3, {"conv1", "bn1", "layer1", "layer2"})],
)
def test_nothing_of_what_is_locked_changes_and_all_else_does(unlocked: int, learns: set[str]) -> None:
    backbone = resnet()
    lock(backbone, unlocked)
    before = bits(backbone)
    learn(backbone)
    assert changed(backbone, before) == learns


def test_locked_batch_norm_uses_its_running_statistics() -> None:
    backbone, images = resnet(), torch.randn(4, 3, SIDE, SIDE)
    lock(backbone)
    alone = backbone.train()(images[:1])
    torch.testing.assert_close(backbone(images)[:1], alone)


@pytest.mark.parametrize(
    ("name", "side", "layers"),
    [("alexnet", 64, 5), ("timm:vit_tiny_patch16_224", SIDE, 3), ("timm:convnext_atto", SIDE, 4)],
)
def test_any_backbone_can_be_locked_layer_by_layer(name: str, side: int, layers: int) -> None:
    learned = []
    for unlocked in range(layers + 1):
        backbone = build_backbone(name, image_size=side)
        lock(backbone, unlocked)
        learned.append(sum(weight.requires_grad for weight in backbone.parameters()))
    assert learned[0] == 0 and learned == sorted(set(learned))
    with pytest.raises(InputError, match=f"{layers + 1} layers are to learn, and the backbone has {layers}"):
        lock(build_backbone(name, image_size=side), layers + 1)


def test_all_layers_unlocked_lock_nothing() -> None:
    backbone = resnet()
    lock(backbone, 3)
    assert all(weight.requires_grad for weight in backbone.parameters())
    assert all(module.training for module in backbone.train().modules())


def test_a_module_put_in_place_of_a_locked_one_is_locked_too() -> None:
    backbone = resnet()
    lock(backbone, 1)
    network: Any = backbone.network
    network.bn1 = nn.BatchNorm2d(64)
    assert not backbone.train().network.get_submodule("bn1").training
    assert backbone.eval().train().network.get_submodule("layer2").training


def test_frozen_batch_norm_keeps_its_statistics_and_learns_its_weights() -> None:
    backbone = resnet()
    assert freeze_batch_norm(backbone) == 10
    before: dict[str, Tensor] = {name: tensor.clone() for name, tensor in backbone.network.state_dict().items()}
    learn(backbone)
    for name, tensor in backbone.network.state_dict().items():
        statistics = "running" in name or "tracked" in name
        assert torch.equal(tensor, before[name]) == statistics, name
