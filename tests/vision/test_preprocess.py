"""What a backbone is shown: the same numbers whether an image comes as a picture, as a tensor or through evaluation."""

from __future__ import annotations

import io
import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from safetensors.torch import save_file
from torch import Tensor

from wordsight.errors import InputError
from wordsight.evaluation.features.extract import view_batches
from wordsight.vision.any_image import AnyImage
from wordsight.vision.backbones import Backbone, build_backbone
from wordsight.vision.preprocessing import MEAN, STD, Framing, Preprocessing
from wordsight.vision.weights import load_weights

FRAMINGS: tuple[Framing, ...] = ("crop", "squash", "pad")


def picture(width: int = 90, height: int = 40) -> Image.Image:
    noise = np.random.default_rng(0).integers(0, 256, (height, width, 3), dtype=np.uint8)
    return Image.fromarray(noise)


def as_tensor(image: Image.Image) -> Tensor:
    return torch.from_numpy(np.asarray(image).copy()).permute(2, 0, 1)


@pytest.fixture(scope="module")
def backbone() -> Backbone:
    return build_backbone("torchvision:alexnet", image_size=32)


@pytest.mark.parametrize("framing", FRAMINGS)
def test_a_picture_becomes_what_evaluation_sees(backbone: Backbone, framing: Framing) -> None:
    backbone.preprocessing = replace(backbone.preprocessing, framing=framing)
    coded = io.BytesIO()
    picture().save(coded, "PNG")
    (views,) = view_batches([coded.getvalue()], 32, framing=framing)
    shown = backbone.preprocess(picture())
    assert shown.shape == (1, 3, 32, 32) and shown.dtype == torch.float32
    assert torch.equal(shown, backbone.prepare(views))
    normalised = (views / 255 - torch.tensor(MEAN).view(3, 1, 1)) / torch.tensor(STD).view(3, 1, 1)
    torch.testing.assert_close(shown, normalised, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("framing", FRAMINGS)
def test_tensors_are_seen_as_pictures_are(backbone: Backbone, framing: Framing) -> None:
    backbone.preprocessing = replace(backbone.preprocessing, framing=framing)
    pixels, wanted = as_tensor(picture()), backbone.preprocess(picture())
    assert torch.equal(backbone.preprocess(pixels), wanted)
    assert torch.equal(backbone.preprocess(pixels[None].repeat(3, 1, 1, 1)), wanted.repeat(3, 1, 1, 1))
    # Whole numbers are rounded to in between, floats are not.
    floats = backbone.preprocess(pixels / 255)
    assert float((floats - wanted).abs().max()) < 1.01 / 255 / min(STD)


def test_a_list_may_hold_images_of_several_sizes(backbone: Backbone) -> None:
    several: list[AnyImage] = [picture(), as_tensor(picture(40, 90)), picture(64, 64)]
    shown = backbone.preprocess(several)
    assert shown.shape == (3, 3, 32, 32)
    assert torch.equal(shown[:1], backbone.preprocess(several[0]))
    assert torch.equal(shown[1:2], backbone.preprocess(several[1]))


def test_pictures_are_turned_and_laid_on_white_as_everywhere(backbone: Backbone) -> None:
    stored = picture(60, 40)
    turned = stored.copy()
    turned.getexif()[0x0112] = 6
    coded = io.BytesIO()
    turned.save(coded, "PNG", exif=turned.getexif())
    opened = Image.open(io.BytesIO(coded.getvalue()))
    assert torch.equal(backbone.preprocess(opened), backbone.preprocess(stored.transpose(Image.Transpose.ROTATE_270)))
    clear = Image.new("RGBA", (20, 20), (0, 0, 0, 0))
    assert torch.equal(backbone.preprocess(clear), backbone.preprocess(Image.new("RGB", (20, 20), (255, 255, 255))))
    assert backbone.preprocess(picture().convert("L")).shape == (1, 3, 32, 32)


@pytest.mark.parametrize(
    ("given", "said"),
    [
        (torch.randn(3, 8, 8), "found values from .*normalised already"),
        (torch.full((3, 8, 8), float("nan")), "found values from nan"),
        (torch.zeros(1, 8, 8), r"found a tensor \[1, 8, 8\]"),
        (torch.zeros(3, 8, 8, dtype=torch.int64), "found a tensor of torch.int64"),
        (torch.zeros(0, 3, 8, 8), r"found a tensor \[0, 3, 8, 8\]"),
        ([], "no images"),
        ("dog.jpg", "found str.*PIL.Image.open"),
        (Path("dog.jpg"), "found .*Path.*PIL.Image.open"),
        (np.zeros((8, 8, 3)), "found ndarray; expected a PIL image"),
        (Image.fromarray(np.zeros((8, 8), dtype=np.uint16)), "mode 'I;16'"),
    ],
)
def test_what_is_no_image_gets_one_line(backbone: Backbone, given: Any, said: str) -> None:
    with pytest.raises(InputError, match=said):
        backbone.preprocess(given)


def test_mean_and_spread_must_be_of_three_colours() -> None:
    odd: list[dict[str, Any]] = [{"mean": (0.5,)}, {"std": (0.5, 0.0, 0.5)}, {"side": 0}]
    for values in odd:
        with pytest.raises(InputError, match="preprocessing"):
            Preprocessing(**values)


HALF = (0.5, 0.5, 0.5)


def test_pixels_follow_what_is_written_with_a_file(tmp_path: Path) -> None:
    state = build_backbone("timm:test_vit", image_size=64).network.state_dict()

    def shown(folder: str, name: str, beside: dict[str, Any] | None = None, file: str = "config.json") -> Backbone:
        (tmp_path / folder).mkdir()
        save_file(state, tmp_path / folder / name)
        if beside is not None:
            (tmp_path / folder / file).write_text(json.dumps(beside))
        backbone = build_backbone("timm:test_vit", image_size=64)
        load_weights(backbone, tmp_path / folder / name)
        return backbone

    published = {"architecture": "test_vit", "pretrained_cfg": {"mean": [0.1, 0.2, 0.3], "std": HALF}}
    hub = shown("hub", "model.safetensors", published)
    assert hub.preprocessing.mean == (0.1, 0.2, 0.3) and hub.preprocessing.std == HALF and not hub.warnings
    run = shown("run", "backbone.safetensors", {"mean": HALF, "std": HALF}, "run.json")
    assert run.preprocessing.mean == HALF and not run.warnings
    older = shown("older", "backbone.safetensors", {"mean": None, "std": None}, "run.json")
    assert older.preprocessing.usual and not older.warnings
    alone = shown("alone", "model.safetensors")
    assert alone.preprocessing.usual and "set pixels to published" in alone.warnings[0]
    damaged = shown("damaged", "model.safetensors", {"pretrained_cfg": {"mean": "half"}})
    assert damaged.preprocessing.usual


def test_a_person_may_say_whose_pixels_they_are(tmp_path: Path) -> None:
    backbone = build_backbone("timm:test_vit", image_size=64)
    save_file(backbone.network.state_dict(), tmp_path / "model.safetensors")
    load_weights(backbone, tmp_path / "model.safetensors", "published")
    assert (backbone.preprocessing.mean, backbone.warnings) == (HALF, [])
    load_weights(backbone, tmp_path / "model.safetensors", "imagenet")
    assert (backbone.preprocessing.mean, backbone.warnings) == (MEAN, [])
