"""Measured tables are what the files of results say, and a benchmark's figures are filed with how they came about."""

from __future__ import annotations

import csv
import importlib
import json
import re
import sys
from collections.abc import Iterator
from datetime import date
from pathlib import Path
from types import ModuleType

import pytest

ROOT = Path(__file__).parents[1]
FILES = sorted((ROOT / "benchmarks" / "results").glob("*.csv"))


@pytest.fixture
def benchmarks(monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """Benchmarks are scripts: they find each other beside them."""
    monkeypatch.syspath_prepend(ROOT / "benchmarks")
    yield ROOT / "benchmarks"
    for name in ("record", "readme_tables", "record_sweep"):
        sys.modules.pop(name, None)


@pytest.fixture
def record(benchmarks: Path) -> ModuleType:
    return importlib.import_module("record")


@pytest.fixture
def tables(benchmarks: Path) -> ModuleType:
    return importlib.import_module("readme_tables")


def texts() -> list[Path]:
    return [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]


def test_measured_tables_are_what_the_files_of_results_say(tables: ModuleType) -> None:
    for file in texts():
        text = file.read_text("utf-8")
        assert tables.with_tables(text) == text, f"{file.name}: run python benchmarks/readme_tables.py"


def test_every_table_is_shown_and_every_shown_table_is_known(tables: ModuleType) -> None:
    shown = {name for file in texts() for name in re.findall(r"<!-- results: ([\w-]+) -->", file.read_text("utf-8"))}
    assert shown == set(tables.TABLES)
    assert {one.file for one in tables.TABLES.values()} == {file.stem for file in FILES}


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.stem)
def test_every_figure_has_its_date_commit_machine_and_command(file: Path, record: ModuleType) -> None:
    for row in record.rows_of(file.stem):
        assert date.fromisoformat(row["date"])
        assert re.fullmatch(r"[0-9a-f]{7,40}(-dirty)?|unknown", row["commit"])
        assert row["machine"]
        assert "benchmarks/" in row["command"] or row["command"].startswith(("wordsight ", "make "))
        assert None not in row, "a row with more cells than the file has columns"


def test_a_changed_figure_changes_the_table(tables: ModuleType, tmp_path: Path) -> None:
    file = next(file for file in FILES if file.stem == "retrieval")
    (tmp_path / file.name).write_text(file.read_text().replace(",2.7,", ",99.9,"))
    assert "| 2.7 |" in tables.table("retrieval")
    assert "| 99.9 |" in tables.table("retrieval", tmp_path)


def test_a_row_is_appended_with_how_it_came_about(record: ModuleType, tmp_path: Path) -> None:
    record.append("speed", {"row": "a"}, {"ms": 3}, seeds=[0, 1], command="make demo", folder=tmp_path)
    record.append("speed", {"row": "b"}, {"ms": 4, "MB": None, "x": "1.5"}, folder=tmp_path)
    first, second = record.rows_of("speed", tmp_path)
    assert (first["row"], first["ms"], first["x"], first["seeds"], first["command"]) == (
        "a",
        "3",
        "",
        "0 1",
        "make demo",
    )
    assert (second["row"], second["ms"], second["x"], second["MB"]) == ("b", "4", "1.5", "")
    assert date.fromisoformat(second["date"])
    assert "core" in second["machine"]
    with (tmp_path / "speed.csv").open(newline="") as lines:
        assert next(csv.reader(lines))[:6] == list(record.PROVENANCE)


def test_a_recorded_command_names_no_folder_of_this_machine(
    record: ModuleType, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(
        sys, "argv", ["/home/a/wordsight/benchmarks/solvers.py", "--features", "/home/a/voc features.npy"]
    )
    assert record.this_command() == "python benchmarks/solvers.py --features 'voc features.npy'"


def test_of_several_measurements_the_latest_is_shown(record: ModuleType, tables: ModuleType, tmp_path: Path) -> None:
    for seconds in ("5.0", "4.0"):
        record.append("concepts", {"row": "words", "captions": 200_000}, {"processor s": seconds}, folder=tmp_path)
    assert tables.table("concepts", tmp_path).splitlines() == [
        "| | words |",
        "|---|---|",
        "| processor seconds | 4.0 |",
    ]


def test_what_has_no_figure_leaves_its_part_of_a_cell_out(tables: ModuleType) -> None:
    row = {"top": "1116", "sd": "", "seeds": "0 1 2"}
    assert tables.cell("{top:,}[[ ± {sd}]]", row) == "1,116"
    assert tables.cell("{top}[[ ± {sd}]]", row | {"sd": "0.5"}) == "1116 ± 0.5"
    assert tables.cell("{sd} of {top}", row) == ""
    assert tables.cell("{seeds:count}", row) == "3"


def test_a_sweeps_table_is_recorded_with_its_seeds_and_spreads(
    benchmarks: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    record, recorder = (importlib.import_module(name) for name in ("record", "record_sweep"))
    kept: list[tuple[object, ...]] = []
    monkeypatch.setattr(record, "append", lambda *values, **more: kept.append((*values, more["seeds"])))

    def cell(row: str, task: str, protocol: str, mean: float, sd: object, seeds: list[int]) -> dict[str, object]:
        return {"row": row, "task": task, "protocol": protocol, "mean": mean, "sd": sd, "lr": 5e-4, "seeds": seeds}

    cells = [
        cell("clip", "imagenette", "logistic", 56.04, 1.06, [0, 1]),
        cell("clip", "imagenette", "zero-shot", 20.0, "", [0]),
        cell("clip", "training", "a step", 1.046, "", [0]),
        cell("chance", "imagenette", "logistic", 10.0, "", []),
    ]
    (tmp_path / "table.json").write_text(json.dumps({"cells": cells}), "utf-8")
    monkeypatch.setattr(sys, "argv", ["record_sweep.py", str(tmp_path), "--file", "all", "--budget", "S"])
    recorder.main()
    figures = {"imagenette": "56.0", "imagenette, sd": "1.1", "imagenette zero-shot": "20.0"}
    figures |= {"imagenette zero-shot, sd": "", "x bare backbone": "1.05"}
    assert kept == [("all", {"budget": "S", "row": "clip", "changes": "", "lr": "0.0005"}, figures, [0, 1])]
