"""Results on images that were pretrained on say so."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from tests.evaluation.conftest import MadeReader
from wordsight.corpus import Corpus, Example, build_corpus
from wordsight.corpus.build import BuildSettings
from wordsight.corpus.known_images import KnownImages
from wordsight.evaluation import CorpusSplit, EvaluatedModel, Result, evaluate, open_task
from wordsight.evaluation.pretrained_on import PRETRAINED_ON, PretrainingOverlap, pretraining_overlap, with_overlap
from wordsight.explain.report.results import warnings


@pytest.fixture
def captioned(colour_folder: Path, tmp_path: Path) -> Corpus:
    """A corpus of the folder's training images and 3 of its 8 test images, under other names, labelled."""
    files = sorted((colour_folder / "train").rglob("*.png")) + sorted((colour_folder / "test").rglob("*.png"))[:3]
    examples = [
        Example(f"photo {i}", file, captions=("a picture of a colour",), labels=(file.parent.name,), split="train")
        for i, file in enumerate(files)
    ]
    return build_corpus(MadeReader(examples), tmp_path / "captioned", BuildSettings(shorter_side=16))


def _run(model: EvaluatedModel, corpus: Corpus) -> EvaluatedModel:
    known = KnownImages.of(corpus, range(len(corpus)))
    return replace(model, trained_on=corpus.fingerprint, trained_split="train", pretrained=known)


def test_test_images_that_were_pretrained_on_are_counted(
    model: EvaluatedModel, colour_folder: Path, captioned: Corpus, capsys: pytest.CaptureFixture[str]
) -> None:
    task = open_task(f"folder:{colour_folder}")
    said = "3 of 8 test images were pretrained on: this is not a held-out result"
    for result in evaluate(_run(model, captioned), task, ["knn", "logistic"]):
        assert result.warnings[0] == said
        assert result.counts[PRETRAINED_ON] == 3
        file = model.results_folder / "colours" / f"{result.protocol}.json"
        assert said in Result.read(file).warnings
        assert any(said in line for line in warnings([result]))


def test_what_is_known_of_training_images_is_brought_up_to_date(
    model: EvaluatedModel, colour_folder: Path, captioned: Corpus
) -> None:
    task = open_task(f"folder:{colour_folder}")
    run = _run(model, captioned)
    unknown = replace(run, pretrained=None)
    (first,) = evaluate(unknown, task, ["knn"])
    assert first.warnings[0].startswith("not checked: whether test images were pretrained on (the run keeps no hashes")
    assert PRETRAINED_ON not in first.counts
    (second,) = evaluate(run, task, ["knn"])
    assert second.seconds == first.seconds, "nothing is measured again for it"
    assert second.counts[PRETRAINED_ON] == 3
    assert sum("pretrained on" in each for each in second.warnings) == 1
    file = model.results_folder / "colours" / "knn.json"
    assert Result.read(file) == second
    assert file.with_suffix(".npz").is_file()


def test_a_network_that_is_no_runs_and_images_that_were_not_seen_say_nothing(
    model: EvaluatedModel, colour_folder: Path, captioned: Corpus
) -> None:
    task = open_task(f"folder:{colour_folder}")
    assert pretraining_overlap(model, task) is None
    elsewhere = replace(_run(model, captioned), pretrained=KnownImages.of(captioned, range(24)))
    assert pretraining_overlap(elsewhere, task) == PretrainingOverlap(0, 8)
    (result,) = evaluate(elsewhere, task, ["knn"])
    assert result.counts[PRETRAINED_ON] == 0
    assert not any("pretrained" in each for each in result.warnings)


@pytest.mark.parametrize("kind", ["task", "split"])
def test_images_of_a_corpus_are_known_by_its_own_hashes(
    model: EvaluatedModel, captioned: Corpus, tmp_path: Path, kind: str
) -> None:
    run = _run(model, captioned)
    examples = [
        Example(str(i), bytes(captioned.image_bytes(i)), labels=("ab"[i % 2],), captions=("other words",), split=split)
        for i, split in enumerate(["train"] * 9 + ["test"] * 9)
    ]
    # Its images are those that were kept of the others, shrunk and coded anew: other pictures, but for one.
    files = Path(captioned.info["sources"][0])
    examples[12] = replace(examples[12], image=next(tmp_path.rglob("train/red/5.png")))
    assert files
    other = build_corpus(MadeReader(examples), tmp_path / "other", BuildSettings(shorter_side=16))
    data = open_task(str(other.path)) if kind == "task" else CorpusSplit(other, "test")
    assert pretraining_overlap(run, data) == PretrainingOverlap(1, 9)
    large = build_corpus(MadeReader(examples), tmp_path / "large", BuildSettings(shorter_side=24))
    data = open_task(str(large.path)) if kind == "task" else CorpusSplit(large, "test")
    seen = pretraining_overlap(run, data)
    assert seen is not None
    doubt = "large photos could not be compared: their hashes are of 24 and 16 px"
    assert seen.warnings() == [
        f"at least 1 of 9 test images was pretrained on ({doubt}): this is not a held-out result"
    ]


def test_the_runs_own_captions_are_said_once(model: EvaluatedModel, captioned: Corpus) -> None:
    run = _run(model, captioned)
    own = CorpusSplit(captioned, "train")
    assert own.seen_in_training(run) == ["the run was trained on these captions: this is not a held-out result"]
    assert pretraining_overlap(run, own) is None
    result = Result("a", "b", "top-1 accuracy", 1.0, warnings=own.seen_in_training(run))
    assert with_overlap(result, None) == result


def test_a_run_of_no_images_has_seen_none(model: EvaluatedModel, colour_folder: Path, captioned: Corpus) -> None:
    untrained = replace(_run(model, captioned), pretrained=KnownImages(np.zeros(0, np.uint64), 16))
    assert pretraining_overlap(untrained, open_task(f"folder:{colour_folder}")) == PretrainingOverlap(0, 8)
