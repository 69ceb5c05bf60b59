"""Runs that learn to say captions: trained, resumed to the same numbers, measured, asked by the command line."""

from __future__ import annotations

import csv
import json
import shutil
import signal
from pathlib import Path
from typing import Any

import pytest

import wordsight
from tests.conftest import MakeCorpus
from tests.training.tiny_runs import same_weights, signal_within
from wordsight.cli import main
from wordsight.corpus import Corpus
from wordsight.errors import InputError, SomeFailedError
from wordsight.training.run import Run

CAPTIONS = [
    [f"a {colour} {kind} {does}", f"one {kind} that {does}"]
    for kind in ("dog", "cat")
    for does in ("runs", "sleeps")
    for colour in ("red", "black", "white")
]
SMALL: dict[str, Any] = {
    "backbone_settings": {"stages": 1},
    "image_size": 32,
    "epochs": 2,
    "batch_size": 4,
    "workers": 0,
    "device": "cpu",
    "precision": "fp32",
}
DECODER = {"width": 16, "heads": 2, "vocabulary": 80}


@pytest.fixture
def corpus(make_corpus: MakeCorpus) -> Corpus:
    return make_corpus(CAPTIONS, ["train"] * 8 + ["test"] * 4)


def pretrained(name: str, corpus: Corpus, out: Path, **given: Any) -> Run:
    values = {**DECODER, **given.pop("objective_settings", {})}
    return wordsight.pretrain(
        f"{name}-resnet18-small", corpus=corpus, out=out, objective_settings=values, **{**SMALL, **given}
    )


@pytest.mark.parametrize("name", ["captioning", "masked-lm", "coca"])
def test_a_stopped_run_goes_on_to_the_same_numbers(name: str, corpus: Corpus, tmp_path: Path) -> None:
    whole = pretrained(name, corpus, tmp_path / "whole")
    with pytest.raises(KeyboardInterrupt), signal_within(2, signal.SIGINT):
        pretrained(name, corpus, tmp_path / "stopped")
    resumed = pretrained(name, corpus, tmp_path / "stopped", resume=True)
    assert same_weights(whole.path, resumed.path)


@pytest.mark.parametrize("order", ["left-to-right", "both", "parallel"])
def test_a_captioner_is_measured_by_its_own_protocol_and_reported(order: str, corpus: Corpus, tmp_path: Path) -> None:
    run = pretrained("captioning", corpus, tmp_path / "run", objective_settings={"order": order}, accumulate=2)
    (found,) = wordsight.evaluate(run, corpus=corpus)
    assert (found.protocol, found.metric, found.task) == ("captioning", "CIDEr-D", "corpus-test")
    assert {"wrong image", "most frequent caption", "first reference"} <= set(found.baselines)
    page = wordsight.report(run).read_text("utf-8")
    assert "to say the caption of a picture word by word" in page and "CIDEr-D" in page


def test_coca_finds_captions_writes_them_and_tells_classes_by_name(
    corpus: Corpus, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    sizes = {"layers": 1, "text_layers": 1, "queries": 3, "joint_width": 8}
    run = pretrained("coca", corpus, tmp_path / "run", objective_settings=sizes, accumulate=2)
    assert "a loss of contrast 1.39 (ln 4) is that of guessing" in capsys.readouterr().err
    assert {each.protocol for each in wordsight.evaluate(run, corpus=corpus)} == {"retrieval"}
    (written,) = wordsight.evaluate(run, corpus=corpus, protocol="captioning")
    assert written.counts["images"] == 4
    for split, kind in (("train", "dog"), ("train", "cat"), ("test", "dog"), ("test", "cat")):
        folder = tmp_path / "classes" / split / kind
        folder.mkdir(parents=True)
        place = ["dog", "cat"].index(kind) * 6 + (split == "test")
        shutil.copy(tmp_path / "corpus-images" / f"{place}.png", folder / f"{place}.png")
    (found,) = wordsight.evaluate(run, task=f"folder:{tmp_path / 'classes'}", protocol="zero-shot")
    assert found.metric == "top-1 accuracy"


def test_a_part_of_a_sum_writes_captions_too(corpus: Corpus, tmp_path: Path) -> None:
    parts = {"says": {"kind": "captioning", **DECODER}, "hidden": {"kind": "masked-lm", "weight": 0.5, **DECODER}}
    run = wordsight.pretrain(
        "tp-postag-resnet18-small", corpus=corpus, out=tmp_path / "run", objectives=parts, concepts={}, **SMALL
    )
    (found,) = wordsight.evaluate(run, corpus=corpus, split="train")
    assert found.protocol == "captioning" and "this is not a held-out result" in "; ".join(found.warnings)


def test_photos_are_given_captions_in_a_table(
    corpus: Corpus, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run = pretrained("captioning", corpus, tmp_path / "run")
    photos, table = tmp_path / "corpus-images", tmp_path / "captions.csv"
    assert main(["caption", str(run.path), str(photos), "--out", str(table), "--beams", "2"]) == 0
    assert f"wrote {table}: captions of 12 photos" in capsys.readouterr().out
    rows = list(csv.DictReader(table.read_text("utf-8").splitlines()))
    found = wordsight.caption(run, photos, beams=2, out=tmp_path / "captions.jsonl")
    assert [row["image"] for row in rows] == sorted(f"{k}.png" for k in range(12)) == [each.image for each in found]
    assert [row["caption"] for row in rows] == [each.caption for each in found]
    lines = [json.loads(line) for line in (tmp_path / "captions.jsonl").read_text("utf-8").splitlines()]
    assert [line["caption"] for line in lines] == [each.caption for each in found]
    assert all(each.log_probability < 0 for each in found)
    assert main(["caption", str(run.path), str(photos / "3.png")]) == 0
    assert capsys.readouterr().out.startswith(f"{photos / '3.png'}\t")


def test_a_photo_that_can_not_be_read_costs_no_other_its_caption(corpus: Corpus, tmp_path: Path) -> None:
    run = pretrained("captioning", corpus, tmp_path / "run")
    photos = tmp_path / "corpus-images"
    (photos / "broken.jpg").write_bytes(b"no picture")
    with pytest.raises(SomeFailedError, match=r"broken\.jpg") as failed:
        wordsight.caption(run, photos, out=tmp_path / "captions.csv")
    assert len(failed.value.done) == 12 and (tmp_path / "captions.csv").is_file()


def test_what_can_not_be_captioned_is_said_in_a_line(corpus: Corpus, tmp_path: Path) -> None:
    run = pretrained("masked-lm", corpus, tmp_path / "run", epochs=1)
    (tmp_path / "empty").mkdir()
    with pytest.raises(InputError, match="writes no captions; expected a run of captioning or coca"):
        wordsight.caption(run, tmp_path / "corpus-images")
    with pytest.raises(InputError, match="there is no photo"):
        wordsight.caption(run, tmp_path / "empty")
    with pytest.raises(InputError, match="^there is no photo; expected"):
        wordsight.caption(run, [])
    with pytest.raises(InputError, match="no such file or folder"):
        wordsight.caption(run, tmp_path / "absent")
    with pytest.raises(InputError, match=r"is neither a \.csv nor a \.jsonl file"):
        wordsight.caption(run, tmp_path / "corpus-images", out="captions.txt")
    reader = wordsight.READERS["folder"](tmp_path / "corpus-images")  # type: ignore[call-arg]
    bare = wordsight.build_corpus(reader, out=tmp_path / "bare")
    with pytest.raises(InputError, match="no example of this split has a caption"):
        pretrained("captioning", bare, tmp_path / "other")


@pytest.mark.parametrize("name", ["captioning", "masked-lm", "coca"])
def test_one_caption_for_all_images_is_refused_in_a_line(name: str, make_corpus: MakeCorpus, tmp_path: Path) -> None:
    corpus = make_corpus([["a dog runs"]] * 6, ["train"] * 6, name="alike")
    with pytest.raises(InputError, match="all captions of the 6 images read alike"):
        pretrained(name, corpus, tmp_path / "run")
