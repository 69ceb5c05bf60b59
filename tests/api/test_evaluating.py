"""What is asked of `evaluate` is looked at before anything is computed."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import wordsight
from wordsight.errors import InputError
from wordsight.evaluation.protocol import FOLDER


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
    with pytest.raises(InputError, match="are both called 'scenes'; measure one of them with --out"):
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
    with pytest.raises(InputError, match=f"--image-size: image_size is {side}; expected pixels from 1 to 8,192"):
        asked(labelled, image_size=side)


def test_flags_of_the_other_question_are_not_passed_over(labelled: Path) -> None:
    with pytest.raises(InputError, match="--split: a task has parts of its own"):
        asked(labelled, split="test")
    with pytest.raises(InputError, match="--names: a corpus is asked nothing of the kind"):
        asked(labelled, task=None, corpus=labelled, names="names.csv")
