"""The report: one file, asking nothing of the network, true to what the run folder holds."""

from __future__ import annotations

import json
import re
import shutil
from collections.abc import Callable
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pytest
import scipy.sparse

from tests.explain.browser import needs_browser, printed_pages
from wordsight.concepts import ConceptSet
from wordsight.corpus import Corpus
from wordsight.evaluation.results.result import Result, ResultGroup, SweepPoint
from wordsight.explain.formats import percent
from wordsight.explain.report import gather, write_report
from wordsight.explain.report.results import headlines, protocol_says, result_tables, warnings
from wordsight.training.run import Run

MakeRun = Callable[..., Run]
_VOID = {"meta", "img", "rect", "path", "circle", "br", "link", "input"}


class Document(HTMLParser):
    """What a browser would make of a report: its tags, what they point to, and its text."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.open: list[str] = []
        self.addresses: list[str] = []
        self.pictures: list[dict[str, str | None]] = []
        self.text = ""
        self.feed(html)
        assert not self.open, f"tags left open: {self.open}"

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        if tag not in _VOID:
            self.open.append(tag)
        if tag == "img":
            self.pictures.append(dict(attrs))
        self.addresses += [value or "" for name, value in attrs if name in ("src", "href", "srcset", "action", "data")]

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open and self.open.pop() == tag, f"</{tag}> closes nothing"

    def handle_data(self, data: str) -> None:
        if not self.open or self.open[-1] not in ("style", "script"):
            self.text += data


def read(path: Path) -> Document:
    return Document(path.read_text("utf-8"))


def add_metrics(run: Run) -> None:
    """Three lines of a training."""
    lines = [
        {"step": 2 * k, "epoch": k * 2 / 3, "lr": 1e-3, "images_per_second": 10.0, "seconds": 3.0 * k, "loss": 9.0 - k}
        | {"masked": 5.0 - k, "tag": 4.0, "accuracy": 0.1 * k, "gradient_norm": 1.0}
        for k in (1, 2, 3)
    ]
    (run.path / "metrics.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))


def add_results(run: Run) -> None:
    """Three results, one with a name that is markup."""
    text = {"text only": 25.25, "chance": 0.8, "text only, top-5": 41.5, "language model alone": 17.5}
    results = [
        Result("scenes-test", "masked-words", "top-1 accuracy", 61.25, baselines=text, more={"top-5": 82.5}),
        Result("scenes-test", "pointing", "peak in box", 81.75, baselines={"chance": 11.5}, standard_error=1.5),
        Result(
            "<b>birds</b>",
            "logistic",
            "top-1 accuracy",
            64.5,
            37.5,
            interval=(60.1, 68.9),
            penalty=0.01,
            sweep=[SweepPoint(0.01, 60.0)],
            warnings=["few images"],
        ),
    ]
    for result in results[:2]:
        result.write(run.results_folder)
    (run.results_folder / "birds").mkdir()
    written = results[2].write(run.results_folder / "aside")
    shutil.move(written, run.results_folder / "birds" / "logistic.json")
    shutil.rmtree(run.results_folder / "aside")


@pytest.fixture(scope="module")
def report(make_run: MakeRun) -> Path:
    """The report of a run with metrics and results."""
    run = make_run("icmlm-attfc")
    add_metrics(run)
    add_results(run)
    return write_report(run)


def test_the_report_asks_nothing_of_the_network(report: Path) -> None:
    document, html = read(report), report.read_text("utf-8")
    assert report.name == "report.html"
    assert all(address.startswith(("data:image/", "#")) for address in document.addresses)
    assert "@import" not in html and "url(" not in html
    assert not {"link", "iframe", "object", "embed"} & set(document.tags)
    assert report.stat().st_size < 3_000_000


def test_whatever_comes_from_outside_is_escaped(report: Path) -> None:
    document = read(report)
    assert document.tags.count("script") == 1 and "i" not in document.tags
    assert "a red ball & a <script>alert(1)</script> dog" in document.text
    assert "<b>birds</b>" in document.text and "run-<icmlm-attfc>" in document.text


def test_the_first_table_holds_the_main_number_of_every_task_and_protocol_beside_its_baselines(report: Path) -> None:
    html = report.read_text("utf-8")
    body = html[html.index("<tbody>") : html.index("</tbody>")]
    rows = [Document("<table><tr>" + row.split("</tr>")[0] + "</tr></table>").text for row in body.split("<tr>")[1:]]
    told = [re.sub(r"\s+", " ", row).strip() for row in rows]
    assert told == [
        "<b>birds</b> top-1 accuracy logistic 64.5 % 60.1 to 68.9 37.5 % \u2013 \u2013",
        "scenes-test top-1 accuracy masked-words 61.2 % \u2013 \u2013 25.2 % 0.8 %",
        "scenes-test peak in box pointing 81.8 % \u00b1 1.5 (standard error) \u2013 \u2013 11.5 %",
    ]


def test_numbers_come_first_then_what_was_trained_on_then_warnings(report: Path) -> None:
    html = report.read_text("utf-8")
    order = [
        'class="results headlines"',
        "learned to see from",
        "Read this with the numbers",
        'id="data"',
        'id="results"',
    ]
    places = [html.index(part) for part in order]
    assert places == sorted(places)


def test_a_warning_stands_once_in_a_paragraph_with_all_that_it_is_of() -> None:
    said = "the whole of a long sentence that no narrow column of a table could hold"
    results = [Result("cifar", "few-shot", "top-1", 1.0, part=f"{n}-shot", warnings=[said]) for n in (1, 2)]
    assert warnings(results) == [f"cifar, few-shot (1-shot), few-shot (2-shot): {said}"]
    assert all(said not in row.note for table in result_tables(results) for row in table.rows)


def test_every_number_stands_beside_its_protocol_and_its_baselines(report: Path) -> None:
    html, document = report.read_text("utf-8"), read(report)
    blocks = html[html.index('id="results"') :].split("<tbody>")[1:]
    assert len(blocks) == 3
    measured = {"61.2": "masked-words", "82.5": "masked-words", "81.8": "pointing", "64.5": "logistic"}
    for value, protocol in measured.items():
        (block,) = [block for block in blocks if f"<b>{value}" in block]
        assert f"<code>{protocol}</code>" in block
    for number in ("37.5", "25.2", "41.5", "11.5", "17.5", "± 1.5"):
        assert number in document.text, number


def test_random_weights_of_a_further_metric_have_the_column_of_random_weights() -> None:
    baselines = {"random weights, top-5": 12.5, "CCA, top-5": 7.5}
    (table,) = result_tables([Result("x", "logistic", "top-1", 4.0, 2.0, baselines=baselines, more={"top-5": 20.0})])
    assert [row.random for row in table.rows] == ["2.0\u202f%", "12.5\u202f%"]
    assert table.rows[1].note == "CCA 7.5\u202f%"


def test_only_guesses_at_random_are_called_chance() -> None:
    words = Result("t", "masked-words", "top-1", 40.0, baselines={"text only": 30.0, "most frequent": 8.0})
    (row,) = result_tables([words])[0].rows
    assert (row.chance, row.note) == ("", f"most frequent {percent(8.0)}")
    assert [bar.name for bar in row.bars] == ["this run", "text alone", "most frequent"]
    (row,) = result_tables([replace(words, baselines={"chance": 1.0, "most frequent class": 8.0})])[0].rows
    assert (row.chance, row.note) == (percent(1.0), f"most frequent class {percent(8.0)}")
    assert [bar.name for bar in row.bars] == ["this run", "chance"]


def test_of_ranks_the_report_says_that_lower_is_better(make_run: MakeRun) -> None:
    run = make_run("tag-prediction")
    Result("scenes-test", "retrieval", "R@1", 4.0, more={"median rank": 12.0}).write(run.results_folder)
    text = read(write_report(run)).text
    assert "median rank (lower is better)" in text and "R@1 (lower" not in text
    assert "more is better" not in text


@needs_browser
def test_a_report_prints_on_few_pages(report: Path) -> None:
    assert printed_pages(report) <= 4


def test_every_protocol_that_was_used_is_explained(report: Path) -> None:
    text = read(report).text
    for name in ("masked-words", "pointing", "logistic"):
        assert len(protocol_says(name)) > 30
        assert protocol_says(name) in text


def test_every_picture_says_what_it_shows(report: Path) -> None:
    document = read(report)
    assert len(document.pictures) > 8
    assert all(picture["alt"] for picture in document.pictures)


def test_the_report_says_what_went_in(report: Path) -> None:
    text = read(report).text
    for said in ("12 pictures with 12 captions", "1\u202fmin 15\u202fs", "Nouns", "beach", "License: CC BY-SA 4.0."):
        assert said in text, said
    assert "backbone_settings.last_stride" in text


def test_training_is_drawn_as_curves(report: Path) -> None:
    text = read(report).text
    for chart in ("Loss", "Training accuracy", "Learning rate", "Speed"):
        assert chart in text
    assert "whole loss from 8 to 6" in text


def test_attention_maps_are_of_examples_that_were_not_trained_on(report: Path) -> None:
    text = read(report).text
    assert "split test, which was not trained on" in text
    assert "looks inside the frame" in text or "looks outside the frame" in text


def test_the_same_run_gives_the_same_report(report: Path) -> None:
    again = write_report(Run.open(report.parent), out=report.parent / "again.html")
    assert again.read_text("utf-8") == report.read_text("utf-8")


@pytest.mark.parametrize("finished", [True, False])
def test_a_run_without_attention_results_or_curves_has_a_report_too(make_run: MakeRun, finished: bool) -> None:
    text = read(write_report(make_run("tag-prediction", finished=finished))).text
    assert "The objective tag-prediction looks at a picture as a whole" in text and "icmlm-tfm and icmlm-attfc" in text
    assert "Nothing was measured yet" in text and "no curves" in text
    assert ("Training has not finished" in text) is not finished


def test_an_unfinished_run_of_words_says_that_there_are_no_weights_yet(make_run: MakeRun) -> None:
    text = read(write_report(make_run("icmlm-attfc", finished=False))).text
    assert "training has not finished" in text


def test_a_corpus_that_has_moved_is_told_in_its_place_and_can_be_given(
    make_run: MakeRun, corpus: Corpus, tmp_path: Path
) -> None:
    run = make_run("tag-prediction")
    moved = Corpus.open(shutil.copytree(corpus.path, tmp_path / "moved"))
    remembered = json.loads((run.path / "run.json").read_text())
    gone = {**remembered, "corpus": "gone/away", "corpus_from_run": "../gone"}
    (run.path / "run.json").write_text(json.dumps(gone))
    run = Run.open(run.path)
    text = read(write_report(run)).text
    assert f"the corpus that the run was trained on ({corpus.fingerprint}) is not at gone/away" in text
    assert "The corpus moved holds 12 pictures" in read(write_report(run, corpus=moved)).text


def test_groups_of_a_result_stand_under_it_beside_their_baselines(make_run: MakeRun) -> None:
    run = make_run("tag-prediction")
    groups = [
        ResultGroup(
            "part of speech", "noun", 1200, 41.25, {"top-5": 70.5}, {"text only": 30.75, "text only, top-5": 60.5}
        ),
        ResultGroup(
            "part of speech", "<i>verb", 300, 35.5, {"top-5": 65.5}, {"text only": 33.5, "text only, top-5": 61.0}
        ),
        ResultGroup("learned best", "dog", 17, 88.5, baselines={"chance": 12.5}),
    ]
    Result("scenes-test", "masked-words", "top-1", 40.0, more={"top-5": 69.0}, groups=groups).write(run.results_folder)
    html = write_report(run).read_text("utf-8")
    Document(html)
    parts, best = html.split('<div class="groups">')[1:]
    assert "scenes-test, masked-words: part of speech" in parts and "scenes-test, masked-words: learned best" in best
    assert "&lt;i&gt;verb" in parts
    for said in ("1,200", "41.2", "text only", "30.8", "70.5", "text only, top-5", "60.5"):
        assert said in parts, said
    for said in ("dog", "17", "88.5", "chance", "12.5"):
        assert said in best, said
    assert "top-5" not in best[: best.index("</table>")]


def test_every_concept_set_of_a_run_is_shown_for_what_it_is(
    make_run: MakeRun, corpus: Corpus, concepts: ConceptSet
) -> None:
    run = make_run("tag-prediction")
    shares = scipy.sparse.csr_matrix(np.tile(np.array([[0.75, 0.25]], np.float32), (len(corpus), 1)))
    names = ["dog ball beach and more of it", "red grass tree"]
    topics = ConceptSet("article-topics", names, shares, "probabilities", corpus.fingerprint, {"of": "articles"})
    topics.save(corpus.path / "concepts" / "two")
    info = json.loads((run.path / "run.json").read_text())
    told = {"folder": str(corpus.path / "concepts" / "two"), "fingerprint": topics.fingerprint, "count": 2}
    info["concepts"] = {"topics": told | {"target": "probabilities"}} | info["concepts"]
    (run.path / "run.json").write_text(json.dumps(info))
    text = read(write_report(Run.open(run.path))).text
    assert "learned to see from the articles and captions of 6 pictures" in text
    assert "Concepts: topics" in text and "Concepts: postag" in text
    assert "2 topics of the articles" in text and "5 nouns, adjectives and verbs of the captions" in text
    assert names[0] in text and "the training pictures" in text
    shutil.rmtree(corpus.path / "concepts" / "two")
    text = read(write_report(Run.open(run.path))).text
    assert "Not shown: " in text and "Concepts: postag" in text and "Concepts: topics" not in text


def test_attention_is_shown_of_the_set_whose_words_were_hidden(
    make_run: MakeRun, corpus: Corpus, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = make_run("icmlm-attfc")
    ones = scipy.sparse.csr_matrix(np.ones((len(corpus), 1), np.float32))
    first = ConceptSet("topics", ["all of it"], ones, "probabilities", corpus.fingerprint)
    first.save(corpus.path / "concepts" / "first")
    info = json.loads((run.path / "run.json").read_text())
    told = {"folder": str(corpus.path / "concepts" / "first"), "fingerprint": first.fingerprint, "count": 1}
    info["concepts"] = {"topics": told | {"target": "probabilities"}} | info["concepts"]
    (run.path / "run.json").write_text(json.dumps(info))
    asked: list[str] = []
    monkeypatch.setattr(
        "wordsight.explain.report.describe_attention", lambda run, corpus, concepts, maps: asked.append(concepts.kind)
    )
    report = gather(Run.open(run.path), corpus, 2)
    assert asked == ["postag"]
    assert [part.name for part in report.concepts] == ["topics", "postag"]


def test_what_stands_first_is_of_every_task_by_the_best_known_protocol() -> None:
    results = [
        *(Result("cifar", "few-shot", "top-1 accuracy", 20.0, part=f"{n}-shot", place=n) for n in range(2)),
        Result("cifar", "logistic", "top-1 accuracy", 50.0),
        Result("flickr-test", "retrieval", "R@1", 3.0),
        Result("flickr-test", "masked-words", "top-1 accuracy", 30.0),
    ]
    assert [(one.task, one.protocol) for one in headlines(results)] == [
        ("cifar", "logistic"),
        ("cifar", "few-shot (0-shot)"),
        ("cifar", "few-shot (1-shot)"),
        ("flickr-test", "masked-words"),
        ("flickr-test", "retrieval"),
    ]


def test_attention_that_is_the_same_for_all_words_is_a_warning(
    make_run: MakeRun, corpus: Corpus, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("wordsight.explain.report.example_photos.sameness", lambda *_, **__: "always the same corner")
    assert "where it looks: always the same corner" in gather(make_run("icmlm-attfc"), corpus, 2).warnings
