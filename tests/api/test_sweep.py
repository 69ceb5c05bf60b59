"""`wordsight sweep`: many runs and one table; killed, the same command goes on; what fails stops no other."""

from __future__ import annotations

import importlib
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

import wordsight
from wordsight.api.sweep_measured import best_rate, note_answer, results_of, run_of, unmeasured
from wordsight.api.sweep_plan import Asked, SweepPlan, planned, reader_of
from wordsight.api.sweep_settings import SweepSettings
from wordsight.api.sweep_table import (
    SweepCell,
    SweepColumn,
    SweepRow,
    SweepTable,
    print_table,
    sweep_table,
    write_table,
)
from wordsight.errors import InputError
from wordsight.evaluation import Result
from wordsight.objectives import OBJECTIVES
from wordsight.settings import from_mapping, read_yaml

SWEEPS = Path(__file__).parents[2] / "benchmarks" / "sweeps"
SMALL: dict[str, Any] = {"image_size": 32, "batch_size": 6, "epochs": 2, "workers": 0}
TAGS = {"recipe": "tp-words-resnet18-small", "concepts": {"size": 8, "min_count": 1}}


def plan(folder: Path, out: Path, **given: Any) -> SweepPlan:
    corpus = {"corpus": str(folder / "corpora" / "photos"), "tasks": ["folder:classes"], "protocols": ["knn"]}
    asked = {"rows": {"tags": TAGS}, "corpora": {"photos": corpus}, "settings": SMALL, "data": str(folder), **given}
    return planned(from_mapping(SweepSettings, asked, None, within=""), out)


def measured(task: str, protocol: str, value: float, **more: Any) -> Result:
    return Result(task=task, protocol=protocol, metric="top-1 accuracy", value=value, **more)


def answer(which: SweepPlan, row: str, lr: float | None, seed: int, value: float, **more: Any) -> None:
    """Put a result where a run would have put it."""
    run = which.run(row, "photos", lr, seed)
    result = measured("classes", "knn", value, **more)
    result.write(run.folder / "results")
    note_answer(run, run.asked[0], [result])


def test_a_row_is_its_recipe_with_the_budget_and_its_own_changes_on_top(small_world: Path, tmp_path: Path) -> None:
    rows = {
        "tags": TAGS,
        "long": {**TAGS, "epochs": 7, "lr": 0.125},
        "random": "random-resnet18-small",
        "two": {"recipe": "clip-resnet18-small", "objective_settings": {"width": 16}},
    }
    found = plan(small_world, tmp_path, rows=rows, lrs=[0.25, 0.5], seeds=[3, 4])
    of = {row: found.recipes[row, "photos"] for row in rows}
    assert [of[row].epochs for row in rows] == [2, 7, 0, 2], (
        "what learns nothing has no epochs, whatever the budget says"
    )
    assert (of["two"].objective_settings["width"], of["two"].image_size) == (16, 32)
    # A rate is tried where one is to be found.
    assert [list(found.rates(row, "photos")) for row in rows] == [[0.25, 0.5], [None], [None], [0.25, 0.5]]
    run = found.run("tags", "photos", 0.5, 4)
    assert (run.settings.lr, run.settings.seed, run.folder.name) == (0.5, 4, "tags-lr0.5-seed4")
    assert run.asked == (Asked("knn", f"folder:{small_world / 'classes'}"),)


def test_protocols_of_a_corpus_are_asked_of_it_once_and_those_of_tasks_on_each(
    small_world: Path, tmp_path: Path
) -> None:
    corpus: dict[str, Any] = {"corpus": "corpora/photos", "tasks": ["folder:classes", "corpus:corpora/photos"]}
    corpus["protocols"] = ["knn", "retrieval"]
    asked = plan(small_world, tmp_path, corpora={"photos": corpus}).asked("photos")
    assert [(each.protocol, Path(each.task.partition(":")[2]).name) for each in asked] == [
        ("knn", "classes"),
        ("knn", "photos"),
        ("retrieval", ""),
    ]


@pytest.mark.parametrize(
    ("given", "says"),
    [
        ({"rows": {}}, r"no recipe is named"),
        ({"corpora": {}}, r"no corpus is named"),
        ({"seeds": []}, r"seeds.* is empty"),
        ({"rows": {"a": "clip-resnet18-smal"}}, r"unknown recipe .*did you mean 'clip-resnet18-small'"),
        ({"rows": {"a": {"epochs": 3}}}, r"rows\.a: found .*\{recipe: NAME\}"),
        ({"rows": {"a": {"recipe": "clip-resnet18-small", "epoch": 3}}}, r"unknown setting 'epoch'"),
        ({"rows": {"a b": TAGS, "a-b": TAGS}}, r"a b and a-b are kept as 'a-b'"),
        ({"corpora": {"x": {"tasks": []}}}, r"corpora\.x: give either the folder of a corpus, or a reader"),
        ({"corpora": {"x": {"build": {"reader": "picture"}}}}, r"unknown reader 'picture'.*'pictures'"),
        ({"corpora": {"x": {"corpus": "a", "protocols": ["knnn"]}}}, r"unknown protocol 'knnn'"),
        ({"corpora": {"x": {"corpus": "a", "tasks": ["fold:b"]}}}, r"unknown kind of task 'fold'"),
        ({"corpora": {"x": {"corpus": "a", "rows": ["tag"]}}}, r"corpora\.x\.rows: unknown row 'tag'"),
        (
            {"corpora": {"x": {"corpus": "a", "task": ["folder:b"]}}},
            r"corpora\.x.*unknown setting|unknown setting .*task",
        ),
    ],
)
def test_what_is_wrong_is_said_before_anything_is_trained(
    small_world: Path, tmp_path: Path, given: dict[str, Any], says: str
) -> None:
    with pytest.raises(InputError, match=says):
        plan(small_world, tmp_path, **given)


def test_a_corpus_of_its_own_by_flags_wants_its_flags_together(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"task: belongs to a corpus; give `corpus` too"):
        wordsight.sweep(out=tmp_path / "s", recipes=["random-resnet18-small"], task=["folder:a"])


def test_the_best_rate_of_the_first_seed_is_taken(small_world: Path, tmp_path: Path) -> None:
    which = plan(small_world, tmp_path, lrs=[0.25, 0.5, 1.0], seeds=[1, 2])
    assert best_rate(which, "tags", "photos") is None, "nothing is measured yet"
    for lr, value in ((0.25, 40.0), (0.5, 60.0)):
        answer(which, "tags", lr, 1, value)
    # One rate failed; what another seed has does not count.
    answer(which, "tags", 0.25, 2, 90.0)
    assert best_rate(which, "tags", "photos") == 0.5


def test_a_row_may_begin_with_the_weights_of_another_whose_rate_is_the_best(small_world: Path, tmp_path: Path) -> None:
    later = {"recipe": "lit-resnet18-small", "begins_with": "tags", "lr": 0.125}
    which = plan(small_world, tmp_path, rows={"later": later, "tags": TAGS}, lrs=[0.25, 0.5], seeds=[1, 2])
    assert which.waves() == [[("tags", "photos")], [("later", "photos")]]
    for lr, value in ((0.25, 60.0), (0.5, 40.0)):
        answer(which, "tags", lr, 1, value)
    settings = run_of(which, "later", "photos", None, 2).settings
    assert Path(settings.weights).parts[-2:] == ("tags-lr0.25-seed2", "backbone.safetensors")
    assert not settings.pretrained
    for begins, says in (("tag", r"unknown row 'tag'.*'tags'"), ("later", r"later begins with itself")):
        with pytest.raises(InputError, match=says):
            plan(small_world, tmp_path, rows={"later": {**later, "begins_with": begins}, "tags": TAGS})


def test_some_rows_alone_bring_those_that_they_begin_with(small_world: Path, tmp_path: Path) -> None:
    rows = {"a": TAGS, "b": TAGS, "c": {**TAGS, "begins_with": "b"}}
    corpora = {name: {"corpus": "a", "rows": some} for name, some in (("x", []), ("y", ["a"]), ("z", ["a", "b", "c"]))}
    some = plan(small_world, tmp_path, rows=rows, corpora=corpora).settings.only(["c"])
    assert list(some.rows) == ["b", "c"]
    assert {name: corpus.rows for name, corpus in some.corpora.items()} == {"x": (), "z": ("b", "c")}
    with pytest.raises(InputError, match=r"only: unknown row 'd'"):
        some.only(["d"])


def test_what_is_answered_is_not_asked_again_unless_the_protocol_changed(small_world: Path, tmp_path: Path) -> None:
    own = tmp_path / "mine.yaml"
    text = (Path(wordsight.__file__).parent / "evaluation" / "protocols" / "knn.yaml").read_text("utf-8")
    own.write_text(text, "utf-8")
    corpus = {"corpus": "corpora/photos", "tasks": ["folder:classes"], "protocols": ["knn", "retrieval", str(own)]}
    run = plan(small_world, tmp_path / "s", corpora={"photos": corpus}).run("tags", "photos", None, 0)
    knn, retrieval, mine = run.asked
    assert unmeasured(run) == [knn, retrieval, mine]
    result = measured("classes", "knn", 50.0)
    result.write(run.folder / "results")
    note_answer(run, knn, [result])
    # An objective that can't answer is not asked again either.
    note_answer(run, retrieval, [])
    own_result = measured("classes", "mine", 70.0)
    own_result.write(run.folder / "results")
    note_answer(run, mine, [own_result])
    assert unmeasured(run) == []
    assert [one.value for one in results_of(run, knn)] == [50.0]
    own.write_text(text.replace("normalise: l2", "normalise: none"), "utf-8")
    assert own.read_text("utf-8") != text
    assert unmeasured(run) == [mine]
    (run.folder / "results" / "classes" / "knn.json").unlink()
    assert unmeasured(run) == [knn, mine]


def test_a_table_has_means_over_seeds_beside_chance_and_random_weights(small_world: Path, tmp_path: Path) -> None:
    rows = {"tags": TAGS, "clip": "clip-resnet18-small", "gone": "rotation-resnet18-small"}
    which = plan(small_world, tmp_path, rows=rows, seeds=[0, 1])
    for seed, value in ((0, 40.0), (1, 50.0)):
        answer(which, "tags", None, seed, value, random_weights=30.0 + seed, baselines={"chance": 25.0})
    answer(which, "clip", None, 1, 60.0, baselines={"chance": 25.0})
    table = sweep_table(which, dict.fromkeys(which.pairs()), ["photos, gone-seed0, training: diverged"])
    assert table.columns == (SweepColumn("photos", "classes", "knn", "top-1 accuracy", seeds=2),)
    tags, clip, gone = (row.cells[0] for row in table.rows)
    assert tags is not None and clip is not None and gone is None
    assert (tags.mean, clip.values, clip.seeds) == (45.0, (60.0,), (1,))
    assert tags.spread == pytest.approx(50**0.5)
    assert [(row.name, row.cells[0].mean) for row in table.baselines if row.cells[0]] == [
        ("random weights", 30.5),
        ("chance", 25.0),
    ]
    write_table(table, tmp_path)
    lines = (tmp_path / "table.csv").read_text("utf-8").splitlines()
    assert lines[0] == "row,corpus,lr,task,protocol,metric,mean,sd,seeds,values"
    assert lines[1].startswith("tags,photos,,classes,knn,top-1 accuracy,45.0,7.07")
    content = json.loads((tmp_path / "table.json").read_text("utf-8"))
    assert [cell["row"] for cell in content["cells"]] == ["tags", "clip", "random weights", "chance"]
    assert content["failures"] == ["photos, gone-seed0, training: diverged"]


def test_a_printed_table_fits_the_width_and_says_what_is_incomplete(capsys: pytest.CaptureFixture[str]) -> None:
    columns = tuple(SweepColumn("a", f"task {k}", "logistic", "top-1 accuracy", seeds=2) for k in range(6))
    ratio = SweepColumn("", "training", "a step", "x bare backbone", 2)
    whole, one = SweepCell((40.0, 50.0), (0, 1)), SweepCell((70.0,), (1,))
    rows = (
        SweepRow("tags", {"a": 0.001}, (*[whole] * 6, SweepCell((1.043,), (0,)))),
        SweepRow("clip", {}, (*[one] * 6, None)),
    )
    print_table(SweepTable((*columns, ratio), rows, (), ("a, rotation-seed0: diverged",), (0, 1)))
    said = capsys.readouterr().out
    assert said.count("45.0 ± 7.1") == 6
    assert said.count("70.0 (1 of 2)") == 6
    assert " 1.04" in said and "1.04 (1 of 2)" not in said, "a step is timed once"
    assert "failed: a, rotation-seed0: diverged" in said
    assert "tags, a: 0.001" in said
    table = said.partition("Numbers")[0]
    assert max(map(len, table.splitlines())) <= 80


@pytest.mark.parametrize("file", sorted(SWEEPS.glob("*.yaml")), ids=lambda file: file.stem)
def test_sweeps_that_are_committed_can_be_given(file: Path, tmp_path: Path) -> None:
    which = planned(from_mapping(SweepSettings, read_yaml(file)[0], str(file)), tmp_path)
    for name, corpus in which.settings.corpora.items():
        assert not corpus.build or reader_of(which, name)
        assert which.asked(name)


def test_the_sweep_of_all_objectives_leaves_none_out(tmp_path: Path) -> None:
    which = planned(from_mapping(SweepSettings, read_yaml(SWEEPS / "objectives.yaml")[0], None), tmp_path)
    assert {recipe.objective for recipe in which.recipes.values()} == set(OBJECTIVES)


CONFIG = """
rows:
  rotation: {recipe: rotation-resnet18-small}
corpora:
  photos: {corpus: corpora/photos, tasks: ["folder:classes"], protocols: [knn, retrieval]}
settings: {image_size: 32, batch_size: 6, epochs: 40, workers: 0, backbone_settings: {stages: 1}}
step_cost: false
"""


def _sweep(folder: Path, out: Path) -> subprocess.Popen[str]:
    words = [sys.executable, "-m", "wordsight", "sweep", "--config", str(out.parent / "sweep.yaml")]
    return subprocess.Popen(
        [*words, "--data", str(folder), "--out", str(out), "--jobs", "1"],
        env={**os.environ, "PYTHONPATH": str(Path(wordsight.__file__).parents[1]), "OMP_NUM_THREADS": "1"},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )


def test_killed_while_it_trains_it_goes_on_and_nothing_is_done_twice(small_world: Path, tmp_path: Path) -> None:
    (tmp_path / "sweep.yaml").write_text(CONFIG, "utf-8")
    out = tmp_path / "swept"
    first = _sweep(small_world, out)
    run = out / "runs" / "photos" / "rotation-seed0"
    until = time.monotonic() + 240
    while not (run / "checkpoint.safetensors").is_file():
        assert first.poll() is None and time.monotonic() < until, first.communicate()[0]
        time.sleep(0.02)
    first.send_signal(signal.SIGKILL)
    first.communicate()
    assert not (run / "backbone.safetensors").is_file(), "it was killed within a run"
    # The same command: what was begun is finished from its checkpoint, by one process alone.
    again = _sweep(small_world, out)
    said = again.communicate()[0]
    assert again.returncode == 0 and "failed" not in said, said
    assert json.loads((run / "run.json").read_text("utf-8"))["finished"]
    steps = [json.loads(line)["step"] for line in (run / "metrics.jsonl").read_text("utf-8").splitlines()]
    assert steps == sorted(set(steps)) and steps[-1] == 40 * 3
    cells = json.loads((out / "table.json").read_text("utf-8"))["cells"]
    # That it can't be asked for texts is no failure.
    names = {(cell["row"], cell["protocol"]) for cell in cells if cell["corpus"] and cell["row"] != "chance"}
    assert names == {("rotation", "knn"), ("random weights", "knn")}
    before = {file: file.stat().st_mtime_ns for file in run.rglob("*") if file.is_file()}
    _sweep(small_world, out).communicate()
    assert {file: file.stat().st_mtime_ns for file in before} == before


# What stands for a run: it ends as its row is called.
STAND_IN = """
import json, os, signal, sys
row = json.loads(sys.stdin.readline())["run"]["row"]
if row == "diverges":
    print(json.dumps({"failed": "training", "why": "the loss is no number"}))
elif row == "killed":
    os.kill(os.getpid(), signal.SIGKILL)
elif row == "bug":
    raise RuntimeError("of ours")
else:
    print(json.dumps({"measured": "classes knn", "value": 50.0}))
"""


def test_a_run_that_fails_stops_no_other_and_is_told_however_it_ended(
    small_world: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(importlib.import_module("wordsight.api.sweep"), "COMMAND", [sys.executable, "-c", STAND_IN])
    rows = dict.fromkeys(("diverges", "killed", "bug", "works"), TAGS)
    rows["later"] = {**TAGS, "begins_with": "killed"}
    table = wordsight.sweep(
        out=tmp_path / "s",
        rows=rows,
        corpus=small_world / "corpora" / "photos",
        task=[f"folder:{small_world / 'classes'}"],
        protocol=["knn"],
        settings=SMALL,
        jobs=2,
    )
    told = sorted(table.failures)
    assert told[0].startswith("corpus, bug-seed0, training: a bug in wordsight ended it; see ")
    assert told[1] == "corpus, diverges-seed0, training: the loss is no number"
    assert told[2].startswith("corpus, killed-seed0, training: signal 9 ended it (out of memory? give fewer `jobs`)")
    assert told[3] == "corpus, later-seed0, training: killed has no weights to begin with"
    assert len(told) == 4
    said = capsys.readouterr().err
    assert "corpus, works-seed0: classes knn 50.0" in said and "corpus, killed-seed0: failed" in said
    assert "of ours" in (tmp_path / "s" / "logs" / "corpus-bug-seed0.log").read_text("utf-8")


def test_a_run_with_other_settings_is_not_taken_for_this_one(small_world: Path, tmp_path: Path) -> None:
    corpus = small_world / "corpora" / "photos"
    given: dict[str, Any] = {"recipes": ["random-resnet18-small"], "corpus": corpus, "step_cost": False}
    folder = tmp_path / "s" / "runs" / "corpus" / "random-resnet18-small-seed0"
    wordsight.pretrain("random-resnet18-small", corpus=corpus, out=folder, image_size=32)
    with pytest.raises(InputError, match=r"trained otherwise .*image_size was 32 and is now 48; give another"):
        wordsight.sweep(out=tmp_path / "s", settings={"image_size": 48}, **given)
