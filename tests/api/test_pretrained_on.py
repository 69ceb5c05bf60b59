"""A run keeps what tells whether it is tested on images that it learned from."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import wordsight
from wordsight.cli import main
from wordsight.corpus.known_images import FILE, KnownImages
from wordsight.training.run import Run


def _photos(folder: Path, count: int) -> None:
    random = np.random.default_rng(0)
    for split in ("train", "test"):
        for name, least in (("dark", 0), ("light", 128)):
            (folder / split / name).mkdir(parents=True)
            for i in range(count):
                pixels = random.integers(least, least + 128, size=(32, 32, 3), dtype=np.uint8)
                Image.fromarray(pixels).save(folder / split / name / f"{i}.png")


@pytest.mark.parametrize("left", ["hashes", "corpus", "nothing"])
def test_a_probe_on_photos_of_the_training_corpus_says_so(
    tmp_path: Path, left: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    _photos(tmp_path / "scenes", 8)
    # The captions are of all photos, in no split: the task has a test of its own.
    (tmp_path / "mixed").mkdir()
    for number, file in enumerate(sorted((tmp_path / "scenes").rglob("*.png"))):
        if file.stem != "7":
            shutil.copy(file, tmp_path / "mixed" / f"{number}.png")
    words = ["corpus", "build", "folder", "mixed", "--out", "c"]
    assert main(words) == 0
    settings = ["--objective", "rotation", "--backbone", "resnet18", "--image-size", "32", "--batch-size", "14"]
    settings += ["--epochs", "1", "--device", "cpu", "--workers", "0"]
    assert main(["pretrain", "--corpus", "c", "--out", "r", *settings]) == 0
    known = KnownImages.read(Path("r"))
    assert known is not None
    assert len(known) == 28 == Run.open("r").info.examples
    if left != "hashes":
        (tmp_path / "r" / FILE).unlink()
    if left != "corpus":
        shutil.rmtree(tmp_path / "c")
    (result,) = wordsight.evaluate("r", task="folder:scenes", protocol="knn", device="cpu")
    if left == "nothing":
        assert result.warnings[0].startswith("not checked: whether test images were pretrained on")
        return
    said = "14 of 16 test images were pretrained on: this is not a held-out result"
    assert result.warnings[0] == said
    capsys.readouterr()
    for words in (
        ["evaluate", "r", "--task", "folder:scenes", "--protocol", "knn", "--device", "cpu"],
        ["compare", "r"],
    ):
        assert main(words) == 0
        assert said in " ".join(capsys.readouterr().out.split())
    assert main(["report", "r"]) == 0
    assert said in Path("r/report.html").read_text("utf-8")
