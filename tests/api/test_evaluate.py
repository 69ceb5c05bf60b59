"""What is asked of `evaluate` is looked at before anything is computed."""

from __future__ import annotations

import re
import shutil
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from torch import nn
from torchvision import models

import wordsight
from tests.conftest import MakeCorpus
from wordsight.errors import InputError
from wordsight.evaluation.protocol import FOLDER
from wordsight.evaluation.results.result import Result


@pytest.fixture
def labelled(tmp_path: Path) -> Path:
    """Two classes of noisy pictures."""
    random = np.random.default_rng(0)
    for split, count in (("train", 6), ("test", 3)):
        for name, least in (("dark", 0), ("light", 128)):
            (tmp_path / "first" / "scenes" / split / name).mkdir(parents=True)
            for i in range(count):
                pixels = random.integers(least, least + 128, size=(32, 32, 3), dtype=np.uint8)
                Image.fromarray(pixels).save(tmp_path / "first" / "scenes" / split / name / f"{i}.png")
    return tmp_path / "first" / "scenes"


def asked(labelled: Path, **changes: object) -> list[object]:
    given = {"task": f"folder:{labelled}", "protocols": ["knn"], "image_size": 32, "out": labelled / "out"}
    return list(wordsight.evaluate("torchvision:resnet18", **(given | changes)))  # type: ignore[arg-type]


def test_two_tasks_of_one_name_would_write_over_each_other(labelled: Path, tmp_path: Path) -> None:
    other = tmp_path / "second" / "scenes"
    shutil.copytree(labelled, other)
    with pytest.raises(
        InputError, match="are both called 'scenes'; measure one of them into another folder \\(`out`\\)"
    ):
        asked(labelled, task=[f"folder:{labelled}", f"folder:{other}"])
    assert not (labelled / "out").exists()


def test_two_protocols_of_one_name_would_too(labelled: Path, tmp_path: Path) -> None:
    files = [tmp_path / place / "mine.yaml" for place in ("a", "b")]
    for file, protocol in zip(files, ("knn", "ridge"), strict=True):
        file.parent.mkdir()
        shutil.copy(FOLDER / f"{protocol}.yaml", file)
    with pytest.raises(InputError, match="two protocols are called 'mine'"):
        asked(labelled, protocols=[str(file) for file in files])


def test_what_is_named_twice_is_measured_once(labelled: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WORDSIGHT_CACHE", str(tmp_path / "kept"))
    assert len(asked(labelled, task=[f"folder:{labelled}"] * 2, protocols=["knn", "knn"])) == 1


@pytest.mark.parametrize("side", [-5, 100_000_000])
def test_a_side_that_no_image_has_is_refused(labelled: Path, side: int) -> None:
    with pytest.raises(InputError, match=f"image_size is {side}; expected a number from 0 to 8,192"):
        asked(labelled, image_size=side)


def test_flags_of_the_other_question_are_not_passed_over(labelled: Path) -> None:
    with pytest.raises(InputError, match="^split: a task has parts of its own"):
        asked(labelled, split="test")
    with pytest.raises(InputError, match="^names: a corpus is asked nothing of the kind"):
        asked(labelled, task=None, corpus=labelled, names="names.csv")


def test_protocols_may_be_named_one_or_several_under_either_name(labelled: Path) -> None:
    def measured(**given: object) -> list[str]:
        found = asked(labelled, **({"protocols": ()} | given))
        return [result.protocol for result in found if isinstance(result, Result)]

    assert measured(protocol="knn") == measured(protocol=["knn"]) == measured(protocols="knn") == ["knn"]
    assert measured(protocol=["knn", "ridge"]) == ["knn", "ridge"]
    with pytest.raises(InputError, match="both protocol and protocols are given"):
        measured(protocol="knn", protocols="ridge")


@pytest.mark.parametrize("protocol", ["knn", "fine-tune-10-percent"])
def test_a_module_is_left_as_it_was(labelled: Path, tmp_path: Path, protocol: str) -> None:
    # Copied, changed and named anew: an epoch is enough here.
    file = tmp_path / "mine.yaml"
    text = (FOLDER / f"{protocol}.yaml").read_text()
    file.write_text(re.sub(r"least_steps: \d+", "least_steps: 1", re.sub(r"epochs: \d+", "epochs: 1", text)))
    module = nn.Sequential(
        nn.Conv2d(3, 8, 3, 2), nn.BatchNorm2d(8), nn.ReLU(), nn.Conv2d(8, 8, 3, 2), nn.BatchNorm2d(8)
    )
    module.train()
    module[1].eval()
    module[0].requires_grad_(False)
    before = {name: value.clone() for name, value in module.state_dict().items()}

    def traits() -> list[object]:
        modes = [part.training for part in module.modules()]
        return [*modes, *((each.requires_grad, each.stride(), each.grad) for each in module.parameters())]

    was = traits()
    wordsight.evaluate(module, task=f"folder:{labelled}", protocol=str(file), image_size=32, out=tmp_path / "out")
    assert traits() == was
    assert all(torch.equal(value, before[name]) for name, value in module.state_dict().items())


def test_results_say_which_weights_of_a_file_were_measured(labelled: Path, tmp_path: Path) -> None:
    torch.manual_seed(0)
    one, other = models.resnet18().state_dict(), models.resnet18().state_dict()
    both = {f"encoder_q.{name}": value for name, value in one.items()}
    both |= {f"encoder_k.{name}": value for name, value in other.items()}
    torch.save(one, tmp_path / "plain.pth")
    torch.save({"state_dict": both}, tmp_path / "moco.pth")

    def measured(file: str) -> Result:
        (found,) = wordsight.evaluate(
            f"torchvision:resnet18@{tmp_path / file}",
            task=f"folder:{labelled}",
            protocol="knn",
            image_size=32,
            out=tmp_path / "out",
        )
        return found

    plain, moco, again = measured("plain.pth"), measured("moco.pth"), measured("plain.pth")
    assert plain.weights == moco.weights, "the documented encoder was taken"
    assert not any("encoder" in warning for warning in (*plain.warnings, *again.warnings))
    assert any("state_dict.encoder_q was taken, not state_dict.encoder_k" in warning for warning in moco.warnings)
    assert "(state_dict.encoder_q)" in moco.settings["weights_from"]
    assert measured("moco.pth#encoder_k").weights != moco.weights


def test_a_run_that_began_with_part_of_a_network_says_so_in_its_results(
    labelled: Path, tmp_path: Path, make_corpus: MakeCorpus, capsys: pytest.CaptureFixture[str]
) -> None:
    torch.save(dict(models.resnet18().named_parameters()), tmp_path / "parameters.pth")
    run = wordsight.pretrain(
        "random-resnet18-small",
        corpus=make_corpus([["a dog runs on grass"], ["a cat sits on a mat"]]),
        out=tmp_path / "run",
        weights=str(tmp_path / "parameters.pth"),
        image_size=32,
    )
    # Lines are folded at the width of what they are written to.
    said = " ".join(capsys.readouterr().err.split())
    assert "note parameters.pth has no running statistics of 20 batch norms" in said
    for opened in (run, wordsight.open_run(tmp_path / "run")):
        (result,) = wordsight.evaluate(opened, task=f"folder:{labelled}", protocol="knn")
        assert "no running statistics of 20 batch norms" in result.warnings[0]
        assert "parameters.pth" in result.settings["weights_from"]
