"""Weights from files: names are found under the prefixes of published checkpoints, and what does not fit is said."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file
from torch import Tensor, nn

from wordsight.errors import InputError
from wordsight.vision.backbones import Backbone, BackboneSettings, build_backbone
from wordsight.vision.weights import load_weights, read_weights

SOBEL = BackboneSettings(sobel=True)


def published(file: Path, colours: int) -> dict[str, Tensor]:
    """A file laid out as DeeperCluster's published ones: VGG16 with batch norm, and what they keep beside it."""
    torch.manual_seed(7)
    # Small stand-ins for two fully connected layers of 4,096.
    body: dict[str, Tensor] = {}
    for name, value in build_backbone("vgg16_bn").network.state_dict().items():
        # Written by a PyTorch that kept no counters.
        if not name.endswith("num_batches_tracked"):
            body[f"module.body.features.{name}"] = torch.rand_like(value)
    body["module.body.features.0.weight"] = torch.rand(64, colours, 3, 3)
    body |= {"module.body.classifier.0.weight": torch.rand(4, 8), "module.body.classifier.0.bias": torch.rand(4)}
    if colours == 2:
        for number, shape in enumerate([(1, 3, 1, 1), (2, 1, 3, 3)]):
            body[f"module.sobel.{number}.weight"] = torch.rand(shape)
            body[f"module.sobel.{number}.bias"] = torch.zeros(shape[0])
    torch.save({"epoch": 100, "start_iter": 0, "state_dict": body, "optimizer": {"state": {}}}, file)
    return body


def holds(backbone: Backbone, tensors: dict[str, Tensor], prefix: str) -> bool:
    own = backbone.network.state_dict()
    return all(
        torch.equal(own[name.removeprefix(prefix)], value)
        for name, value in tensors.items()
        if name.startswith(prefix) and name.removeprefix(prefix) in own
    )


def test_the_published_deepercluster_network_is_read(tmp_path: Path) -> None:
    file = tmp_path / "ours.pth"
    tensors = published(file, colours=2)
    backbone = build_backbone("vgg16_bn", SOBEL)
    said = load_weights(backbone, file)
    assert holds(backbone, tensors, "module.body.features.")
    assert said == f"78 tensors of {file} (state_dict.body.features); left out: body (2), sobel (4)"


def test_the_published_rotation_network_is_read(tmp_path: Path) -> None:
    tensors = published(tmp_path / "rotnet.pth", colours=3)
    backbone = build_backbone("vgg16_bn")
    load_weights(backbone, tmp_path / "rotnet.pth")
    assert holds(backbone, tensors, "module.body.features.")


@pytest.mark.parametrize(("colours", "settings", "mend"), [(2, None, "True"), (3, SOBEL, "False")])
def test_edges_and_colours_are_not_mistaken(
    tmp_path: Path, colours: int, settings: BackboneSettings | None, mend: str
) -> None:
    published(tmp_path / "ours.pth", colours)
    with pytest.raises(InputError, match=f"give backbone_settings.sobel={mend}"):
        load_weights(build_backbone("vgg16_bn", settings), tmp_path / "ours.pth")


@pytest.mark.parametrize("name", ["resnet18", "timm:resnet18"])
def test_a_network_of_torchvision_and_one_of_timm_read_the_same_file(tmp_path: Path, name: str) -> None:
    from torchvision.models import resnet18

    whole = resnet18().state_dict()
    torch.save(whole, tmp_path / "resnet18.pth")
    backbone = build_backbone(name)
    said = load_weights(backbone, tmp_path / "resnet18.pth")
    assert said.endswith("left out: fc (2)")
    prefix = "" if name == "resnet18" else "body."
    own = backbone.network.state_dict()
    assert all(torch.equal(value, whole[key.removeprefix(prefix)]) for key, value in own.items())


def test_prefixes_of_wrappers_are_stripped_wherever_they_stand(tmp_path: Path) -> None:
    # DeepCluster wrapped its features alone: features.module.0.weight.
    backbone = build_backbone("alexnet")
    tensors = {f"features.module.{name}": value + 1 for name, value in backbone.network.state_dict().items()}
    save_file(tensors, tmp_path / "wrapped.safetensors")
    load_weights(backbone, tmp_path / "wrapped.safetensors")
    assert holds(backbone, tensors, "features.module.")


def test_what_is_missing_is_said(tmp_path: Path) -> None:
    backbone = build_backbone("alexnet")
    tensors = dict(backbone.network.state_dict())
    del tensors["10.bias"]
    save_file(tensors, tmp_path / "most.safetensors")
    assert load_weights(backbone, tmp_path / "most.safetensors").endswith("; missing: 10.bias")


def test_a_file_of_another_network_is_refused(tmp_path: Path) -> None:
    save_file(dict(build_backbone("alexnet").network.state_dict()), tmp_path / "other.safetensors")
    with pytest.raises(InputError, match="name the backbone"):
        load_weights(build_backbone("resnet18"), tmp_path / "other.safetensors")


def test_files_that_hold_no_weights_get_one_line(tmp_path: Path) -> None:
    backbone = build_backbone("alexnet")
    with pytest.raises(InputError, match="no such file"):
        load_weights(backbone, tmp_path / "absent.pth")
    (tmp_path / "text.pth").write_text("no weights")
    with pytest.raises(InputError, match="not a file of weights"):
        load_weights(backbone, tmp_path / "text.pth")
    torch.save({"epoch": 3}, tmp_path / "empty.pth")
    with pytest.raises(InputError, match="holds no tensors by name"):
        load_weights(backbone, tmp_path / "empty.pth")


def test_a_file_that_would_run_code_is_refused(tmp_path: Path) -> None:
    torch.save(nn.Linear(2, 2), tmp_path / "whole.pth")
    with pytest.raises(InputError, match="expected a .safetensors file, or a .pth file of tensors alone"):
        load_weights(build_backbone("alexnet"), tmp_path / "whole.pth")


def test_a_file_of_junk_is_refused_in_one_line(tmp_path: Path) -> None:
    for number, content in enumerate((b"junk", b"", b"\x80\x02]q\x00", bytes(range(256)))):
        file = tmp_path / f"{number}.pth"
        file.write_bytes(content)
        with pytest.raises(InputError, match=r"can't be read|not a file of weights|no tensors"):
            read_weights(file)
