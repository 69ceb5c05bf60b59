"""Checkpoints of other people: the right network of several is taken, whatever it is called, and it is said."""

from __future__ import annotations

import argparse
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
import timm
import torch
from safetensors.torch import save_file
from timm.layers.pos_embed import resample_abs_pos_embed
from torch import Tensor, nn
from torchvision import models

from wordsight.errors import InputError
from wordsight.vision.backbones import Backbone, build_backbone
from wordsight.vision.weights import load_weights

State = dict[str, Tensor]


def network(seed: int) -> State:
    """Weights of a ResNet-18 that no other seed has."""
    torch.manual_seed(seed)
    return dict(models.resnet18().state_dict())


def under(prefix: str, state: Mapping[str, Tensor]) -> State:
    return {prefix + name: value for name, value in state.items()}


def written(file: Path, content: Any) -> Path:
    if file.suffix == ".safetensors":
        save_file({name: value.contiguous().clone() for name, value in content.items()}, file)
    else:
        torch.save(content, file)
    return file


def loaded(file: Path | str, name: str = "torchvision:resnet18") -> Backbone:
    backbone = build_backbone(name)
    load_weights(backbone, file)
    return backbone


def is_network(backbone: Backbone, state: Mapping[str, Tensor]) -> bool:
    own = backbone.network.state_dict()
    return all(torch.equal(value, state[name]) for name, value in own.items())


FIRST, SECOND = network(1), network(2)
# What is taken, and what is not, as the papers and programs that write them have it.
PAIRS = {
    "MoCo": ("encoder_q", "encoder_k"),
    "MoCo v3": ("base_encoder", "momentum_encoder"),
    "lightly's BYOL": ("backbone", "backbone_momentum"),
    "BYOL": ("online_network", "target_network"),
    "DINO": ("teacher.backbone", "student.module.backbone"),
    "I-JEPA": ("target_encoder", "encoder"),
    "timm's averages": ("state_dict_ema", "state_dict"),
    "torchvision's averages": ("model_ema.module", "model"),
}


@pytest.mark.parametrize("ending", [".pth", ".safetensors"])
@pytest.mark.parametrize("swapped", [False, True])
@pytest.mark.parametrize("program", PAIRS)
def test_of_two_networks_the_documented_one_is_taken(tmp_path: Path, program: str, swapped: bool, ending: str) -> None:
    first, second = PAIRS[program]
    parts = [under(f"{first}.", FIRST), under(f"{second}.", SECOND)]
    whole = {name: value for part in (reversed(parts) if swapped else parts) for name, value in part.items()}
    file = written(tmp_path / f"both{ending}", whole)
    backbone = loaded(file)
    assert is_network(backbone, FIRST)
    taken, other = (name.replace("module.", "").replace(".module", "") for name in (first, second))
    assert f"({taken})" in backbone.origin and f"not taken: {other}" in backbone.origin
    (said,) = backbone.warnings
    assert f"{taken} was taken, not {other}" in said


def test_a_person_may_name_the_other_network(tmp_path: Path) -> None:
    file = written(tmp_path / "dino.pth", {"student": under("module.backbone.", SECOND), "teacher": FIRST})
    assert is_network(loaded(file), FIRST)
    for name in ("student", "student.module.backbone", "student.backbone"):
        chosen = loaded(f"{file}#{name}")
        assert is_network(chosen, SECOND)
        assert chosen.warnings == [], "what was asked for needs no remark"
    with pytest.raises(InputError, match="unknown network 'studnet'.*did you mean 'student.backbone'"):
        loaded(f"{file}#studnet")


def test_the_remark_says_how_to_choose(tmp_path: Path) -> None:
    file = written(
        tmp_path / "moco.pth", {"state_dict": under("module.encoder_q.", FIRST) | under("encoder_k.", SECOND)}
    )
    (said,) = loaded(file).warnings
    assert "end the file's name with #encoder_k" in said
    assert is_network(loaded(f"{file}#encoder_k"), SECOND)


def test_a_hash_in_a_file_s_own_name_is_no_choice(tmp_path: Path) -> None:
    assert is_network(loaded(written(tmp_path / "run#3.pth", FIRST)), FIRST)
    assert is_network(loaded(f"{written(tmp_path / 'run#3.pth', {'student': SECOND})}#student"), SECOND)


@pytest.mark.parametrize(
    "prefix",
    [
        "module.",
        "model.",
        "backbone.",
        "encoder.",
        "trunk.",
        "visual.trunk.",
        "net.",
        "_orig_mod.",
        "module._orig_mod.",
        "_orig_mod.module.",
        "model._orig_mod.",
        "model.backbone._orig_mod.module.",
        "classy_state_dict.base_model.model.trunk._feature_blocks.",
    ],
)
@pytest.mark.parametrize("name", ["torchvision:resnet18", "timm:resnet18"])
def test_prefixes_of_programs_and_wrappers_are_seen_through(tmp_path: Path, prefix: str, name: str) -> None:
    backbone = loaded(written(tmp_path / "weights.safetensors", under(prefix, FIRST)), name)
    own = backbone.network.state_dict()
    assert all(torch.equal(value, FIRST[name.removeprefix("body.")]) for name, value in own.items())
    assert backbone.warnings == []


def test_a_wrapper_within_names_is_seen_through(tmp_path: Path) -> None:
    state = {name.replace("layer2.", "layer2._orig_mod."): value for name, value in FIRST.items()}
    assert is_network(loaded(written(tmp_path / "compiled.pth", {"state_dict": state})), FIRST)


def test_children_by_number_are_told_by_their_order(tmp_path: Path) -> None:
    # As lightly cuts the classifier off.
    whole = models.resnet18()
    whole.load_state_dict(FIRST)
    cut = nn.Sequential(*list(whole.children())[:-1]).state_dict()
    file = written(tmp_path / "simclr.ckpt", {"epoch": 3, "state_dict": under("backbone.", cut)})
    for name in ("torchvision:resnet18", "timm:resnet18"):
        own = loaded(file, name).network.state_dict()
        assert all(torch.equal(value, FIRST[key.removeprefix("body.")]) for key, value in own.items())


def test_checkpoints_of_training_scripts_keep_their_arguments_and_are_read(tmp_path: Path) -> None:
    arguments = argparse.Namespace(lr=0.1, model="resnet18", scale=[0.08, 1.0])
    content = {"epoch": 1, "arch": "resnet18", "args": arguments, "state_dict": FIRST, "optimizer": {"state": {}}}
    assert is_network(loaded(written(tmp_path / "last.pth.tar", content)), FIRST)


class Config:
    """A class of somebody's own, as frameworks write into their checkpoints."""


def test_what_would_run_code_is_named_with_a_way_out(tmp_path: Path) -> None:
    file = written(tmp_path / "last.ckpt", {"state_dict": FIRST, "hyper_parameters": Config()})
    with pytest.raises(InputError, match=r"Config\): nothing of it was run.*keep its tensors alone: python -c"):
        loaded(file)


def test_parameters_alone_are_told_from_a_whole_network(tmp_path: Path) -> None:
    torch.manual_seed(1)
    file = written(tmp_path / "parameters.pth", dict(models.resnet18().named_parameters()))
    (said,) = loaded(file).warnings
    assert "no running statistics of 20 batch norms" in said


def test_the_share_of_weights_that_stays_random_is_said(tmp_path: Path) -> None:
    backbone = loaded(written(tmp_path / "small.pth", FIRST), "torchvision:resnet34")
    untrained, norms = backbone.warnings
    network = models.resnet34()
    absent = sum(p.numel() for name, p in network.named_parameters() if name not in FIRST)
    share = 100 * absent / sum(p.numel() for name, p in network.named_parameters() if not name.startswith("fc."))
    assert f"{share:.1f} % of the backbone's weights are not in small.pth and stay untrained" in untrained
    assert "batch norms" in norms


def test_weights_of_a_larger_network_are_refused(tmp_path: Path) -> None:
    file = written(tmp_path / "larger.pth", models.resnet34().state_dict())
    with pytest.raises(InputError, match=r"holds layers that torchvision:resnet18 has not: layer1\.2"):
        loaded(file)
    deep = timm.create_model("test_vit", depth=8).state_dict()
    with pytest.raises(InputError, match="holds layers that timm:test_vit has not"):
        loaded(written(tmp_path / "deep.pth", deep), "timm:test_vit")


# Networks whose feature extractors rename their layers, leave some out, or number what they leave out.
RENAMED = ["densenet121", "convnext_atto", "ghostnet_050", "rexnet_100", "levit_128s", "xcit_nano_12_p16_224"]


@pytest.mark.parametrize("name", [*timm.list_models("test_*"), *RENAMED])
def test_timm_s_own_weights_are_read_whole(tmp_path: Path, name: str) -> None:
    torch.manual_seed(3)
    network: Any = timm.create_model(name)
    state = {key: torch.rand_like(v) if v.is_floating_point() else v for key, v in network.state_dict().items()}
    network.load_state_dict(state)
    # Some share a layer under two names.
    state = network.state_dict()
    side = network.pretrained_cfg["input_size"][-1]
    backbone = build_backbone(f"timm:{name}", image_size=side)
    load_weights(backbone, written(tmp_path / "own.safetensors", state), "published")
    assert backbone.warnings == [] and "missing" not in backbone.origin
    # Whatever a layer is called in the one and in the other, it holds the same numbers.
    held = {key.replace(".", "_"): value for key, value in state.items()}
    for key, value in backbone.network.state_dict().items():
        names = [key.replace(".", "_").removeprefix(prefix) for prefix in ("body_", "body_model_")]
        assert any(each in held and torch.equal(held[each], value) for each in names), key


def test_position_embeddings_follow_the_side_of_the_image(tmp_path: Path) -> None:
    whole: Any = timm.create_model("vit_tiny_patch16_224")
    nn.init.normal_(whole.pos_embed)
    file = written(tmp_path / "vit.pth", whole.state_dict())
    backbone = build_backbone("timm:vit_tiny_patch16_224", image_size=64)
    assert "resized: body.model.pos_embed" in load_weights(backbone, file)
    small = resample_abs_pos_embed(whole.pos_embed, new_size=[4, 4], num_prefix_tokens=1)
    torch.testing.assert_close(backbone.network.state_dict()["body.model.pos_embed"], small)
