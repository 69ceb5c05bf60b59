"""Runs beside each other: which are one row, which is best, and what is not tested."""

from __future__ import annotations

import csv
import io
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml
from rich.console import Console

from wordsight.api import compare
from wordsight.cli import main
from wordsight.errors import InputError
from wordsight.evaluation import Result
from wordsight.evaluation.comparison.compare_runs import compare_runs
from wordsight.evaluation.comparison.render import ComparisonReport, print_compared, to_csv, to_html, to_markdown
from wordsight.evaluation.metrics.outcomes import Outcomes, write_outcomes
from wordsight.evaluation.results.result import DRAW, ResultGroup, result_file

CONFIG = {"objective": "icmlm", "backbone": "resnet18", "image_size": 64, "lr": 0.001, "seed": 0, "workers": 2}
RESULT = Result("flowers", "logistic", "top-1 accuracy", 50.0, 30.0, {"chance": 10.0}, data="d1", settings={"pool": 1})

MakeRun = Callable[..., Path]


@pytest.fixture
def make_run(tmp_path: Path) -> MakeRun:
    """Writes a run folder: settings, and results by (task, protocol) or as they are."""

    def make(name: str, values: dict[tuple[str, str], float] | list[Result], **settings: Any) -> Path:
        folder = tmp_path / "runs" / name
        folder.mkdir(parents=True)
        (folder / "config.yaml").write_text(yaml.safe_dump({**CONFIG, **settings}), "utf-8")
        (folder / "run.json").write_text('{"corpus_fingerprint": "c", "split": "train"}', "utf-8")
        for key in values:
            result = key if isinstance(key, Result) else replace(RESULT, task=key[0], protocol=key[1])
            value = result.value if isinstance(values, list) else values[key]  # type: ignore[index]
            replace(result, value=value).write(folder / "results")
        return folder

    return make


def _keep(folder: Path, correct: np.ndarray[Any, np.dtype[np.float64]], task: str = "flowers") -> None:
    file = result_file(folder / "results", task, "logistic")
    ids = np.array([f"{i:04d}" for i in range(len(correct))])
    outcomes = Outcomes(ids, correct)
    replace(Result.read(file), value=outcomes.value).write(folder / "results")
    write_outcomes(file.with_suffix(".npz"), outcomes)


def test_a_column_is_one_protocol_on_one_task_and_its_best_are_marked(make_run: MakeRun) -> None:
    a = make_run("a", {("flowers", "logistic"): 50, ("flowers", "ridge"): 40})
    b = make_run("b", {("flowers", "logistic"): 60, ("birds", "logistic"): 20}, lr=0.1)
    c = make_run("c", {("flowers", "logistic"): 55}, lr=0.2)
    table = compare_runs([a, b, c])
    assert [column.title for column in table.columns] == ["birds, logistic", "flowers, logistic", "flowers, ridge"]
    assert [row.name for row in table.rows] == ["a", "b", "c"]
    places = [[cell.place if cell else None for cell in row.cells] for row in table.rows]
    # Alone in its column nothing is best.
    assert places == [[None, 0, 0], [0, 1, None], [None, 2, None]]


def test_two_that_are_equal_are_both_best_and_leave_no_second(make_run: MakeRun) -> None:
    runs = [
        make_run(name, {("flowers", "logistic"): value}, lr=value) for name, value in zip("abc", (5, 5, 4), strict=True)
    ]
    assert [row.cells[0].place for row in compare_runs(runs).rows if row.cells[0]] == [1, 1, 0]


def test_where_less_is_better_the_least_is_best(make_run: MakeRun) -> None:
    runs = [
        make_run(name, [replace(RESULT, metric="median rank", value=value)], lr=value)
        for name, value in zip("ab", (3, 9), strict=True)
    ]
    assert [row.cells[0].place for row in compare_runs(runs).rows if row.cells[0]] == [1, 2]
    assert to_markdown(compare(runs)).splitlines()[0].endswith("median rank (lower is better) |")


def test_runs_that_differ_in_their_seed_alone_are_one_row(make_run: MakeRun) -> None:
    values = (50.0, 52.0, 57.0)
    runs = [
        make_run(f"tags-seed{i}", [replace(RESULT, value=value, random_weights=30.0 + i)], seed=i, workers=i)
        for i, value in enumerate(values)
    ]
    other = make_run("tags-lr2", {("flowers", "logistic"): 51}, lr=2)
    table = compare_runs([*runs, other])
    assert [(row.name, len(row.runs)) for row in table.rows] == [("tags", 3), ("tags-lr2", 1)]
    cell = table.rows[0].cells[0]
    assert cell is not None
    assert (cell.mean, cell.spread) == pytest.approx((53.0, np.std(values, ddof=1)))
    assert cell.place == 1
    random = table.baselines[0].cells[0]
    assert table.baselines[0].name == "random weights"
    assert random is not None
    assert (random.mean, random.spread) == pytest.approx((31, 1), abs=0.3)


def test_other_data_or_the_same_seed_again_is_another_row(make_run: MakeRun) -> None:
    runs = [make_run(name, {("flowers", "logistic"): 50}) for name in ("x-seed0", "y-seed0", "z-seed0")]
    (runs[2] / "run.json").write_text('{"corpus_fingerprint": "other", "split": "train"}', "utf-8")
    assert [len(row.runs) for row in compare_runs(runs).rows] == [1, 1, 1]


def test_a_row_says_where_not_all_its_seeds_were_measured(make_run: MakeRun) -> None:
    first = make_run("a-seed0", {("flowers", "logistic"): 50, ("birds", "logistic"): 20})
    second = make_run("a-seed1", {("flowers", "logistic"): 52}, seed=1)
    assert "| a | 2 | 20.0 (1 of 2) | 51.0 ± 1.4 |" in to_markdown(compare([first, second]))


def test_networks_of_two_kinds_have_two_rows_of_random_weights(make_run: MakeRun) -> None:
    view = {"view": 64}
    a = make_run("a", [replace(RESULT, settings=view)])
    b = make_run("b", [replace(RESULT, settings={"view": 112})], image_size=112)
    table = compare_runs([a, b])
    names = [row.name for row in table.baselines]
    assert names == ["random weights, resnet18 at 64 px", "random weights, resnet18 at 112 px", "chance"]
    assert table.notes == ("flowers, logistic: measured at different image sizes (64 px: a; 112 px: b)",)


def test_runs_measured_at_two_image_sizes_are_told_apart(make_run: MakeRun) -> None:
    def at(view: int, value: float) -> Result:
        more = {"mean per class accuracy": value - 1}
        beside = {"chance": 10.0, "random weights, mean per class accuracy": value - 21}
        return replace(
            RESULT, value=value, random_weights=value - 20, settings={"view": view}, more=more, baselines=beside
        )

    runs = [
        make_run("a-seed0", [at(64, 50)]),
        make_run("a-seed1", [at(64, 54)], seed=1),
        make_run("a-seed2", [at(96, 70), replace(at(64, 30), task="birds")], seed=2),
    ]
    table = compare_runs(runs)
    assert [len(row.runs) for row in table.rows] == [2, 1], "seeds of two sizes have no mean"
    assert [row.name for row in table.baselines] == [
        "random weights, resnet18 at 64 px",
        "random weights, resnet18 at 96 px",
        "chance",
    ]
    assert [cell and cell.mean for cell in table.baselines[0].cells] == [10, 9, 32, 31]
    assert [cell and cell.mean for cell in table.baselines[1].cells] == [None, None, 50, 49]
    name = table.rows[1].name
    note = f"measured at different image sizes (64 px: a; 96 px: {name} (trained at 64 px))"
    assert table.notes == (f"flowers, logistic: {note}",)
    written = to_markdown(compare(runs))
    assert "52.0 (64 px) ± 2.8" in written
    assert "**70.0 (96 px)**" in written
    assert "(64 px)" not in to_markdown(compare(runs[:2])), "one size needs no mark"
    lines = list(csv.DictReader(io.StringIO(to_csv(compare(runs)))))
    assert {line["view"] for line in lines if line["row"] == name and line["task"] == "flowers"} == {"96"}


def test_top_5_and_the_mean_per_class_stand_beside_top_1(make_run: MakeRun) -> None:
    more = {"top-5 accuracy": 80.0, "mean per class accuracy": 44.0, "k = 5": 3.0}
    beside = {"chance": 10.0, "chance, top-5 accuracy": 50.0}
    a = make_run("a", [replace(RESULT, more=more, baselines=beside)])
    b = make_run("b", [replace(RESULT, more={**more, "top-5 accuracy": 90.0}, baselines=beside)], lr=0.1)
    old = make_run("old", [RESULT], lr=0.2)
    table = compare_runs([a, b, old])
    assert [column.metric for column in table.columns] == [
        "top-1 accuracy",
        "top-5 accuracy",
        "mean per class accuracy",
    ]
    assert [[cell and cell.mean for cell in row.cells] for row in table.rows] == [
        [50, 80, 44],
        [50, 90, 44],
        [50, None, None],
    ]
    assert [cell and cell.place for cell in table.rows[1].cells] == [0, 1, 0]
    chance = next(row for row in table.baselines if row.name == "chance")
    assert [cell and cell.mean for cell in chance.cells] == [10, None, None], "not all of the runs say it of top-5"
    chance = next(row for row in compare_runs([a, b]).baselines if row.name == "chance")
    assert [cell and cell.mean for cell in chance.cells] == [10, 50, None]
    _keep(a, np.ones(10))
    _keep(b, np.arange(10) / 10.0)
    assert [test.column.metric for test in compare([a, b]).tests] == ["top-1 accuracy"]


def test_what_was_pretrained_on_is_said(make_run: MakeRun) -> None:
    seen = "551 of 682 test images were pretrained on: this is not a held-out result"
    a = make_run("a", [replace(RESULT, warnings=[seen, "another thing"])])
    b = make_run("b", [replace(RESULT, warnings=[seen])], lr=0.1)
    c = make_run("c", [RESULT], lr=0.2)
    compared = compare([a, b, c])
    assert compared.notes[0] == f"flowers, logistic, a, b: {seen}"
    assert not any("another thing" in note for note in compared.notes)
    assert seen in to_markdown(compared)
    assert seen in to_html(compared)


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"data": "d2"}, r"flowers, logistic is of other data \(d1 and d2\)"),
        ({"settings": {"pool": 2}}, r"flowers, logistic is another protocol \(pool: 1 and 2\)"),
        ({"settings": {"pool": 1, "features": {"layers": ["x"]}}}, r"another protocol \(features\.layers: absent and"),
        ({"metric": "mAP"}, r"another metric \(top-1 accuracy and mAP\)"),
    ],
)
def test_two_measurements_under_one_name_are_refused_in_one_column(
    make_run: MakeRun, changed: dict[str, Any], message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    a = make_run("a", {("flowers", "logistic"): 50, ("birds", "logistic"): 50})
    b = make_run("b", [replace(RESULT, **changed), replace(RESULT, task="birds")])
    with pytest.raises(InputError, match=message) as caught:
        compare_runs([a, b])
    assert "runs/a and in" in str(caught.value)
    assert "can't be one column" in str(caught.value)
    assert main(["compare", str(a), str(b)]) == 2
    assert "Traceback" not in capsys.readouterr().err
    assert len(compare_runs([a, b], tasks=["birds"]).rows) == 2


def test_images_shown_whole_and_cropped_are_no_one_column(make_run: MakeRun) -> None:
    earlier, now, whole = (
        make_run(name, [replace(RESULT, settings={"pool": 1} | framing)])
        for name, framing in (("a", {}), ("b", {"framing": "crop"}), ("c", {"framing": "squash"}))
    )
    assert len(compare_runs([earlier, now]).columns) == 1
    for cropped in (earlier, now):
        with pytest.raises(InputError, match=r"another protocol \(framing: crop and squash\)"):
            compare_runs([cropped, whole])


def test_what_is_the_machines_or_the_networks_is_no_other_protocol(make_run: MakeRun) -> None:
    runs = [
        make_run(name, [replace(RESULT, settings={"pool": 1, "precision": each, "source": each})])
        for name, each in zip("ab", ("bfloat16", "float32"), strict=True)
    ]
    assert len(compare_runs(runs).columns) == 1


def test_what_has_no_results_is_named_and_left_out(make_run: MakeRun, tmp_path: Path) -> None:
    run, empty = make_run("a", {("flowers", "logistic"): 50}), make_run("b", {})
    (tmp_path / "corpus").mkdir()
    (tmp_path / "file").write_text("x", "utf-8")
    (tmp_path / "other" / "in").mkdir(parents=True)
    (tmp_path / "other" / "in" / "words.json").write_text("[1]", "utf-8")
    table = compare_runs([run, empty, tmp_path / "corpus", tmp_path / "file", tmp_path / "other"])
    assert [row.name for row in table.rows] == ["a"]
    assert table.notes == (
        f"left out: {empty} has no results yet",
        f"left out: {tmp_path / 'corpus'} is not a run",
        f"left out: {tmp_path / 'file'} is not a folder",
        f"left out: {tmp_path / 'other'} is not a run",
    )


def test_a_run_that_is_given_twice_is_one_row(make_run: MakeRun) -> None:
    run = make_run("a", {("flowers", "logistic"): 50})
    assert [row.name for row in compare_runs([run, run / ".." / "a", run]).rows] == ["a"]


def test_a_baseline_of_one_run_s_own_features_is_no_row(make_run: MakeRun) -> None:
    runs = [make_run(name, {("photos", "retrieval"): 50}, lr=k) for k, name in enumerate("ab")]
    for run in runs[:1]:
        file = result_file(run / "results", "photos", "retrieval")
        beside = {"chance": 10.0, "CCA": 44.0}
        replace(Result.read(file), baselines=beside, own_baselines=["CCA"]).write(run / "results")
    for folders in (runs, runs[:1]):
        table = compare_runs(folders)
        assert [row.name for row in table.baselines] == ["random weights", "chance"]
        assert any(note.startswith("CCA: computed from each run's own features") for note in table.notes)


def test_folders_that_give_nothing_are_one_clear_line(make_run: MakeRun, tmp_path: Path) -> None:
    empty = make_run("b", {})
    with pytest.raises(InputError, match="no such folder; expected a run"):
        compare_runs([tmp_path / "absent"])
    with pytest.raises(InputError, match="no folder with results; expected runs that were evaluated"):
        compare_runs([empty])
    with pytest.raises(InputError, match="none of the 2 folders has results"):
        compare_runs([empty, tmp_path])
    with pytest.raises(InputError, match="wordsight compare: no folder with results"):
        compare_runs([])
    run = make_run("a", {("flowers", "logistic"): 50, ("birds", "ridge"): 50})
    with pytest.raises(InputError, match="^task: unknown task in these results 'flower'.*did you mean 'flowers'"):
        compare_runs([run], tasks=["flower"])
    with pytest.raises(InputError, match="no run has a result of flowers and ridge"):
        compare_runs([run], tasks=["flowers"], protocols=["ridge"])
    (run / "results" / "flowers" / "logistic.json").write_text("{", "utf-8")
    with pytest.raises(InputError, match="is not a result"):
        compare_runs([run])


def test_results_of_what_is_no_run_are_compared_too(make_run: MakeRun, tmp_path: Path) -> None:
    run = make_run("a", {("flowers", "logistic"): 50})
    replace(RESULT, value=70).write(tmp_path / "evaluated" / "timm-resnet18")
    table = compare_runs([run, tmp_path / "evaluated" / "timm-resnet18"])
    assert [row.name for row in table.rows] == ["a", "timm-resnet18"]


def test_the_best_is_tested_against_the_second_best(make_run: MakeRun) -> None:
    random = np.random.default_rng(0)
    runs = []
    for name, share in (("good-seed0", 0.8), ("good-seed1", 0.78), ("bad", 0.5)):
        run = make_run(name, {("flowers", "logistic"): 0}, seed=int(name[-1] == "1"), lr=share > 0.6)
        _keep(run, (random.random(500) < share).astype(np.float64))
        runs.append(run)
    compared = compare(runs)
    (test,) = compared.tests
    assert (test.first, test.second, test.column.title) == ("good", "bad", "flowers, logistic")
    assert test.test.difference == pytest.approx(29, abs=5)
    assert test.test.p_value < 0.01
    turned = compare(runs, test=["bad", "good-seed1"]).tests[0]
    assert turned.test.difference == pytest.approx(-test.test.difference)
    for names, message in ((["bad"], "names 1 of the rows"), (["bad", "bed"], "unknown run 'bed'.*'bad'")):
        with pytest.raises(InputError, match=message):
            compare(runs, test=names)


def test_a_test_of_a_mean_over_draws_is_of_other_draws_too(make_run: MakeRun) -> None:
    random = np.random.default_rng(0)
    a, b = make_run("a", {("flowers", "logistic"): 0}), make_run("b", {("flowers", "logistic"): 0}, lr=0.1)
    for run, chance in ((a, 0.66), (b, 0.6)):
        _keep(run, (random.random(2000) < chance).astype(np.float64))
    alone = compare([a, b]).tests[0].test
    assert alone.interval[0] > 0
    for run, drawn in ((a, (71.0, 60.0, 70.0, 61.0)), (b, (55.0, 66.0, 56.0, 64.0))):
        file = result_file(run / "results", "flowers", "logistic")
        groups = [ResultGroup(DRAW, f"draw {i}", 10, value) for i, value in enumerate(drawn)]
        replace(Result.read(file), groups=groups).write(run / "results")
    test = compare([a, b]).tests[0].test
    assert test.difference == alone.difference
    assert test.interval[0] < 0 < alone.interval[0] < alone.interval[1] < test.interval[1]
    assert test.p_value > 0.05 > alone.p_value


def test_without_outcomes_or_with_those_of_an_earlier_measurement_there_is_no_test(make_run: MakeRun) -> None:
    a, b = (make_run(name, {("flowers", "logistic"): 50 + k}, lr=k) for k, name in enumerate("ab"))
    _keep(a, np.ones(10))
    compared = compare([a, b])
    assert not compared.tests
    assert compared.notes == ("flowers, logistic: not tested: per-image results of b were not saved",)
    _keep(b, np.zeros(10))
    assert len(compare([a, b]).tests) == 1
    RESULT.write(b / "results")
    assert not compare([a, b]).tests


def test_markdown_marks_the_best_bold_and_the_second_in_italics(make_run: MakeRun) -> None:
    a, b = (make_run(name, {("flowers", "logistic"): 50 + k}, lr=k) for k, name in enumerate("ab"))
    lines = to_markdown(compare([a, b])).splitlines()
    assert lines[0] == "| run | seeds | flowers<br>logistic<br>top-1 accuracy |"
    assert lines[2:6] == [
        "| a | 1 | *50.0* |",
        "| b | 1 | **51.0** |",
        "| random weights |  | 30.0 |",
        "| chance |  | 10.0 |",
    ]


def test_markdown_shows_names_as_they_are(make_run: MakeRun) -> None:
    a = make_run("a*b", [replace(RESULT, task="[x](y) | z<b>")])
    lines = to_markdown(compare([a])).splitlines()
    assert lines[0] == r"| run | seeds | \[x\](y) \| z\<b\><br>logistic<br>top-1 accuracy |"
    assert lines[2].startswith(r"| a\*b |")


def test_a_baseline_without_a_number_in_a_block_takes_no_line_there(make_run: MakeRun) -> None:
    only_first = replace(RESULT, task="a-task-with-a-long-name", baselines={"CCA": 5.0})
    run = make_run("a", [only_first, replace(RESULT, task="b-task-with-a-long-name", baselines={})])
    console = Console(width=40, record=True, file=io.StringIO())
    print_compared(compare([run]), console)
    assert console.export_text().count("CCA") == 1


def test_csv_has_a_line_for_each_number(make_run: MakeRun) -> None:
    a = make_run("a", [replace(RESULT, value=50.25, interval=(48.0, 52.5))])
    rows = list(csv.DictReader(io.StringIO(to_csv(compare([a])))))
    assert [(row["row"], row["value"]) for row in rows] == [
        ("a", "50.25"),
        ("random weights", "30.0"),
        ("chance", "10.0"),
    ]
    first = rows[0]
    assert (first["task"], first["protocol"], first["metric"]) == ("flowers", "logistic", "top-1 accuracy")
    assert (first["low"], first["high"], first["seeds"], first["data"]) == ("48.0", "52.5", "1", "d1")


def test_no_cell_of_the_csv_is_taken_for_a_formula_and_numbers_stay_numbers(make_run: MakeRun) -> None:
    a = make_run("=1+1", [replace(RESULT, task="@SUM(1)", value=-0.25)])
    first = next(csv.DictReader(io.StringIO(to_csv(compare([a])))))
    assert (first["row"], first["task"], first["value"]) == ("'=1+1", "'@SUM(1)", "-0.25")


def test_html_is_one_file_that_names_and_numbers_cannot_break(make_run: MakeRun) -> None:
    a = make_run("<b>a&", {("flowers", "logistic"): 50})
    text = to_html(compare([a]))
    assert "&lt;b&gt;a&amp;" in text
    assert "<b>a&" not in text
    assert "http" not in text
    assert ">50.0<" in text


@pytest.mark.parametrize("width", [80, 120])
def test_the_terminal_is_never_too_narrow(make_run: MakeRun, width: int) -> None:
    tasks = ["imagenette", "voc_animals", "cifar10", "ucm-labels", "flickr8k-test", "oxford-iiit-pet"]
    values = {(task, protocol): 50.0 for task in tasks for protocol in ("logistic", "voc07-svm-vissl")}
    runs = [
        make_run(f"icmlm-attfc-a-name-that-is-rather-long-for-a-table-seed{seed}", values, seed=seed) for seed in (0, 1)
    ]
    console = Console(width=width, file=io.StringIO(), highlight=False)
    print_compared(compare(runs), console)
    assert isinstance(console.file, io.StringIO)
    lines = console.file.getvalue().splitlines()
    assert max(map(len, lines)) <= width
    text = "\n".join(lines)
    assert text.count("50.0 ± 0.0") == len(values)
    assert all(text.count(task) == 2 for task in tasks)


@pytest.mark.parametrize("ending", [".md", ".csv", ".html"])
def test_the_ending_names_the_format_and_what_is_there_is_replaced(
    make_run: MakeRun, tmp_path: Path, ending: str, capsys: pytest.CaptureFixture[str]
) -> None:
    run = make_run("a", {("flowers", "logistic"): 50})
    out = tmp_path / "tables" / f"table{ending}"
    out.parent.mkdir()
    out.write_text("old", "utf-8")
    assert main(["compare", str(run), "--out", str(out)]) == 0
    assert "50.0" in out.read_text("utf-8")
    assert [file.name for file in out.parent.iterdir()] == [out.name]
    shown = capsys.readouterr().out
    assert "logistic" in shown
    assert f"wrote {out}" in shown


def test_an_unknown_ending_is_refused_before_anything_is_read(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for name in ("table.xlsx", "table"):
        assert main(["compare", str(tmp_path / "absent"), "--out", str(tmp_path / name)]) == 2
        assert "expected a name that ends in .md, .csv, .html" in capsys.readouterr().err
    (tmp_path / "folder.md").mkdir()
    with pytest.raises(InputError, match="is a folder; expected a file"):
        compare([tmp_path], out=tmp_path / "folder.md")


def test_one_broken_file_among_results_is_named(make_run: MakeRun, tmp_path: Path) -> None:
    folder = tmp_path / "evaluated" / "timm-resnet18"
    RESULT.write(folder)
    (folder / "birds").mkdir()
    (folder / "birds" / "logistic.json").write_text('{"task": "bir', "utf-8")
    with pytest.raises(InputError, match=r"birds/logistic.json is not a result"):
        compare_runs([make_run("a", {("flowers", "logistic"): 50}), folder])


def test_what_is_not_in_percent_is_named(make_run: MakeRun) -> None:
    says = replace(RESULT, task="photos", protocol="captioning", metric="CIDEr-D", random_weights=None, baselines={})
    a, b = (
        make_run(name, [replace(says, value=value), RESULT], lr=value) for name, value in (("a", 50.0), ("b", 60.0))
    )
    (first, *_) = ComparisonReport(compare_runs([a, b])).says
    assert first == "Every number but CIDEr-D is in percent, of one protocol on one task and the same images."
    (plain, *_) = ComparisonReport(compare_runs([make_run("c", [RESULT]), make_run("d", [RESULT], lr=1.0)])).says
    assert plain == "Every number is in percent, of one protocol on one task and the same images."
