"""The probe learned by SGD: published settings, windows of features, views and ten crops."""

from __future__ import annotations

import io
import math
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from torch import nn
from torchvision.transforms import functional as theirs

from tests.evaluation.conftest import encoded, picture, settings_of, shrinking_backbone
from wordsight.errors import InputError
from wordsight.evaluation import EvalProtocol, EvaluatedModel, evaluate, open_task
from wordsight.evaluation.classifiers.label_loss import label_loss
from wordsight.evaluation.classifiers.sgd_heads import Head, window
from wordsight.evaluation.features.augmented_views import TrainingImages, crop_batches, five_crops, views_of
from wordsight.evaluation.methods.sgd_probe import SgdProbeSettings, SgdSettings, probe_layers, rate_at
from wordsight.vision.backbones import Backbone
from wordsight.vision.preprocessing import Framing
from wordsight.vision.views import CutSettings

SMALL: SgdProbeSettings = settings_of("linear-sgd-small")
QUICK = replace(SMALL, layers=(), one_label=SgdSettings(lr=0.02, batch=8, epochs=8, crops=1))


def test_the_published_protocol_has_the_published_settings() -> None:
    settings: SgdProbeSettings = settings_of("linear-deepercluster")
    assert settings.several_labels == SgdSettings(lr=0.02, batch=128, epochs=60, crops=10)
    assert settings.one_label == SgdSettings(lr=0.02, batch=256, epochs=100, crops=1)
    assert (settings.weight_decay, settings.momentum, settings.batch_norm) == (1e-5, 0.9, False)
    assert (settings.image_size, settings.image_size / settings.crop_share) == (224, 256)
    assert settings.views == CutSettings(crop_scale=0.08, crop_ratio=4 / 3, flip=0.5, jitter=0.0)


def test_the_rate_falls_with_the_root_of_steps() -> None:
    assert rate_at(0, 0.02, 1e-5) == 0.02
    # 1 + 0.02 x 1e-5 x 15,000,000 = 4, whose root is 2.
    assert rate_at(15_000_000, 0.02, 1e-5) == pytest.approx(0.01)
    assert rate_at(100, 1.0, 0.03) == pytest.approx(1 / math.sqrt(4))


@pytest.mark.parametrize(
    ("side", "channels", "wanted", "left"),
    # conv11-13, conv8-10, conv5-7, conv1-2 of VGG16 at 224 as DeeperCluster has them; res3, res4, res5 of ResNet-50.
    [
        (14, 512, 3, 8192),
        (28, 512, 6, 8192),
        (56, 256, 9, 9216),
        (224, 64, 18, 9216),
        (14, 1024, 4, 9216),
        (7, 2048, 3, 8192),
        (2, 512, 1, 2048),
        (2, 9999, 2, 9999),
    ],
)
def test_windows_leave_nine_thousand_numbers(side: int, channels: int, wanted: int, left: int) -> None:
    assert window(side, channels, 9216) == wanted
    assert channels * (side // wanted) ** 2 == left


def test_a_head_averages_windows_and_drops_what_is_over() -> None:
    grid = torch.arange(5.0)[None, None, None].expand(2, 1, 5, 5)
    head = Head(grid, 1, numbers=4, batch_norm=False)
    with torch.no_grad():
        head.linear.weight.copy_(torch.tensor([[1.0, 10, 100, 1000]]))
        head.linear.bias.zero_()
    # Windows of 2: columns 0-1 and 2-3 have the means 0.5 and 2.5, the fifth is dropped.
    assert head(grid)[0].item() == pytest.approx(0.5 + 25 + 50 + 2500)


def test_crops_stand_in_the_corners_and_the_middle() -> None:
    # 256 x 320: 224 of 256.
    assert [tuple(crop) for crop in five_crops(320, 256, 0.875)] == [
        (0, 0, 224, 224),
        (96, 0, 320, 224),
        (0, 32, 224, 256),
        (96, 32, 320, 256),
        (48, 16, 272, 240),
    ]


FRAMINGS: tuple[Framing, ...] = ("squash", "pad")


def test_crops_of_an_image_shown_whole_are_of_its_square() -> None:
    # 320 x 160: of the square that it is squashed to, 224 of 256 of both sides; of the padded one, of the longer.
    squashed, padded = (
        [list(five_crops(320, 160, 0.875, framing)[place]) for place in (0, 3, 4)] for framing in FRAMINGS
    )
    assert squashed == [[0, 0, 280, 140], [40, 20, 320, 160], [20, 10, 300, 150]]
    assert padded == [[0, -80, 280, 200], [40, -40, 320, 240], [20, -60, 300, 220]]
    assert len(views_of(encoded(picture((9, 9, 9), width=40, height=20)), 16, 0.875, 10, "pad")) == 10


def test_ten_crops_are_those_of_torchvision() -> None:
    image = picture((120, 60, 200), width=40, height=32, noise=1)
    ours = views_of(encoded(image), 28, 0.875, 10)
    wanted = [np.asarray(crop) for crop in theirs.ten_crop(image, 28)]
    # Theirs are crops of the mirror image: its left is our right.
    for mine, other in zip(ours, [*wanted[:5], *(wanted[i] for i in (6, 5, 8, 7, 9))], strict=True):
        np.testing.assert_array_equal(mine, other)


def test_crops_of_an_image_follow_each_other() -> None:
    images = [encoded(picture((i * 60, 0, 0), noise=i)) for i in range(3)]
    batches = list(crop_batches(images, 16, 0.875, 2, crops=10))
    assert [len(batch) for batch in batches] == [20, 10]
    assert [round(float(batch[:10, 0].float().mean() / 60)) for batch in batches] == [0, 2]
    assert len(next(crop_batches(images, 16, 0.875, 2))) == 2


def test_learned_views_depend_on_seed_and_epoch_alone() -> None:
    images = [encoded(picture((100, 100, 100), noise=i)) for i in range(7)]
    settings = CutSettings(jitter=0.2)

    def epoch(number: int, seed: int = 0) -> list[tuple[torch.Tensor, torch.Tensor | None, list[int]]]:
        learned = TrainingImages(images, 8, settings, 3, seed)
        return [(views, colours, rows.tolist()) for views, colours, rows in learned.epoch(number)]

    first, again, second, other = epoch(0), epoch(0), epoch(1), epoch(0, seed=1)
    assert sorted(row for *_, rows in first for row in rows) == list(range(7))
    for (a, c, rows), (b, d, same) in zip(first, again, strict=True):
        assert rows == same
        assert torch.equal(a, b)
        assert c is not None
        assert d is not None
        assert torch.equal(c, d)
    assert not torch.equal(first[0][0], second[0][0])
    assert not torch.equal(first[0][0], other[0][0])
    assert [len(rows) for _, _, rows in TrainingImages(images, 8, settings, 3).epoch(0, drop_last=True)] == [3, 3]


def test_images_that_are_turned_or_broken_are_seen_to(tmp_path: Path) -> None:
    turned = picture((200, 0, 0), width=40, height=20)
    exif = Image.Exif()
    exif[0x0112] = 6
    coded = io.BytesIO()
    turned.save(coded, "JPEG", exif=exif)
    whole = CutSettings(crop_scale=1.0, flip=0.0)
    learned = TrainingImages([coded.getvalue()] * 2, 8, whole, 2)
    assert len(list(learned.epoch(0))) == len(list(learned.epoch(1))) == 1
    (tmp_path / "bad.jpg").write_bytes(b"no image")
    with pytest.raises(InputError, match=r"bad\.jpg"):
        list(TrainingImages([tmp_path / "bad.jpg"], 8, whole, 1).epoch(0))


def test_ignored_labels_cost_nothing_and_classes_are_summed() -> None:
    scores = torch.zeros(2, 3)
    targets = torch.tensor([[1, 0, -1], [0, 1, 1]], dtype=torch.int8)
    # Five labels that count, ln 2 each, over two images.
    assert label_loss(scores, targets).item() == pytest.approx(5 * math.log(2) / 2)
    assert label_loss(scores, torch.tensor([0, 2])).item() == pytest.approx(math.log(3))


def test_a_frozen_backbone_is_left_as_it_was(model: EvaluatedModel, colour_folder: Path) -> None:
    backbone = shrinking_backbone(1.0, 1.0, 1.0).train()
    before = {name: tensor.clone() for name, tensor in backbone.state_dict().items()}
    found = probe_layers(model, backbone, open_task(f"folder:{colour_folder}"), QUICK, "made")
    assert found[""].value == 100
    assert found[""].features == 3 * 4 * 4
    assert backbone.training
    assert all(torch.equal(tensor, before[name]) for name, tensor in backbone.state_dict().items())
    assert all(parameter.grad is None for parameter in backbone.parameters())


def test_the_same_seed_gives_the_same_scores(model: EvaluatedModel, colour_folder: Path) -> None:
    task = open_task(f"folder:{colour_folder}")
    short = replace(QUICK, one_label=replace(QUICK.one_label, epochs=2, crops=10))
    first, second = (probe_layers(model, model.backbone, task, short, "made")[""].scores for _ in range(2))
    np.testing.assert_array_equal(first, second)
    other = probe_layers(model, model.backbone, task, replace(short, seed=1), "made")[""].scores
    assert not np.array_equal(first, other)


def test_several_labels_are_learned_one_by_one(model: EvaluatedModel, tmp_path: Path) -> None:
    rows = ["file,labels,split"]
    for number in range(32):
        red, blue = number % 2, number // 2 % 2
        picture((60 + 120 * red, 60, 60 + 120 * blue), noise=number).save(tmp_path / f"{number}.png")
        labels = "|".join(name for name, holds in (("red", red), ("blue", blue)) if holds)
        rows.append(f"{number}.png,{labels},{'test' if number >= 24 else 'train'}")
    (tmp_path / "labels.csv").write_text("\n".join(rows))
    task = open_task(f"table:{tmp_path / 'labels.csv'}", image="file", label="labels", images=tmp_path)
    assert task.multilabel
    several = replace(QUICK.one_label, epochs=20, crops=10)
    found = probe_layers(model, model.backbone, task, replace(QUICK, several_labels=several), "made")[""]
    assert found.value == 100
    assert found.scores.shape == (len(task.test), 2)


def test_each_layer_has_a_result_beside_random_weights(model: EvaluatedModel, colour_folder: Path) -> None:
    def layered() -> Backbone:
        layers = nn.Sequential(nn.Conv2d(3, 256, 3, 8, 1), nn.ReLU(), nn.Conv2d(256, 512, 3, 2, 1), nn.ReLU())
        return Backbone(layers, {"stem": "0", "res4": "1", "res5": "3"}, 512)

    torch.manual_seed(0)
    random_init = layered()
    seen = replace(model, backbone=layered(), random_backbone=lambda: random_init, image_size=32)
    settings = replace(SMALL, one_label=replace(QUICK.one_label, epochs=1))
    results = evaluate(seen, open_task(f"folder:{colour_folder}"), [EvalProtocol("brief", "sgd-probe", settings)])
    assert [(result.part, result.counts["features"]) for result in results] == [("res4", 256 * 16), ("res5", 512 * 4)]
    assert all(result.random_weights is not None for result in results)
    assert sorted(file.name for file in (model.results_folder / "colours").glob("*.json")) == [
        "brief-res4.json",
        "brief-res5.json",
    ]


def test_learning_that_diverges_is_said(model: EvaluatedModel, colour_folder: Path) -> None:
    wild = replace(QUICK, batch_norm=False, one_label=replace(QUICK.one_label, lr=1e30))
    with pytest.raises(InputError, match="diverged"):
        probe_layers(model, model.backbone, open_task(f"folder:{colour_folder}"), wild, "made")
