"""Features are the pooled grids of plain views, in order, and the backbone stays as it was."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image, ImageFile

from tests.evaluation.conftest import encoded, picture, shrinking_backbone
from wordsight.corpus.images import decode_image
from wordsight.errors import InputError
from wordsight.evaluation.features.augmented_views import TrainingImages, crop_batches
from wordsight.evaluation.features.extract import extract_features, view_batches
from wordsight.vision.backbones import build_backbone
from wordsight.vision.views import ViewSettings, eval_view, prepare, stack


def test_features_are_the_mean_of_the_grid() -> None:
    images = [encoded(picture((40 * i, 100, 200 - 40 * i), noise=i)) for i in range(5)]
    torch.manual_seed(0)
    backbone = build_backbone("resnet18").eval()
    found = extract_features(backbone, images, 64)
    with torch.no_grad():
        grid_BCHW = backbone(prepare(stack([eval_view(image, 64) for image in images])))
    expected = grid_BCHW.mean((2, 3)).numpy()
    # Where the processor has bf16 it is used: float32 agrees to the last digits, bf16 to 0.7 % of the largest feature.
    assert np.abs(found - expected).max() < 0.02 * np.abs(expected).max()


@pytest.mark.parametrize("form", ["PNG", "BMP", "JPEG"])
def test_an_image_is_seen_as_it_is_not_coded_anew(form: str) -> None:
    coded = io.BytesIO()
    picture((90, 120, 150), 40, 40, noise=3).save(coded, form)
    (views,) = view_batches([coded.getvalue()], 40)
    assert torch.equal(views, stack([eval_view(coded.getvalue(), 40)]))


def test_what_is_see_through_comes_before_white() -> None:
    clear = Image.new("RGBA", (16, 16), (200, 0, 0, 0))
    (views,) = view_batches([encoded(clear)], 16)
    assert (views == 255).all()


def test_features_keep_their_order_over_batches() -> None:
    images = [encoded(picture((i, i, i))) for i in range(150)]
    found = extract_features(shrinking_backbone(), images, 16)
    assert found.shape == (150, 3)
    assert (np.diff(found[::10, 0]) > 0).all()


def test_a_layer_can_be_probed_and_pooled_to_a_grid() -> None:
    images = [encoded(picture((100, 100, 100)))] * 2
    backbone = build_backbone("resnet18")
    assert extract_features(backbone, images, 64, layer="res3", pool=2).shape == (2, 128 * 4)
    with pytest.raises(InputError, match="unknown layer 'res9'"):
        extract_features(backbone, images, 64, layer="res9")


def test_a_backbone_is_left_as_it_was_found() -> None:
    backbone = build_backbone("resnet18").train()
    backbone.network.get_submodule("bn1").eval()
    before = {name: value.clone() for name, value in backbone.state_dict().items()}
    extract_features(backbone, [encoded(picture((100, 100, 100)))], 64)
    assert backbone.training
    assert not backbone.network.get_submodule("bn1").training
    assert all(torch.equal(before[name], value) for name, value in backbone.state_dict().items())


def test_an_image_that_cannot_be_read_is_one_clear_line(tmp_path: Path) -> None:
    broken = tmp_path / "half.png"
    whole = encoded(picture((1, 2, 3)))
    broken.write_bytes(whole[: len(whole) // 2])
    with pytest.raises(InputError, match=r"half\.png: (truncated|unreadable).*remove it") as caught:
        list(view_batches([whole, broken], 16))
    assert "\n" not in str(caught.value)


def test_photos_are_turned_upright(tmp_path: Path) -> None:
    left_red = picture((200, 0, 0), 32, 32)
    left_red.paste(picture((0, 0, 200), 16, 32), (16, 0))
    turned = tmp_path / "turned.jpg"
    exif = Image.Exif()
    exif[0x0112] = 6  # to be shown turned by a quarter
    left_red.save(turned, exif=exif, quality=95)
    (views,) = view_batches([turned], 32)
    top, bottom = views[0, :, 4].float().mean(1), views[0, :, 28].float().mean(1)
    assert top[0] > top[2]
    assert bottom[2] > bottom[0]


@pytest.fixture
def files(tmp_path: Path) -> list[Path]:
    """A large photo, one that its camera turned, a grey one, one in inks, and two that are no JPEG."""
    photo = picture((90, 160, 30), 420, 300, noise=3)
    turn = Image.Exif()
    turn[0x0112] = 6
    photo.save(tmp_path / "large.jpg", quality=90)
    photo.save(tmp_path / "turned.jpg", exif=turn)
    photo.convert("L").save(tmp_path / "grey.jpg")
    photo.convert("CMYK").save(tmp_path / "inks.jpg")
    photo.save(tmp_path / "plain.png")
    photo.convert("RGBA").save(tmp_path / "layered.png")
    return sorted(tmp_path.iterdir())


def count(monkeypatch: pytest.MonkeyPatch, owner: Any, name: str) -> list[Any]:
    """The first argument of every call of a function that goes on as it did."""
    calls, own = [], getattr(owner, name)

    def counted(first: Any, *more: Any, **named: Any) -> Any:
        calls.append(first)
        return own(first, *more, **named)

    monkeypatch.setattr(owner, name, counted)
    return calls


def test_each_image_is_read_and_decoded_once_a_pass(files: list[Path], monkeypatch: pytest.MonkeyPatch) -> None:
    learned = TrainingImages(files, 32, ViewSettings(), 2)
    opened, read = count(monkeypatch, Image, "open"), count(monkeypatch, Path, "read_bytes")
    extract_features(shrinking_backbone(), files, 32)
    assert (len(opened), sorted(read)) == (len(files), files)
    list(crop_batches(files, 32, 0.875, 4, crops=10))
    assert (len(opened), len(read)) == (2 * len(files), 2 * len(files))
    for epoch in range(2):
        list(learned.epoch(epoch))
    assert (len(opened), len(read)) == (4 * len(files), 4 * len(files))


def test_checking_while_decoding_changes_no_pixel(files: list[Path]) -> None:
    """As if each image was first decoded whole, and coded again without loss where it is not shown as it is stored."""

    def checked(data: bytes) -> bytes:
        decoded, whole = decode_image(data, 1 << 30), io.BytesIO()
        decoded.pixels.save(whole, "BMP")
        return data if decoded.is_plain else whole.getvalue()

    for file in files:
        for size, share in ((48, 1.0), (200, 0.875)):
            (view,) = view_batches([file], size, share)
            assert torch.equal(view, stack([eval_view(checked(file.read_bytes()), size, share)])), file.name


def test_a_large_photo_is_decoded_at_a_smaller_scale(files: list[Path], monkeypatch: pytest.MonkeyPatch) -> None:
    decoded = count(monkeypatch, ImageFile.ImageFile, "load")
    list(view_batches([file for file in files if file.name == "large.jpg"], 64))
    assert {image.size for image in decoded} == {(105, 75)}


def test_no_images_give_no_features() -> None:
    assert extract_features(shrinking_backbone(), [], 16).shape == (0, 3)


def test_an_image_whose_middle_is_damaged_is_one_line_with_its_name(tmp_path: Path) -> None:
    noise = np.random.default_rng(0).integers(100, 160, (64, 64, 3), dtype=np.uint8)
    data = bytearray(encoded(Image.fromarray(noise)))
    place = data.find(b"IDAT") + 2000
    data[place : place + 40] = b"\xff" * 40
    (tmp_path / "0.png").write_bytes(data)
    with pytest.raises(InputError, match=r"0\.png: unreadable .*; expected an image; remove it"):
        list(view_batches([tmp_path / "0.png"], 16))


def test_sixteen_bits_are_scaled_and_not_coded_with_loss() -> None:
    values = np.random.default_rng(0).integers(0, 256, (16, 16), dtype=np.uint8)
    deep = io.BytesIO()
    Image.fromarray(values.astype(np.uint16) * 257).save(deep, "PNG")
    (views,) = view_batches([deep.getvalue()], 16)
    assert (views[0].numpy() == values).all()
