"""Several things asked at once: what can be measured is, then what can't is said."""

from __future__ import annotations

import pickle
import shutil
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import wordsight
from wordsight.cli import main
from wordsight.errors import InputError, SomeFailedError, settled
from wordsight.evaluation import Result

NETWORK = "torchvision:resnet18"
SMALL = ["--image-size", "32", "--device", "cpu", "--out", "out"]


@pytest.fixture
def scenes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Two classes of noisy pictures, in the folder that one works in."""
    monkeypatch.chdir(tmp_path)
    random = np.random.default_rng(0)
    for split, count in (("train", 6), ("test", 3)):
        for name, least in (("dark", 0), ("light", 128)):
            folder = tmp_path / "a" / "scenes" / split / name
            folder.mkdir(parents=True)
            for i in range(count):
                pixels = random.integers(least, least + 128, size=(32, 32, 3), dtype=np.uint8)
                Image.fromarray(pixels).save(folder / f"{i}.png")
    return tmp_path / "a" / "scenes"


def test_protocols_that_can_be_measured_are_whatever_stands_beside_them(
    scenes: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    protocols = "masked-words,knn,zero-shot,ridge"
    assert main(["evaluate", NETWORK, "--task", f"folder:{scenes}", "--protocol", protocols, *SMALL]) == 2
    shown = capsys.readouterr()
    assert "knn" in shown.out
    assert "ridge" in shown.out
    assert sorted(file.name for file in Path("out/scenes").glob("*.json")) == ["knn.json", "ridge.json"]
    lines = [line for line in shown.err.splitlines() if line.startswith("wordsight: ")]
    assert lines == [
        "wordsight: --protocol: masked-words expects captioned images (--corpus)",
        f"wordsight: {NETWORK}: these protocols ask the heads of a run; give a run's folder, or a probe",
    ]


def test_a_single_protocol_that_can_not_be_measured_is_one_line(
    scenes: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["evaluate", NETWORK, "--task", f"folder:{scenes}", "--protocol", "zero-shot", *SMALL]) == 2
    shown = capsys.readouterr()
    assert shown.out == ""
    assert shown.err.count("wordsight: ") == 1
    assert not Path("out").exists()


def test_a_misspelled_protocol_is_refused_before_anything_is_measured(scenes: Path) -> None:
    with pytest.raises(InputError, match="unknown protocol 'knnn'"):
        wordsight.evaluate(NETWORK, task=f"folder:{scenes}", protocols=["ridge", "knnn"], image_size=32, out="out")
    assert not Path("out").exists()


@pytest.mark.parametrize("jobs", [1, 2])
def test_of_several_tasks_those_that_can_be_measured_are(scenes: Path, jobs: int) -> None:
    broken = scenes.parent / "broken"
    shutil.copytree(scenes, broken)
    next(broken.rglob("test/light/1.png")).write_bytes(b"no picture")
    with pytest.raises(SomeFailedError) as caught:
        wordsight.evaluate(
            NETWORK,
            task=[f"folder:{broken}", "folder:absent", f"folder:{scenes}"],
            protocols=["knn", "ridge"],
            image_size=32,
            out="out",
            jobs=jobs,
        )
    assert [(each.task, each.protocol) for each in caught.value.done] == [("scenes", "knn"), ("scenes", "ridge")]
    # What both protocols met is said once, and names the file.
    damaged, absent = map(str, caught.value.failures)
    assert damaged.startswith(f"{broken / 'test' / 'light' / '1.png'}: unreadable (not an image in a known format); ")
    assert absent == "absent: no such folder; expected a folder of images"


def test_a_damaged_image_is_one_line_that_names_it(scenes: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = next(scenes.rglob("train/dark/2.png"))
    file.write_bytes(file.read_bytes()[:400])
    assert main(["evaluate", NETWORK, "--task", f"folder:{scenes}", "--protocol", "knn", *SMALL]) == 2
    (line,) = [each for each in capsys.readouterr().err.splitlines() if "wordsight: " in each]
    assert line.startswith(f"wordsight: {file}: ")


def test_two_tasks_of_one_name_never_write_over_each_other(scenes: Path, tmp_path: Path) -> None:
    other = tmp_path / "b" / "scenes"
    shutil.copytree(scenes, other)
    (first,) = wordsight.evaluate(NETWORK, task="folder:a/scenes", protocol="knn", image_size=32, out="out")
    # The same images under another path are the same task.
    (again,) = wordsight.evaluate(NETWORK, task=f"folder:{scenes}", protocol="knn", image_size=32, out="out")
    assert again == first
    next(other.rglob("train/dark/5.png")).unlink()
    for protocol in ("knn", "ridge"):
        with pytest.raises(
            InputError, match=r"knn\.json is a result of folder:a/scenes, and folder:b/scenes is another"
        ):
            wordsight.evaluate(NETWORK, task="folder:b/scenes", protocol=protocol, image_size=32, out="out")
    assert Result.read(Path("out/scenes/knn.json")) == first
    assert not Path("out/scenes/ridge.json").exists()


def test_a_task_that_has_changed_replaces_its_result_and_says_so(scenes: Path) -> None:
    (first,) = wordsight.evaluate(NETWORK, task="folder:a/scenes", protocol="knn", image_size=32, out="out")
    assert not any("replaces" in each for each in first.warnings)
    next(scenes.rglob("train/dark/5.png")).unlink()
    (second,) = wordsight.evaluate(NETWORK, task="folder:a/scenes", protocol="knn", image_size=32, out="out")
    assert second.warnings[-1] == "replaces a result on other images, labels or captions of the name 'scenes'"
    assert Result.read(Path("out/scenes/knn.json")).data == second.data != first.data


def test_failures_travel_between_processes() -> None:
    error = SomeFailedError([1], [InputError("a", where="b"), InputError("c"), InputError("a", where="b")])
    again = pickle.loads(pickle.dumps(error))
    assert (again.done, str(again)) == ([1], "b: a; c")
    assert settled([1], []) == [1]
    with pytest.raises(InputError, match="^c$") as alone:
        settled([], [InputError("c"), InputError("c")])
    assert not isinstance(alone.value, SomeFailedError)
