"""Protocols measured side by side give what they give one after another."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import wordsight
from wordsight.api import parallel_protocols
from wordsight.api.parallel_protocols import processes_for
from wordsight.errors import InputError


def _folder(folder: Path, seed: int) -> Path:
    """Two classes of noisy pictures."""
    random = np.random.default_rng(seed)
    for split, count in (("train", 6), ("test", 3)):
        for name, least in (("dark", 0), ("light", 128)):
            (folder / split / name).mkdir(parents=True)
            for i in range(count):
                pixels = random.integers(least, least + 128, size=(32, 32, 3), dtype=np.uint8)
                Image.fromarray(pixels).save(folder / split / name / f"{i}.png")
    return folder


def test_tasks_side_by_side_give_what_they_give_one_after_another(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("WORDSIGHT_CACHE", str(tmp_path / "kept"))
    tasks = [f"folder:{_folder(tmp_path / name, seed)}" for seed, name in enumerate(("a", "b"))]

    def measured(jobs: int) -> list[tuple[str, str, float, float]]:
        results = wordsight.evaluate(
            "torchvision:resnet18",
            task=tasks,
            protocols=["logistic", "knn"],
            image_size=32,
            out=tmp_path / f"out{jobs}",
            jobs=jobs,
        )
        return [(one.task, one.protocol, one.value, float(one.random_weights or 0)) for one in results]

    together = measured(2)
    assert together == measured(1)
    assert [found[:2] for found in together] == [("a", "logistic"), ("a", "knn"), ("b", "logistic"), ("b", "knn")]
    assert (tmp_path / "out2" / "b" / "knn.json").is_file()
    with pytest.raises(InputError, match=r"nowhere.*expected"):
        wordsight.evaluate("torchvision:resnet18", task=[tasks[0], "folder:nowhere"], jobs=2, out=tmp_path / "out")
    # The processes of the calls before are used again; paths are of the folder in which a person is now.
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.chdir(tmp_path / "elsewhere")
    again = {"task": ["folder:../a", "folder:../b"], "image_size": 32, "out": "found", "jobs": 2}
    wordsight.evaluate("torchvision:resnet18", protocols=["knn"], **again)  # type: ignore[arg-type]
    assert sorted(found.parent.name for found in (tmp_path / "elsewhere" / "found").rglob("knn.json")) == ["a", "b"]


def test_as_many_as_there_is_room_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("wordsight.api.parallel_protocols.cores", lambda: 16)
    monkeypatch.setattr(parallel_protocols, "_free_bytes", lambda: 1e11)
    assert processes_for(3, 0, "cpu") == 3
    assert processes_for(9, 0, "cpu") == 4
    monkeypatch.setattr(parallel_protocols, "_free_bytes", lambda: 9e9)
    assert processes_for(9, 0, "cpu") == 2
    assert processes_for(9, 5, "cpu") == 5, "what a person asks for is what happens"
    assert processes_for(1, 5, "cpu") == processes_for(0, 0, "cpu") == 1
    with pytest.raises(InputError, match="jobs is -1"):
        processes_for(3, -1, "cpu")
