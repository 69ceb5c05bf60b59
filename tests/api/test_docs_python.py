"""The examples of docs/python.md run, and give what their comments say."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

import wordsight
from tests.conftest import MakeCorpus

PAGE = Path(__file__).parents[2] / "docs" / "python.md"


def test_the_examples_run_as_they_stand(
    make_corpus: MakeCorpus, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    corpus = make_corpus([["a dog runs on grass"], ["a cat sits on a mat"]])
    wordsight.pretrain("random-resnet18-small", corpus=corpus, out="runs/a", image_size=64, device="cpu")
    Image.fromarray(np.full((50, 80, 3), 90, dtype=np.uint8)).save("dog.jpg")
    first, second = re.findall(r"```python\n(.*?)```", PAGE.read_text("utf-8"), flags=re.DOTALL)
    assert len([line for line in first.splitlines() if line.strip() and "import" not in line]) <= 10
    names: dict[str, Any] = {}
    exec(first, names)
    assert names["images"].shape == (1, 3, 64, 64)
    grid = names["grid"]
    assert grid.ndim == 4 and len(grid) == 1 and names["features"].shape == (1, grid.shape[1])
    assert "Preprocessing(side=64" in capsys.readouterr().out
    exec(second, names)
    assert names["backbone"].preprocess(Image.open("dog.jpg")).shape == (1, 3, 224, 224)
