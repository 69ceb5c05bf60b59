"""Results are read as they were written, and tables print them."""

from __future__ import annotations

import io
import json
from dataclasses import replace
from pathlib import Path

import pytest
from rich.console import Console

from wordsight.errors import InputError
from wordsight.evaluation.results.result import Result, SweepPoint, read_results
from wordsight.evaluation.results.tables import print_results


def _result() -> Result:
    return Result(
        task="flowers",
        protocol="logistic",
        metric="top-1 accuracy",
        value=64.46,
        random_weights=37.54,
        baselines={"chance": 10.0},
        standard_error=1.69,
        penalty=0.1,
        sweep=[SweepPoint(1.0, 60.0), SweepPoint(0.1, 64.0)],
        seconds=12.34,
        warnings=["[these brackets] are no markup"],
        interval=(61.25, 67.5),
        class_penalties={"rose": 0.1},
        key="k",
    )


def test_a_result_is_read_as_it_was_written(tmp_path: Path) -> None:
    file = _result().write(tmp_path)
    assert file == tmp_path / "flowers" / "logistic.json"
    assert Result.read(file) == _result()
    assert read_results(tmp_path) == [_result()]
    assert [each.name for each in file.parent.iterdir()] == ["logistic.json"]


def test_a_result_of_an_earlier_version_is_read_under_the_names_of_today() -> None:
    old = Result.read(Path(__file__).parent / "zero-shot-0.1.json")
    assert (old.model, old.value, old.random_weights) == ("a run", 61.5, 24.0)
    assert old.settings["random_init"] is True
    assert "random_twin" not in old.settings


def test_parts_are_read_in_the_order_that_they_were_measured_in(tmp_path: Path) -> None:
    for place, part in enumerate(("1-shot", "2-shot", "10-shot")):
        replace(_result(), protocol="few-shot", part=part, place=place, parts=3).write(tmp_path)
    assert [each.part for each in read_results(tmp_path)] == ["1-shot", "2-shot", "10-shot"]


@pytest.mark.parametrize("content", ["", "[]", "{}", '{"task": 1}', "half {"])
def test_what_is_no_result_is_one_clear_line(tmp_path: Path, content: str) -> None:
    (tmp_path / "x.json").write_text(content, "utf-8")
    with pytest.raises(InputError, match="is not a result"):
        Result.read(tmp_path / "x.json")
    with pytest.raises(InputError, match="is not there"):
        Result.read(tmp_path / "absent.json")


def test_the_table_prints_percent_with_one_decimal_on_a_narrow_screen() -> None:
    console = Console(width=80, record=True, file=io.StringIO())
    print_results([_result()], console)
    text = console.export_text()
    assert "64.5 %" in text
    assert "± 1.7" in text
    assert "random weights" in text
    assert "37.5" in text
    assert "[these brackets] are no markup" in text
    assert max(map(len, text.splitlines())) <= 80


def test_a_median_rank_is_no_percentage() -> None:
    console = Console(width=120, record=True, file=io.StringIO())
    ranked = replace(_result(), metric="R@1", more={"median rank": 28.0}, baselines={"chance, median rank": 145.0})
    print_results([ranked], console)
    lines = [line.split() for line in console.export_text().splitlines()]
    assert ["median", "rank", "(lower", "is", "better)", "28.0"] in lines
    assert ["chance", "145.0"] in lines
    assert ["random", "weights", "37.5", "%"] in lines


def test_names_with_brackets_are_shown_as_they_are() -> None:
    console = Console(width=120, record=True, file=io.StringIO())
    print_results([replace(_result(), task="my [bold]task", protocol="own [/] one")], console)
    text = console.export_text()
    assert "my [bold]task" in text
    assert "own [/] one" in text


def test_what_holds_of_several_parts_is_said_once() -> None:
    parts = [
        replace(_result(), protocol="few-shot", part=part, warnings=["few images", f"only of {part}"])
        for part in ("1-shot", "2-shot")
    ]
    console = Console(width=120, record=True, file=io.StringIO())
    print_results(parts, console)
    said = console.export_text().splitlines()[-3:]
    assert said == [
        "flowers, few-shot: few images",
        "flowers, few-shot (1-shot): only of 1-shot",
        "flowers, few-shot (2-shot): only of 2-shot",
    ]


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"value": "abc"}, "it: value: found 'abc'"),
        ({"value": None}, "it: value: found None"),
        ({"baselines": [1]}, "it: baselines: found .1.; expected names with values"),
        ({"baselines": {"chance": "x"}}, "it: baselines.chance: found 'x'"),
        ({"settings": None}, "it: settings: found None"),
        ({"task": None}, "it: task: found None"),
        ({"per_class": "dog"}, "it: per_class: found 'dog'"),
        ({"groups": [1]}, "it: groups: found 1"),
        ({"value": float("nan")}, "NaN is not a number"),
    ],
)
def test_a_result_of_wrong_types_is_one_line_with_the_field(
    change: dict[str, object], said: str, tmp_path: Path
) -> None:
    file = Result("t", "knn", "top-1 accuracy", 50.0).write(tmp_path)
    file.write_text(json.dumps(json.loads(file.read_text("utf-8")) | change), "utf-8")
    with pytest.raises(InputError, match=f"knn.json is not a result .{said}"):
        Result.read(file)


def test_a_baseline_that_is_no_number_is_not_written(tmp_path: Path) -> None:
    file = Result("t", "knn", "mAP", 50.0, baselines={"chance": float("nan"), "other": 1.0}).write(tmp_path)
    assert Result.read(file).baselines == {"other": 1.0}
