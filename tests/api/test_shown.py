"""How images are shown: whole or cropped, and with the mean and spread that weights were trained with."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import timm
import torch
from PIL import Image

import wordsight
from tests.conftest import MakeCorpus
from wordsight.errors import InputError
from wordsight.evaluation.protocol import FOLDER
from wordsight.evaluation.results.result import Result
from wordsight.vision.backbones import Backbone, build_backbone

HALF = (0.5, 0.5, 0.5)


def striped(folder: Path, *, wide: bool) -> Path:
    """Grey pictures three times as long as they are short; a red field near one end or the other is their class."""
    random = np.random.default_rng(0)
    for part, count in (("train", 24), ("val", 12)):
        for name, start in (("first", 6), ("last", 114)):
            (folder / part / name).mkdir(parents=True)
            for i in range(count):
                pixels = random.integers(90, 150, (50, 150, 3), dtype=np.uint8)
                pixels[10:40, start : start + 30] = 230, 40, 40
                image = Image.fromarray(pixels)
                (image if wide else image.transpose(Image.Transpose.ROTATE_90)).save(folder / part / name / f"{i}.png")
    return folder


def measured(model: Any, task: Path, protocol: str, out: Path, **more: Any) -> Result:
    found, *_ = wordsight.evaluate(
        model, task=f"folder:{task}", protocol=protocol, image_size=32, out=out, device="cpu", **more
    )
    return found


@pytest.mark.parametrize("wide", [True, False])
@pytest.mark.parametrize("framing", ["squash", "pad"])
def test_objects_at_the_ends_of_long_pictures_are_seen_when_all_is_shown(
    tmp_path: Path, framing: str, wide: bool
) -> None:
    task = striped(tmp_path / "ends", wide=wide)
    cropped = measured("torchvision:resnet18", task, "logistic", tmp_path / "out")
    whole = measured("torchvision:resnet18", task, "logistic", tmp_path / "out", framing=framing)
    assert cropped.value < 80, "what tells them apart is cut away"
    assert whole.value == 100
    assert (whole.settings["framing"], cropped.settings["framing"]) == (framing, "crop")
    # Neither is taken for the other, and each is found again.
    again = measured("torchvision:resnet18", task, "logistic", tmp_path / "out")
    assert again.value == cropped.value and again.key != whole.key


@pytest.mark.parametrize("protocol", ["fine-tune-10-percent", "linear-sgd-small", "linear-deepercluster", "few-shot"])
def test_every_method_on_labelled_images_can_show_all_of_them(tmp_path: Path, protocol: str) -> None:
    task, file = striped(tmp_path / "ends", wide=True), tmp_path / "short.yaml"
    changes = {"epochs": "1", "least_steps": "1", "image_size": "32", "layers": "[]", "draws": "1"}
    lines = (FOLDER / f"{protocol}.yaml").read_text().splitlines()
    # An epoch is enough: what is asked is whether the test images are framed.
    kept = [
        f"{line.split(':')[0]}: {changes[line.split(':')[0].strip()]}"
        if line.split(":")[0].strip() in changes and not line.lstrip().startswith("#")
        else line
        for line in lines
    ]
    file.write_text("\n".join(kept))
    keys = set()
    for framing in (None, "squash", "pad"):
        result = measured("torchvision:resnet18", task, str(file), tmp_path / "out", framing=framing)
        assert result.settings["framing"] == framing or (framing, result.settings["framing"]) == (None, "crop")
        keys.add(result.key)
    assert len(keys) == 3


def test_a_backbone_that_shows_all_of_an_image_does_so_in_evaluation(tmp_path: Path) -> None:
    task = striped(tmp_path / "ends", wide=True)
    torch.manual_seed(0)
    backbone = build_backbone("resnet18", image_size=32)
    backbone.preprocessing = replace(backbone.preprocessing, framing="squash")
    was = backbone.preprocessing
    assert measured(backbone, task, "logistic", tmp_path / "out").value == 100
    assert measured(backbone, task, "logistic", tmp_path / "out", framing="crop").value < 80
    assert backbone.preprocessing == was, "what evaluation was asked for does not stay with a person's backbone"


def test_a_framing_that_there_is_not_is_told(tmp_path: Path) -> None:
    task = striped(tmp_path / "ends", wide=True)
    with pytest.raises(InputError, match="unknown framing 'stretch'"):
        measured("torchvision:resnet18", task, "knn", tmp_path / "out", framing="stretch")


@pytest.fixture
def unpublished(monkeypatch: pytest.MonkeyPatch) -> None:
    """No hub is at hand: made weights stand in for published ones."""
    build: Callable[..., Any] = timm.create_model

    def create(name: str, pretrained: bool = False, **more: Any) -> Any:
        if not pretrained:
            return build(name, **more)
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(7)
            return build(name, **more)

    monkeypatch.setattr(timm, "create_model", create)


def begun(make_corpus: MakeCorpus, out: Path, **settings: Any) -> Any:
    """The run of an untouched network."""
    corpus = make_corpus([["a dog runs on grass"], ["a cat sits on a mat"]], name=f"{out.name}-corpus")
    given: dict[str, Any] = {"backbone": "timm:test_vit", "image_size": 32, "device": "cpu"} | settings
    return wordsight.pretrain("random-resnet18-small", corpus=corpus, out=out, **given)


@pytest.mark.usefixtures("unpublished")
def test_a_run_that_began_with_published_weights_sees_as_these_were_trained(
    make_corpus: MakeCorpus, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    published: Any = timm.get_pretrained_cfg("test_vit")
    assert published.mean == HALF, "else nothing is tested"
    run = begun(make_corpus, tmp_path / "run", pretrained=True)
    assert "images shown with mean (0.5, 0.5, 0.5)" in " ".join(capsys.readouterr().err.split())
    task = striped(tmp_path / "ends", wide=True)
    ours = measured(wordsight.open_run(run.path), task, "knn", tmp_path / "ours")
    theirs = measured("timm:test_vit@pretrained", task, "knn", tmp_path / "theirs")
    assert ours.weights == theirs.weights
    assert ours.settings["pixels"] == theirs.settings["pixels"] == {"mean": [0.5] * 3, "std": [0.5] * 3}
    assert ours.outcomes is not None and theirs.outcomes is not None
    for weights in ("trained", "random"):
        backbone = wordsight.load_backbone(run.path, weights)
        assert (backbone.preprocessing.mean, backbone.preprocessing.std) == (HALF, HALF)
    white = Image.new("RGB", (32, 32), (255, 255, 255))
    torch.testing.assert_close(backbone.preprocess(white), torch.ones(1, 3, 32, 32))
    # What begins with this run's weights sees as it does, wherever they are read.
    file = tmp_path / "run" / "backbone.safetensors"
    assert measured(f"timm:test_vit@{file}", task, "knn", tmp_path / "file").settings["pixels"]["mean"] == [0.5] * 3
    second = begun(make_corpus, tmp_path / "second", weights=str(file))
    assert second.backbone().preprocessing.mean == HALF


@pytest.mark.usefixtures("unpublished")
def test_whose_pixels_they_are_may_be_said(make_corpus: MakeCorpus, tmp_path: Path) -> None:
    run = begun(make_corpus, tmp_path / "run", pretrained=True, pixels="imagenet")
    assert run.backbone().preprocessing.usual
    task = striped(tmp_path / "ends", wide=True)
    for pixels, mean in (("published", [0.5] * 3), ("imagenet", None)):
        result = measured("timm:test_vit", task, "knn", tmp_path / "out", pixels=pixels)
        assert result.settings.get("pixels", {}).get("mean") == mean
    with pytest.raises(InputError, match="pixels is published; expected auto: a run"):
        measured(run, task, "knn", tmp_path / "out", pixels="published")


@pytest.mark.usefixtures("unpublished")
def test_runs_of_older_versions_see_what_they_were_trained_on(make_corpus: MakeCorpus, tmp_path: Path) -> None:
    run = begun(make_corpus, tmp_path / "run", pretrained=True)
    info = json.loads((run.path / "run.json").read_text())
    # All of them were shown ImageNet's mean and spread.
    for name in ("mean", "std", "weights", "warnings"):
        del info[name]
    (run.path / "run.json").write_text(json.dumps(info))
    config = (run.path / "config.yaml").read_text()
    (run.path / "config.yaml").write_text(config.replace("pixels: auto\n", ""))
    assert wordsight.load_backbone(run.path).preprocessing.usual


def test_objectives_show_their_images_as_the_backbone_wants_them() -> None:
    from wordsight.batching.batch import Batch
    from wordsight.objectives import Facts, build_objective

    pixels = torch.randint(0, 256, (4, 3, 32, 32), dtype=torch.uint8)
    backbone = build_backbone("resnet18", image_size=32)
    backbone.preprocessing = replace(backbone.preprocessing, mean=HALF, std=HALF)
    objective = build_objective("none", {}, backbone, Facts()).eval()
    batch = Batch.of_images(pixels, torch.arange(4))
    with torch.no_grad():
        torch.testing.assert_close(objective.grid(batch), backbone(pixels / 127.5 - 1), rtol=1e-3, atol=1e-4)


def test_the_names_are_those_of_the_docs() -> None:
    assert isinstance(build_backbone("resnet18"), Backbone) and wordsight.Backbone is Backbone
